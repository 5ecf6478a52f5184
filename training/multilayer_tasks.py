"""What is given and what is to be made: MRT's three tasks, told apart by which tokens are clean."""

from __future__ import annotations

from typing import Literal

import numpy as np

from training.multilayer_data import FIRST_FOREGROUND

Task = Literal["text", "picture", "layers"]
TASKS: tuple[Task, ...] = ("text", "picture", "layers")
COMPOSITE, BACKGROUND = 0, 1


def clean_entries(task: Task, count: int, rng: np.random.Generator) -> frozenset[int]:
    """The entries (0 the composite, 1 the background, then foregrounds) that are given.

    MRT (arXiv:2605.27235): text to layers, nothing; picture to layers, the composite; layers to
    layers, a random part of the layers, each with a chance of a half, neither none nor all. The
    composite is not among these: it would show what the missing layers look like.
    """
    if task == "text":
        return frozenset()
    if task == "picture":
        return frozenset({COMPOSITE})
    layers = np.arange(BACKGROUND, count)
    if len(layers) < 2:
        return frozenset()
    given = rng.random(len(layers)) < 0.5
    if given.all() or not given.any():
        given[int(rng.integers(len(given)))] ^= True
    return frozenset(int(layer) for layer in layers[given])


def shown_entries(task: Task, count: int) -> frozenset[int]:
    """The same for looking at: always the same part, the background and every other foreground."""
    if task != "layers":
        return clean_entries(task, count, np.random.default_rng(0))
    given = {BACKGROUND, *range(FIRST_FOREGROUND + 1, count, 2)}
    return frozenset(given) if count > FIRST_FOREGROUND else frozenset()
