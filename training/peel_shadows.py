"""Fit by what a shadow on a photograph is told from none (``pipelines/peel/darkening.py``).

    python -m training.peel_shadows [--designs 150]

Prints the weights of a logistic regression on what may throw a shadow, of which the truth is known.
The designs are the dev split's, as those of ``training.peel_joining``; they begin at another seed
than the benchmark's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from layerstudio.color import F32
from layerstudio.document import Layer, Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.peel.darkening import (
    Darkening,
    reach_of,
    strongest,
    unit_of,
)
from layerstudio.pipelines.peel.network import read
from training.assets import assets_of
from training.designs import make_design
from training.peel import EMBEDDED
from training.peel_joining import report

_FIRST = 70_000  # seed of the first design
_LEAST = 600  # pixels of what may throw a shadow
_SOLID = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--designs", type=int, default=150)
    parser.add_argument("--assets", default="best", metavar="best|pack|FILE.zip")
    options = parser.parse_args()
    rows = [
        row for seed in range(options.designs) for row in samples(_FIRST + seed, options.assets)
    ]
    report("things that may throw a shadow", rows)


def samples(seed: int, assets: str) -> Iterator[tuple[Darkening, bool]]:
    """The likeliest shadow of each shape and drawing on a photograph, and whether it throws one."""
    design = make_design(seed, "dev", background="photograph", assets=assets_of(assets))
    pixels = np.ascontiguousarray(design.picture.pixels[..., :3], np.uint8)
    seen = read(EMBEDDED / "peel.safetensors", pixels).shadow
    extent = design.document.extent
    layers = [layer for layer in design.document.children if isinstance(layer, Layer)]
    alphas = [_alpha(layer, extent) for layer in layers]
    solid = [
        np.zeros(seen.shape, bool) if layer.role is Role.SHADOW else alpha > _SOLID
        for layer, alpha in zip(layers, alphas, strict=True)
    ]
    covered = np.logical_or.reduce(solid[1:])
    for number, layer in enumerate(layers[1:], 1):
        shown = solid[number] & ~np.logical_or.reduce([*solid[number + 1 :], ~solid[number]])
        if layer.role not in (Role.SHAPE, Role.OBJECT) or np.count_nonzero(shown) < _LEAST:
            continue
        caster = _element(np.where(shown, alphas[number], 0), layer.role)
        bounds = reach_of(caster, extent)
        view = bounds.slices
        found = strongest(
            pixels[view].astype(np.float32),
            covered[view],
            caster,
            bounds,
            seen[view],
            unit_of(seen),
        )
        if found is not None:
            yield found, layers[number - 1].role is Role.SHADOW


def _alpha(layer: Layer, extent: Extent) -> F32:
    alpha = np.zeros(extent.shape, np.float32)
    common = layer.bounds.intersection(Bounds.full(extent))
    own = layer.pixels[common.relative_to(layer.bounds).slices][..., 3]
    alpha[common.slices] = own.astype(np.float32) / 255
    return alpha


def _element(alpha: F32, role: Role) -> Element:
    colour = np.zeros((*alpha.shape, 3), np.float32)
    full = Bounds.full(Extent.of(alpha))
    return Element(role, full, alpha.astype(np.float32), colour).cropped()


if __name__ == "__main__":
    main()
