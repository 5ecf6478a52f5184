"""Seconds, errors and sizes of the colour methods, `palette` and `unblend`.

`python -m benchmarks.colours [--sides 256 512 1024 2048] [--rounds 1] [--sheets FOLDER] [--quick]`

Seconds are by the clock and of all cores together, so that figures of a busy machine can be read.
Speed is that of the example pictures, scaled. Raw errors are those of the layers without what they
cannot show; exact ones include it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from layerstudio.composite import composite_pixels
from layerstudio.document import BlendMode, Document, Layer
from layerstudio.io.picture import read_picture
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.picture import Picture
from layerstudio.pipelines.api import decompose
from layerstudio.requests import DecomposeRequest

ROOT = Path(__file__).parents[1]
METHODS = ("palette", "unblend")
COLUMNS = (
    "picture", "method", "layers", "seconds", "of all cores", "raw max", "raw mean", "exact max",
    "at",
)  # fmt: skip
SIDES = (256, 512, 1024, 2048)
_TILE = 320  # pixels of a layer's width on a sheet
_ACROSS = 4


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for path in pictures(quick=options.quick):
        picture = read_picture(path)
        for method in METHODS:
            print(row(path.name, picture, method, options.rounds), flush=True)
            if options.sheets:
                Path(options.sheets).mkdir(parents=True, exist_ok=True)
                target = Path(options.sheets) / f"{path.stem}_{method}.png"
                cv2.imwrite(str(target), sheet(decompose(picture, DecomposeRequest(method=method))))
    for name in ("poster.png", "slide.jpg"):
        for side in options.sides:
            picture = scaled(read_picture(ROOT / "examples" / name), side)
            for method in METHODS:
                print(row(name, picture, method, options.rounds), flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="*", default=SIDES, help="of squares timed")
    parser.add_argument("--rounds", type=int, default=1, help="the fastest is reported")
    parser.add_argument("--sheets", default="", help="a folder for pictures of all layers")
    parser.add_argument("--quick", action="store_true", help="the example pictures only")
    return parser.parse_args(arguments)


def pictures(*, quick: bool) -> Iterator[Path]:
    yield from sorted(path for path in (ROOT / "examples").glob("*.*g"))
    if not quick:
        yield from sorted((ROOT / "training/pack/photographs").glob("*.webp"))


def scaled(picture: Picture, side: int) -> Picture:
    """A square of ``side`` pixels."""
    method = cv2.INTER_AREA if side < picture.extent.longest_side else cv2.INTER_CUBIC
    pixels = cv2.resize(picture.pixels, (side, side), interpolation=method)
    return Picture(np.asarray(pixels, np.uint8))


def row(name: str, picture: Picture, method: str, rounds: int) -> str:
    document, taken, worked = None, [], []
    for _ in range(rounds):
        start, busy = time.perf_counter(), time.process_time()
        document = decompose(picture, DecomposeRequest(method=method))
        taken.append(time.perf_counter() - start)
        worked.append(time.process_time() - busy)
    assert document is not None
    plain = tuple(layer for layer in document.layers if layer.name != "Remainder")
    raw = recomposition_error(replace(document, children=plain), picture.pixels)
    exact = recomposition_error(document, picture.pixels)
    values = (
        name, method, str(len(plain)), f"{min(taken):.1f}", f"{min(worked):.1f}",
        f"{raw.max_error * 255:.1f}",
        f"{raw.mean_error * 255:.2f}", f"{exact.max_error * 255:.1f}", str(picture.extent),
    )  # fmt: skip
    return f"| {' | '.join(values)} |"


def sheet(document: Document) -> np.ndarray:
    """The picture and every layer alone on a chequered ground, BGR."""
    tiles = [_tile(document)]
    tiles += [_tile(replace(document, children=(_alone(layer),))) for layer in document.layers]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % _ACROSS)
    rows = [np.hstack(tiles[start : start + _ACROSS]) for start in range(0, len(tiles), _ACROSS)]
    return np.vstack(rows)


def _alone(layer: Layer) -> Layer:
    return replace(layer, clipped=False, blend=BlendMode.NORMAL)


def _tile(document: Document) -> np.ndarray:
    extent = document.extent
    size = (_TILE, max(1, round(_TILE * extent.height / extent.width)))
    pixels = composite_pixels(document, dtype=np.uint8).astype(np.float32)
    rgba = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    ys, xs = np.mgrid[: size[1], : size[0]] // 10
    ground = np.where((ys + xs) % 2, 200.0, 240.0)[..., None]
    share = rgba[..., 3:] / 255
    return np.rint(rgba[..., 2::-1] * share + ground * (1 - share)).astype(np.uint8)


if __name__ == "__main__":
    main()
