"""Fit by what two pieces of a drawing are told from two drawings, where they touch
(``pipelines/peel/joining.py``) and where they do not (``pipelines/peel/gathering.py``).

    python -m training.peel_joining [--designs 200]

Prints the weights of two logistic regressions, on pairs of pieces of which the truth is known. The
designs are the dev split's, since the network is surer of drawings that it has learned from; they
begin at another seed than the benchmark's.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from layerstudio.color import F32, U8
from layerstudio.document import Layer, Role
from layerstudio.pipelines.flat.analysis import find_regions
from layerstudio.pipelines.peel.gathering import Pair, Part
from layerstudio.pipelines.peel.joining import Contact, PieceGraph
from layerstudio.pipelines.peel.network import read
from layerstudio.pipelines.peel.parting import pieces_of
from layerstudio.pipelines.peel.reading import Reading
from training.assets import assets_of
from training.designs import make_design
from training.peel import EMBEDDED

_FIRST = 60_000  # seed of the first design
_SIDE = 640
_LEAST = 30  # pixels of a piece
_PURE = 0.8  # share of a piece's pixels that belong to one drawing
_DECAY = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--designs", type=int, default=200)
    parser.add_argument("--assets", default="best", metavar="best|pack|FILE.zip")
    options = parser.parse_args()
    seen = [_Seen.of(_FIRST + seed, options.assets) for seed in range(options.designs)]
    report("contacts", [row for one in seen for row in contacts(one)])
    report("loose pairs", [row for one in seen for row in pairs(one)])


class Described(Protocol):
    """What is told from others by its features."""

    def features(self) -> tuple[float, ...]: ...


def report(name: str, rows: Sequence[tuple[Described, bool]]) -> None:
    """Fit and print."""
    features = np.array([item.features() for item, _ in rows])
    alike = np.array([label for _, label in rows], np.float64)
    weights = fitted(features, alike)
    told = (features @ weights > 0) == (alike > 0.5)
    print(f"{len(rows)} {name}, {alike.mean():.3f} of them positive")
    print("weights", np.round(weights, 2).tolist())
    print(f"told: {told[alike > 0.5].mean():.3f}, others: {told[alike < 0.5].mean():.3f}")


@dataclass(frozen=True, eq=False)
class _Seen:
    """A design as read: its ``pixels`` (h, w, 3), and ``owner`` (h, w) as of ``owners``."""

    pixels: U8
    reading: Reading
    owner: U8

    @classmethod
    def of(cls, seed: int, assets: str) -> _Seen:
        design = make_design(seed, "dev", assets=assets_of(assets))
        pixels = np.ascontiguousarray(design.picture.pixels[..., :3], np.uint8)
        layers = [layer for layer in design.document.children if isinstance(layer, Layer)]
        reading = read(EMBEDDED / "peel.safetensors", pixels)
        return cls(pixels, reading, owners(layers, design.document.extent.shape))


def contacts(seen: _Seen) -> Iterator[tuple[Contact, bool]]:
    """The contacts of the pieces of a design's drawings, and whether each parts two of them."""
    scale = max(1.0, seen.owner.size**0.5 / _SIDE)
    clusters = find_regions(seen.owner > 0, connectivity=8)
    for label in range(1, len(clusters.areas)):
        bounds = clusters.bounds(label)
        body = clusters.mask(label, bounds)
        sight = seen.reading.sight(bounds, seen.pixels[bounds.slices])
        pieces = pieces_of(body, sight.border, scale)
        majority = _majority(pieces, np.where(body, seen.owner[bounds.slices], 0))
        graph = PieceGraph(pieces, body, sight, seen.owner.size)
        for pair in graph.pairs():
            contact = graph.contact(*pair)
            a, b = majority[list(pair)]
            if a and b and contact.smaller >= _LEAST:
                yield contact, bool(a != b)


def pairs(seen: _Seen) -> Iterator[tuple[Pair, bool]]:
    """Pairs of loose parts of a design's drawings, and whether both are parts of one."""
    parts: list[tuple[int, Part]] = []
    for number in np.unique(seen.owner[seen.owner > 0]):
        pieces = find_regions(seen.owner == number, connectivity=8)
        for label in np.flatnonzero(pieces.areas >= _LEAST):
            if label > 0:
                bounds = pieces.bounds(int(label))
                away = seen.reading.away[(slice(None), *bounds.slices)]
                part = Part.of(bounds, pieces.mask(int(label), bounds), away)
                parts.append((int(number), part))
    for (one, part), (other, second) in itertools.combinations(parts, 2):
        pair = Pair(part, second, seen.owner.size)
        if pair.is_near:
            yield pair, one == other


def owners(layers: list[Layer], shape: tuple[int, ...]) -> U8:
    """(h, w): the number of the topmost drawing, 0 where none is or something else lies on it."""
    owner = np.zeros(shape, np.uint8)
    for number, layer in enumerate(layers[1:], 1):
        if layer.role is Role.SHADOW:
            continue
        solid = layer.pixels[..., 3] >= 128
        owner[layer.bounds.slices][solid] = number if layer.role is Role.OBJECT else 0
    return owner


def fitted(features: NDArray[np.float64], alike: NDArray[np.float64]) -> F32:
    """Weights (n,) of a logistic regression; ``features`` (m, n), ``alike`` (m,) 0 or 1."""

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = features @ weights
        value = np.logaddexp(0, scores) - alike * scores
        slope = features.T @ (1 / (1 + np.exp(-scores)) - alike) / len(alike)
        decay = _DECAY * weights
        return float(value.mean() + 0.5 * decay @ weights), slope + decay

    start = np.zeros(features.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B")
    return np.asarray(found.x, np.float32)


def _majority(pieces: NDArray[np.int32], owner: U8) -> NDArray[np.int64]:
    """For each piece (from 1) the drawing that most of it belongs to; 0 where no one is."""
    count, most = int(pieces.max()) + 1, int(owner.max()) + 1
    table = np.zeros((count, most), np.int64)
    known = owner > 0
    np.add.at(table, (pieces[known], owner[known]), 1)
    best = table.argmax(axis=1)
    pure = table.max(axis=1) >= _PURE * np.maximum(table.sum(axis=1), 1)
    return np.where(pure, best, 0)


if __name__ == "__main__":
    main()
