"""What a logistic regression says; the weights are fitted by the recipes in ``training``."""

from __future__ import annotations

from collections.abc import Sequence


def log_odds(weights: Sequence[float], features: Sequence[float]) -> float:
    """Above 0 where it is rather so than not; both are (n,)."""
    return sum(weight * value for weight, value in zip(weights, features, strict=True))
