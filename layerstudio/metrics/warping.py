"""Dynamic time warping: the cheapest way to walk through two sequences side by side."""

from __future__ import annotations

import numpy as np

Path = list[tuple[int, int]]


def warping_path(costs: np.ndarray) -> Path:
    """The path of least total cost through ``costs`` (n, m), from (0, 0) to (n - 1, m - 1).

    A step advances one of the sequences or both (Sakoe and Chiba 1978, symmetric form, weights
    1). Of equally cheap predecessors the one that advances both is taken, then the one that
    advances the first sequence, as LayerD's published evaluation does.
    """
    rows, columns = costs.shape
    totals = np.full((rows + 1, columns + 1), np.inf)
    totals[0, 0] = 0
    for i in range(rows):
        for j in range(columns):
            before = min(totals[i, j + 1], totals[i + 1, j], totals[i, j])
            totals[i + 1, j + 1] = costs[i, j] + before
    totals[0, 0] = np.inf  # where the walk back ends; it must not look like a way around
    path = [(rows - 1, columns - 1)]
    while path[-1] != (0, 0):
        i, j = path[-1]
        steps = ((i - 1, j - 1), (i - 1, j), (i, j - 1))
        path.append(min(steps, key=lambda step: totals[step[0] + 1, step[1] + 1]))
    return path[::-1]
