"""LayerD's protocol written down plainly, for `benchmarks.metric` and as an oracle for tests.

Slow on purpose: whole canvases in float64, every pair compared anew after every edit.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from layerstudio.color import U8

Path = list[tuple[int, int]]


def evaluate(predicted: list[U8], truth: list[U8], max_edits: int) -> list[tuple[float, float]]:
    """(RGB L1, alpha IoU) after 0, 1, 2 ... merges."""
    stacks = [groups(predicted), groups(truth)]
    rows = []
    while True:
        path = align(*stacks)
        pairs = [(stacks[0][i], stacks[1][j]) for i, j in path]
        rows.append(tuple(float(np.mean([f(*pair) for pair in pairs])) for f in (rgb_l1, iou)))
        swapped = [(j, i) for i, j in path]
        found = [merges(stacks[0], stacks[1], path), merges(stacks[1], stacks[0], swapped)]
        gains = [max(each.values(), default=0.0) for each in found]
        if len(rows) > max_edits or max(gains) <= 0:
            return rows
        side = 0 if gains[0] > gains[1] else 1
        at = next(i for i, gain in found[side].items() if gain == gains[side])
        stacks[side][at : at + 2] = [over(*stacks[side][at : at + 2])]


def groups(stack: list[U8]) -> list[U8]:
    left, found = list(range(len(stack))), []
    while left:
        shown = [i for i in left if not any(touch(stack[i], stack[j]) for j in left if j > i)]
        flat = stack[shown[0]]
        for i in shown[1:]:
            flat = over(flat, stack[i])
        found.insert(0, flat)
        left = [i for i in left if i not in shown]
    return found


def touch(one: U8, other: U8) -> bool:
    return bool(((one[..., 3] > 0) & (other[..., 3] > 0)).any())


def over(lower: U8, upper: U8) -> U8:
    return np.array(Image.alpha_composite(Image.fromarray(lower), Image.fromarray(upper)))


def rgb_l1(predicted: U8, truth: U8) -> float:
    inside = truth[..., 3] > 0
    difference = np.abs(predicted[..., :3] / 255 - truth[..., :3] / 255).mean(axis=-1)
    return float((difference * inside).sum() / (inside.sum() + 1e-8))


def iou(one: U8, other: U8) -> float:
    a, b = one[..., 3] / 255, other[..., 3] / 255
    union = np.maximum(a, b).sum()
    return float(np.minimum(a, b).sum() / union) if union > 0 else 0.0


def likeness(one: U8, others: list[U8]) -> float:
    return sum(1 - (rgb_l1(one, other) + 1 - iou(one, other)) / 2 for other in others)


def align(predicted: list[U8], truth: list[U8]) -> Path:
    costs = np.array([[(rgb_l1(p, t) + 1 - iou(p, t)) / 2 for t in truth] for p in predicted])
    best: dict[tuple[int, int], tuple[float, Path]] = {}
    for i, j in np.ndindex(*costs.shape):
        steps = [best[s] for s in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if s in best]
        total, path = min(steps, key=lambda step: step[0], default=(0.0, []))
        best[i, j] = (total + float(costs[i, j]), [*path, (i, j)])
    return best[costs.shape[0] - 1, costs.shape[1] - 1][1]


def merges(stack: list[U8], others: list[U8], path: Path) -> dict[int, float]:
    """The gain of merging i and i + 1, for each i where it is positive."""
    gains = {}
    for i in range(len(stack) - 1 if len(stack) > 2 else 0):
        low, high = ([others[j] for own, j in path if own == k] for k in (i, i + 1))
        merged = over(stack[i], stack[i + 1])
        options = [likeness(merged, high)]
        if i + 2 < len(stack):
            options += [likeness(stack[i + 2], low), likeness(stack[i + 2], high)]
        now = likeness(stack[i], low) + likeness(stack[i + 1], high)
        gain = max(options) + likeness(merged, low) - now
        if gain > 0:
            gains[i] = gain
    return gains
