"""Compositing 20 RGBA layers of 2048 x 2048, ours against psd-tools', in the same run.

    python benchmarks/composite.py [--side 2048] [--layers 20] [--rounds 2]

Nineteen soft ellipses with photo-like noise lie on an opaque picture. Both composite the same
layers from memory; psd-tools is timed with its layers on the whole canvas and cropped to what
shows. The error is against a float64 composite.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from psd_tools import PSDImage

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent


def make_document(side: int, count: int, seed: int = 0) -> Document:
    rng = np.random.default_rng(seed)
    canvas = Bounds(0, 0, side, side)
    layers = [
        Layer(f"layer {index}", canvas, _soft_ellipse(rng, side, full=index == 0))
        for index in range(count)
    ]
    return Document(canvas.extent, tuple(layers))


def _soft_ellipse(rng: np.random.Generator, side: int, *, full: bool) -> NDArray[np.uint8]:
    """Smooth colours with grain; alpha falls from 1 to 0 over a tenth of the ellipse's radius."""
    coarse = rng.uniform(0, 255, (12, 12, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 6, smooth.shape).astype(np.float32)
    alpha = np.full((side, side), 255, np.float32)
    if not full:
        radii = rng.uniform(0.15, 0.4, 2) * side
        centre = rng.uniform(0.2, 0.8, 2) * side
        ys, xs = np.ogrid[:side, :side]
        distance = np.hypot((xs - centre[0]) / radii[0], (ys - centre[1]) / radii[1])
        alpha = np.clip((1 - distance) * 10, 0, 1) * 255
    pixels = np.dstack([smooth + grain, alpha])
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def psd_of(document: Document) -> PSDImage:
    psd = PSDImage.new("RGBA", document.extent)
    for layer in document.layers:
        psd.create_pixel_layer_from_array(
            np.array(layer.pixels), name=layer.name, top=layer.bounds.y, left=layer.bounds.x
        )
    return psd


def cropped(document: Document) -> Document:
    layers = tuple(layer.cropped_to_content() for layer in document.layers)
    return Document(document.extent, layers)


def reference(document: Document) -> NDArray[np.float64]:
    """The float64 picture (h, w, 3) in 0..255; the lowest layer is opaque, so alpha is 1."""
    picture = np.zeros((*document.extent.shape, 3))
    for layer in document.layers:
        alpha = layer.pixels[..., 3:] / 255
        picture += alpha * (layer.pixels[..., :3] - picture)
    return picture


def psd_tools_pixels(psd: PSDImage) -> NDArray[np.uint8]:
    image = psd.composite(ignore_preview=True, force=True)
    assert image is not None
    return np.asarray(image.convert("RGBA"))


def timed(call: Callable[[], NDArray], rounds: int) -> tuple[float, NDArray]:
    """The shortest of ``rounds`` times, in seconds, and what the last call returned."""
    best, result = float("inf"), call()
    for _ in range(rounds):
        start = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - start)
    return best, result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    document = make_document(options.side, options.layers)
    truth = reference(document)
    full, tight = psd_of(document), psd_of(cropped(document))
    rows = {
        "layerstudio": timed(lambda: composite_pixels(document), 3 * options.rounds),
        "psd-tools, full canvas": timed(lambda: psd_tools_pixels(full), options.rounds),
        "psd-tools, cropped": timed(lambda: psd_tools_pixels(tight), options.rounds),
    }
    ours = rows["layerstudio"][0]
    extent = Extent(options.side, options.side)
    print(f"{options.layers} layers of {extent}")
    print(f"{'':24}{'seconds':>9}{'ratio':>8}{'max error / 255':>18}")
    for name, (seconds, pixels) in rows.items():
        error = np.abs(pixels[..., :3] - truth).max()
        print(f"{name:24}{seconds:9.3f}{seconds / ours:8.1f}{error:18.2f}")


if __name__ == "__main__":
    main()
