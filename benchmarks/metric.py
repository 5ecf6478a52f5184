"""LayerD's protocol on two stacks: `python -m benchmarks.metric [--layers 10] [--side 1024]`

Ours with five edits and without any, against the protocol written down plainly. LayerD's published
code took 18 s for two stacks of 10 layers at 1024 x 1024 on two cores, before any edit.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np

from benchmarks import naive_layerd
from layerstudio.color import U8
from layerstudio.metrics import layerd

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--side", type=int, default=1024, help="of the canvas, in pixels")
    arguments = parser.parse_args()
    truth, predicted = (discs(arguments.layers, arguments.side, seed) for seed in (1, 2))
    print(f"two stacks of {arguments.layers} layers at {arguments.side} x {arguments.side}")
    for edits in (0, layerd.MAX_EDITS):
        score, seconds = best_of(3, lambda k=edits: layerd.evaluate(predicted, truth, k))
        print(f"layerstudio, {edits} edits ({len(score.rows) - 1} made): {seconds:.2f} s")
    plain, seconds = best_of(1, lambda: naive_layerd.evaluate(predicted, truth, 0))
    print(f"written down plainly, 0 edits: {seconds:.2f} s")
    print(f"difference: {np.abs(np.subtract(plain[0], score.rows[0][1:])).max():.1e}")


def best_of(times: int, work: Callable[[], T]) -> tuple[T, float]:
    """The result, and the shortest time in seconds."""
    seconds, results = [], []
    for _ in range(times):
        start = time.perf_counter()
        results.append(work())
        seconds.append(time.perf_counter() - start)
    return results[0], min(seconds)


def discs(layers: int, side: int, seed: int) -> list[U8]:
    """A plain background and large soft discs that all overlap."""
    rng = np.random.default_rng(seed)
    stack = [np.full((side, side, 4), (*rng.integers(0, 256, 3), 255), np.uint8)]
    for _ in range(layers - 1):
        centre = rng.integers(side * 3 // 10, side * 7 // 10, 2)
        alpha = np.zeros((side, side), np.uint8)
        cv2.circle(alpha, centre.tolist(), side * 2 // 5, 255, cv2.FILLED)
        disc = np.full((side, side, 4), (*rng.integers(0, 256, 3), 0), np.uint8)
        disc[..., 3] = cv2.GaussianBlur(alpha, (0, 0), side / 300)
        stack.append(disc)
    return stack


if __name__ == "__main__":
    main()
