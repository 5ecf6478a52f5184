"""Where a stage's network runs, and in which precision."""

from __future__ import annotations

from typing import NamedTuple

import torch

from layerstudio.errors import OutOfMemory
from layerstudio.machine import GIB
from layerstudio.pipelines.placement import free_now
from layerstudio.pipelines.runtime import Runtime

_WORKING = 1.5  # a network and what it holds while it runs, against its weights alone


class Place(NamedTuple):
    device: torch.device
    dtype: torch.dtype


def place_for(
    what: str, parameters: int, runtime: Runtime, *, half: torch.dtype = torch.float16
) -> Place:
    """Where a network of ``parameters`` numbers goes: float32 on a CPU, ``half`` on a GPU, unless
    the user says otherwise. Networks that need float32 pass it as ``half``.

    Raises ``OutOfMemory`` before loading what cannot fit, and ``InvalidRequest`` for a device that
    is not there.
    """
    free = free_now(runtime)
    device = torch.device(free.device)
    if runtime.dtype != "auto":
        dtype = getattr(torch, runtime.dtype)
    else:
        dtype = torch.float32 if device.type == "cpu" else half
    needed = int(parameters * dtype.itemsize * _WORKING)
    if needed > free.room:
        raise OutOfMemory(
            f"{what} takes about {needed / GIB:.1f} GiB, and {free.room / GIB:.1f} GiB are free "
            f"on {device}.",
            advice="Close other programs, or choose a smaller one.",
        )
    return Place(device, dtype)
