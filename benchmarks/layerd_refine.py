"""LayerD's refinements: `python -m benchmarks.layerd_refine [--side 2048] [--parts 50]`

The plate's palettes, the foreground's areas of flat colour and its colours, in the boxes where
they are needed against whole canvases as the released code has it, with equal results. That code
took 94 s for a plate of 2048 x 2048 with 50 parts on two cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np

from benchmarks import naive_peel
from benchmarks.measuring import table
from layerstudio.color import U8
from layerstudio.ops.peel_colours import unblended
from layerstudio.ops.peel_palette import dilated, flat_colour_areas, snap_to_palettes

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=2048, help="of the canvas, in pixels")
    parser.add_argument("--parts", type=int, default=50)
    arguments = parser.parse_args()
    rgb, alpha = poster(arguments.side, arguments.parts)
    hard = alpha > 0.005
    kernel = round(arguments.side * 0.015)
    holes = dilated(hard, kernel, kernel)
    plate = filled(rgb, holes)
    print(f"{arguments.side} x {arguments.side}, {arguments.parts} parts")
    rows = []
    ours, fast = best_of(5, lambda: snap_to_palettes(plate, holes, 10))
    theirs, slow = best_of(1, lambda: naive_peel.refine_plate(plate, holes))
    assert np.array_equal(ours, theirs)
    rows.append(row("plate", slow, fast))
    areas, fast = best_of(5, lambda: flat_colour_areas(rgb, hard, 2))
    known, slow = best_of(1, lambda: colour_areas(rgb, hard))
    assert len(areas) == len(known)
    rows.append(row("areas of flat colour", slow, fast))
    ours, fast = best_of(5, lambda: unblended(rgb, plate, alpha))
    theirs, slow = best_of(1, lambda: naive_peel.unblend(rgb, plate, alpha))
    assert np.array_equal(ours, theirs)
    rows.append(row("colours", slow, fast))
    print(table(("", "whole canvases", "layerstudio", "times"), rows))


def row(what: str, slow: float, fast: float) -> tuple[str, str, str, str]:
    return what, f"{slow:.2f} s", f"{fast:.3f} s", f"{slow / fast:.0f}"


def colour_areas(rgb: U8, hard: naive_peel.Mask) -> list[tuple[U8, naive_peel.Mask]]:
    return [
        found
        for part in naive_peel.parts(hard)
        for found in naive_peel.colour_areas(rgb, part, 2, 0.2, 0.5)
    ]


def best_of(times: int, work: Callable[[], T]) -> tuple[T, float]:
    """The result, and the shortest time in seconds."""
    seconds, results = [], []
    for _ in range(times):
        start = time.perf_counter()
        results.append(work())
        seconds.append(time.perf_counter() - start)
    return results[0], min(seconds)


def poster(side: int, parts: int) -> tuple[U8, naive_peel.F64]:
    """Discs on a ground of two colours, and their matte."""
    rng = np.random.default_rng(0)
    rgb = np.full((side, side, 3), (240, 236, 224), np.uint8)
    rgb[side // 2 :] = (32, 60, 110)
    alpha = np.zeros((side, side))
    across = int(np.ceil(np.sqrt(parts)))
    for index in range(parts):
        x, y = ((at + 0.5) * side / across for at in (index % across, index // across))
        radius = int(rng.integers(side // (6 * across), side // (3 * across)))
        centre, colour = (int(x), int(y)), tuple(map(int, rng.integers(0, 256, 3)))
        cv2.circle(rgb, centre, radius, colour, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(alpha, centre, radius, 1.0, cv2.FILLED)
    return rgb, np.asarray(np.clip(cv2.GaussianBlur(alpha, (0, 0), 0.8), 0, 1), np.float64)


def filled(rgb: U8, holes: naive_peel.Mask) -> U8:
    """As an inpainting network fills: the right colours, a few levels off."""
    rng = np.random.default_rng(1)
    plate = rgb.copy()
    plate[: len(rgb) // 2][holes[: len(rgb) // 2]] = rgb[0, 0]
    plate[len(rgb) // 2 :][holes[len(rgb) // 2 :]] = rgb[-1, 0]
    off = rng.integers(-6, 7, (int(np.count_nonzero(holes)), 3))
    plate[holes] = np.clip(plate[holes] + off, 0, 255)
    return plate


if __name__ == "__main__":
    main()
