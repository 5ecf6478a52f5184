"""Mattes and foreground colours without weights against what is true, and how long they take.

`python -m benchmarks.matting [--side 512] [--rounds 2] [--sheet FILE] [--quick]`

Scenes of known truth (`matting_scenes.py`): hair, soft edges and glass on photographs. PyMatting
ships no pictures of its own. Errors of mattes are over the open pixels of the trimap (SAD per
pixel), those of colours, in 8-bit levels, over what is mixed and by its alpha; colours are
estimated with the true alpha.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks import measuring
from benchmarks.matting_scenes import MattingScene, scenes
from layerstudio.color import F32
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken

MATTES = ("guided", "closed-form", "knn")
COLOURS = ("pyramid-colours", "ml-colours", "closed-form-colours")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2, help="the fastest is reported")
    parser.add_argument("--sheet", type=Path, help="a PNG to draw pictures and mattes on")
    parser.add_argument("--quick", action="store_true", help="tiny scenes: whether all of it runs")
    options = parser.parse_args(arguments)
    shown = scenes(96 if options.quick else options.side)
    print(f"{measuring.machine(torch.device('cpu'))}, {options.side} pixels\n")
    names = [scene.name for scene in shown]
    mattes = {id: [_matted(id, scene, options.rounds) for scene in shown] for id in MATTES}
    columns = ["matte", *(f"{name}: MSE, SAD" for name in names), "seconds"]
    print(measuring.table(columns, [_matte_row(id, found, shown) for id, found in mattes.items()]))
    colours = {id: [_coloured(id, scene, options.rounds) for scene in shown] for id in COLOURS}
    columns = ["foreground", *(f"{name}: mean, by alpha" for name in names), "seconds"]
    print("\n" + measuring.table(columns, [_row(id, f, shown) for id, f in colours.items()]))
    if options.sheet:
        _draw(options.sheet, shown, mattes)


Answer = tuple[F32, float]


def _matted(id: str, scene: MattingScene, rounds: int) -> Answer:
    stage = stage_class(id, "matte").open(Runtime())
    return _timed(lambda: stage.alpha(scene.picture, scene.trimap, cancel=CancelToken()), rounds)


def _coloured(id: str, scene: MattingScene, rounds: int) -> Answer:
    stage = stage_class(id, "foreground").open(Runtime())
    return _timed(lambda: stage.colours(scene.picture, scene.alpha, cancel=CancelToken()), rounds)


def _timed(run: Callable[[], F32], rounds: int) -> Answer:
    taken, found = [], None
    for _ in range(rounds):
        start = time.perf_counter()
        found = run()
        taken.append(time.perf_counter() - start)
    assert found is not None
    return found, min(taken)


def _matte_row(id: str, found: Sequence[Answer], shown: Sequence[MattingScene]) -> list[str]:
    cells = []
    for (alpha, _), scene in zip(found, shown, strict=True):
        off = (alpha - scene.alpha)[scene.trimap == 0.5]
        cells.append(f"{np.mean(off**2):.4f}, {np.mean(np.abs(off)):.4f}")
    return [id, *cells, f"{sum(taken for _, taken in found):.2f}"]


def _row(id: str, found: Sequence[Answer], shown: Sequence[MattingScene]) -> list[str]:
    cells = []
    for (colour, _), scene in zip(found, shown, strict=True):
        mixed = (scene.alpha > 0.02) & (scene.alpha < 0.98)
        off = 255 * np.abs(colour - scene.foreground).mean(axis=2)[mixed]
        cells.append(f"{off.mean():.2f}, {(off * scene.alpha[mixed]).mean():.2f}")
    return [id, *cells, f"{sum(taken for _, taken in found):.2f}"]


def _draw(path: Path, shown: Sequence[MattingScene], mattes: dict[str, list[Answer]]) -> None:
    rows = []
    for index, scene in enumerate(shown):
        alphas = [scene.alpha, *(found[index][0] for found in mattes.values())]
        greys = [
            cv2.cvtColor(np.rint(a * 255).astype(np.uint8), cv2.COLOR_GRAY2RGB) for a in alphas
        ]
        rows.append(np.hstack([scene.picture, *greys]))
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    main()
