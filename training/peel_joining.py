"""Fit by what two pieces of a drawing are told from two drawings (``pipelines/peel/joining.py``).

    python -m training.peel_joining [--designs 200]

Prints the weights of a logistic regression on contacts of pieces, of which the truth is known. The
designs are the dev split's, since the network is surer of drawings that it has learned from; they
begin at another seed than the benchmark's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from layerstudio.color import F32, U8
from layerstudio.document import Layer, Role
from layerstudio.pipelines.flat.analysis import find_regions
from layerstudio.pipelines.peel.joining import Contact, PieceGraph
from layerstudio.pipelines.peel.network import read
from layerstudio.pipelines.peel.parting import pieces_of
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
    rows = [
        row for seed in range(options.designs) for row in samples(_FIRST + seed, options.assets)
    ]
    features = np.array([contact.features() for contact, _ in rows])
    apart = np.array([other for _, other in rows], np.float64)
    weights = fitted(features, apart)
    told = (features @ weights > 0) == (apart > 0.5)
    print(f"{len(rows)} contacts, {apart.mean():.3f} of them between two drawings")
    print("weights", np.round(weights, 2).tolist())
    for name, which in (("one drawing", apart < 0.5), ("two drawings", apart > 0.5)):
        print(f"{name}: {told[which].mean():.3f} told")


def samples(seed: int, assets: str) -> Iterator[tuple[Contact, bool]]:
    """The contacts of the pieces of a design's drawings, and whether each parts two of them."""
    design = make_design(seed, "dev", assets=assets_of(assets))
    pixels = np.asarray(design.picture.pixels[..., :3], np.uint8)
    reading = read(EMBEDDED / "peel.safetensors", np.ascontiguousarray(pixels))
    layers = [layer for layer in design.document.children if isinstance(layer, Layer)]
    owner = owners(layers, design.document.extent.shape)
    scale = max(1.0, design.document.extent.pixel_count**0.5 / _SIDE)
    clusters = find_regions(owner > 0, connectivity=8)
    for label in range(1, len(clusters.areas)):
        bounds = clusters.bounds(label)
        body = clusters.mask(label, bounds)
        border = reading.border[bounds.slices]
        pieces = pieces_of(body, border, scale)
        majority = _majority(pieces, np.where(body, owner[bounds.slices], 0))
        graph = PieceGraph(pieces, body, border, pixels[bounds.slices], owner.size)
        for pair in graph.pairs():
            contact = graph.contact(*pair)
            a, b = majority[list(pair)]
            if a and b and contact.smaller >= _LEAST:
                yield contact, bool(a != b)


def owners(layers: list[Layer], shape: tuple[int, ...]) -> U8:
    """(h, w): the number of the topmost drawing, 0 where none is or something else lies on it."""
    owner = np.zeros(shape, np.uint8)
    for number, layer in enumerate(layers[1:], 1):
        if layer.role is Role.SHADOW:
            continue
        solid = layer.pixels[..., 3] >= 128
        owner[layer.bounds.slices][solid] = number if layer.role is Role.OBJECT else 0
    return owner


def fitted(features: NDArray[np.float64], apart: NDArray[np.float64]) -> F32:
    """Weights (n,) of a logistic regression; ``features`` (m, n), ``apart`` (m,) 0 or 1."""

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = features @ weights
        value = np.logaddexp(0, scores) - apart * scores
        slope = features.T @ (1 / (1 + np.exp(-scores)) - apart) / len(apart)
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
