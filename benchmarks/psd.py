"""PSD writing against psd-tools' plain save: 20 layers of 2048 x 2048, both in the same run.

Run ``python benchmarks/psd.py``. The stack is photo-like: noise and grain, one full background
and 19 soft ellipses. psd-tools gets what its documentation shows: one full-canvas
``create_pixel_layer`` per layer, then ``save``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from psd_tools import PSDImage
from psd_tools.constants import Compression

from layerstudio.color import U8
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import psd


def photo_like(side: int, rng: np.random.Generator) -> U8:
    """(side, side, 3): soft blobs of colour with film grain."""
    blobs = rng.uniform(0, 255, (9, 9, 3)).astype(np.float32)
    picture = cv2.resize(blobs, (side, side), interpolation=cv2.INTER_CUBIC)
    picture += rng.normal(0, 3, picture.shape).astype(np.float32)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def soft_ellipse(side: int, rng: np.random.Generator) -> U8:
    """(side, side) alpha: an ellipse of a quarter to a half of the canvas with a soft edge."""
    alpha = np.zeros((side, side), np.uint8)
    center = tuple(int(value) for value in rng.integers(side // 4, 3 * side // 4, 2))
    axes = tuple(int(value) for value in rng.integers(side // 8, side // 4, 2))
    cv2.ellipse(alpha, center, axes, float(rng.uniform(0, 180)), 0, 360, (255,), -1)
    return cv2.GaussianBlur(alpha, (0, 0), side / 256).astype(np.uint8, copy=False)


def full_canvas_stack(side: int, count: int) -> list[U8]:
    """``count`` pictures (side, side, 4), bottom to top, the first opaque."""
    rng = np.random.default_rng(7)
    stack = []
    for index in range(count):
        alpha = np.full((side, side), 255, np.uint8) if index == 0 else soft_ellipse(side, rng)
        color = photo_like(side, rng)
        color[alpha == 0] = 0  # as cut-outs are mostly saved: the best case for psd-tools
        stack.append(np.dstack([color, alpha]))
    return stack


def stock_save(stack: list[U8], path: Path) -> None:
    height, width = stack[0].shape[:2]
    file = PSDImage.new("RGBA", (width, height))
    for index, pixels in enumerate(stack):
        image = Image.fromarray(pixels)
        file.create_pixel_layer(image, name=f"Layer {index}", compression=Compression.RLE)
    file.save(path)


def fastest(job: Callable[[], object], repeats: int) -> float:
    """Seconds of the quickest run, as a shared machine only ever adds to it."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args(argv)
    stack = full_canvas_stack(options.side, options.layers)
    bounds = Bounds(0, 0, options.side, options.side)
    document = Document(
        Extent(options.side, options.side),
        tuple(Layer(f"Layer {index}", bounds, pixels) for index, pixels in enumerate(stack)),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bench.psd")
        jobs: dict[str, Callable[[], object]] = {
            "psd-tools, stock save": lambda: stock_save(stack, path),
            "layerstudio, rle": lambda: psd.write(document, path, compression="rle"),
            "layerstudio, zip": lambda: psd.write(document, path, compression="zip"),
        }
        baseline = 0.0
        print(f"{'writer':24} {'seconds':>8} {'faster':>7} {'MB':>7}")
        for name, job in jobs.items():
            seconds = fastest(job, options.repeats)
            baseline = baseline or seconds
            megabytes = path.stat().st_size / 1e6
            print(f"{name:24} {seconds:8.2f} {baseline / seconds:6.1f}x {megabytes:7.1f}")


if __name__ == "__main__":
    main()
