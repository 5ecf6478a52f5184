"""Noise levels of flow matching, shifted by how many tokens are denoised together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from torch import Tensor

# FLUX's shift is a line through these points: more tokens, more noise (Esser et al. 2024, section
# 5.3.2; black-forest-labs/flux `sampling.py`). ART goes on along it beyond the last.
_FEW_TOKENS, _SHIFT_OF_FEW = 256, 0.5
_MANY_TOKENS, _SHIFT_OF_MANY = 4096, 1.15


def shift_of(tokens: int) -> float:
    """The logarithm of the time shift for a document of so many image tokens."""
    slope = (_SHIFT_OF_MANY - _SHIFT_OF_FEW) / (_MANY_TOKENS - _FEW_TOKENS)
    return _SHIFT_OF_FEW + slope * (tokens - _FEW_TOKENS)


def noise_levels(
    scheduler: FlowMatchEulerDiscreteScheduler, steps: int, token_counts: Sequence[int]
) -> Tensor:
    """(documents, steps + 1) float32, from 1 (all noise) to 0; each document has its own shift.

    The scheduler's config decides how the shift works and whether there is one.
    """
    even = np.linspace(1.0, 1.0 / steps, steps)
    rows = []
    for count in token_counts:
        shift = shift_of(count) if scheduler.config["use_dynamic_shifting"] else None
        scheduler.set_timesteps(sigmas=even.tolist(), mu=shift)
        rows.append(torch.as_tensor(scheduler.sigmas, dtype=torch.float32).clone())
    return torch.stack(rows)
