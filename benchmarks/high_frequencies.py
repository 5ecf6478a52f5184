"""What restoring detail gains, on plates that are known.

`python -m benchmarks.high_frequencies [--side 256]`

Two photographs of the training pack, each larger than ``--side``, one laid over the other through a
soft alpha. The plates that a layering network would return are those photographs with the detail
that an autoencoder loses taken off by a blur (sigma in pixels), with alpha as it is or wrong.
What is reported is the mean over all pairs of the PSNR (dB) against the true plates where both show
(alpha 0.05 to 0.95), and of the recomposition there; ``all of it`` is what would become of the
plates if not only the detail were given to them.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.measuring import table
from layerstudio.color import F32, U8
from layerstudio.composite import composite
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops import high_frequencies
from layerstudio.ops.high_frequencies import restore_detail

_PHOTOGRAPHS = Path(__file__).parents[1] / "training/pack/photographs"
_SOFT = (0.05, 0.95)
Change = Callable[[F32], F32]


@dataclass(frozen=True)
class _Case:
    name: str
    blur: Change
    alpha: Change = np.copy


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256)
    options = parser.parse_args(arguments)
    photographs = _photographs(options.side)
    pairs = list(itertools.pairwise(photographs))
    assert pairs, "no photograph is that large"
    print(f"{len(pairs)} pairs, {options.side} x {options.side}\n")
    rows = []
    for case in _cases():
        scores = _mean_scores(pairs, case)
        with _everything_transferred():
            others = [f"{after:.2f}" for _, after in _mean_scores(pairs, case)[:2]]
        cells = [f"{before:.2f} to {after:.2f}" for before, after in scores]
        rows.append([case.name, *cells, " and ".join(others)])
    columns = ["plates", "background, dB", "foreground, dB", "recomposition, dB", "all of it"]
    print(table(columns, rows))


def _cases() -> tuple[_Case, ...]:
    def plain(sigma: float) -> Change:
        return lambda plate: np.asarray(cv2.GaussianBlur(plate, (0, 0), sigma), np.float32)

    def tinted(plate: F32) -> F32:
        return np.clip(plain(1.0)(plate) * np.array([1.04, 1.0, 0.97], np.float32), 0, 1)

    return (
        _Case("sigma 0.7", plain(0.7)),
        _Case("sigma 1.0", plain(1.0)),
        _Case("sigma 2.0", plain(2.0)),
        _Case("sigma 1.0, colours off by 4 %", tinted),
        _Case("sigma 1.0, alpha a tenth too large", plain(1.0), lambda a: np.clip(a * 1.1, 0, 1)),
        _Case("sigma 1.0, alpha two pixels off", plain(1.0), lambda a: np.roll(a, 2, 1)),
    )


@contextmanager
def _everything_transferred() -> Iterator[None]:
    """The coarse part of what is missing is transferred too."""
    before = high_frequencies.transferable
    high_frequencies.transferable = lambda residual, known: residual * known[..., None]
    try:
        yield
    finally:
        high_frequencies.transferable = before


def _mean_scores(pairs: Sequence[tuple[F32, F32]], case: _Case) -> np.ndarray:
    return np.mean([_scores(*pair, seed, case) for seed, pair in enumerate(pairs)], 0)


def _scores(one: F32, other: F32, seed: int, case: _Case) -> list[tuple[float, float]]:
    """Background, foreground, recomposition: (before, after) in dB."""
    extent = Extent.of(one)
    alpha = _soft_alpha(extent, seed)
    picture = _u8(one * (1 - alpha[..., None]) + other * alpha[..., None], np.ones_like(alpha))
    found_alpha = case.alpha(alpha)
    soft = [
        _layer("background", case.blur(one), np.ones_like(alpha)),
        _layer("top", case.blur(other), found_alpha),
    ]
    sharp = restore_detail(soft, picture)
    band = (found_alpha > _SOFT[0]) & (found_alpha < _SOFT[1])
    truth = (one, other)
    found = [
        (_psnr(soft[k].pixels / 255, truth[k], band), _psnr(sharp[k].pixels / 255, truth[k], band))
        for k in range(2)
    ]
    wanted = np.asarray(picture[..., :3] / np.float32(255), np.float32)
    shown = [composite(Document(extent, tuple(layers))) for layers in (soft, sharp)]
    return [*found, (_psnr(shown[0], wanted, band), _psnr(shown[1], wanted, band))]


def _soft_alpha(extent: Extent, seed: int) -> F32:
    """Round shapes with edges from 2 to some 40 pixels wide, like fur and out of focus rims."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(
        rng.random((6, 6), np.float32), tuple(extent), interpolation=cv2.INTER_CUBIC
    )
    width = cv2.resize(rng.random((4, 4), np.float32), tuple(extent), interpolation=cv2.INTER_CUBIC)
    alpha = (coarse - 0.5) / (0.05 + 0.3 * np.clip(width, 0, 1)) + 0.5
    return np.asarray(np.clip(alpha, 0, 1), np.float32)


def _photographs(side: int) -> list[F32]:
    found = []
    for path in sorted(_PHOTOGRAPHS.glob("*.webp")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        if min(pixels.shape[:2]) >= side:
            top, left = ((length - side) // 2 for length in pixels.shape[:2])
            part = pixels[top : top + side, left : left + side]
            found.append(np.asarray(part / np.float32(255), np.float32))
    return found


def _layer(name: str, colour: F32, alpha: F32) -> Layer:
    return Layer(name, Bounds.full(Extent.of(colour)), _u8(colour, alpha))


def _u8(colour: np.ndarray, alpha: F32) -> U8:
    return np.rint(np.clip(np.dstack([colour, alpha]), 0, 1) * 255).astype(np.uint8)


def _psnr(values: np.ndarray, truth: F32, where: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((values[..., :3] - truth)[where] ** 2)))


if __name__ == "__main__":
    main()
