"""How a run is carried out: device, precision, attention, memory. None of it is in a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["auto", "float32", "float16", "bfloat16"]
Offload = Literal["auto", "none", "model", "sequential"]
Attention = Literal["auto", "xformers", "sdpa", "flash"]


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What the user asks for; ``auto`` leaves it to the preflight.

    ``device`` is "auto" or torch's name of one, such as "cpu", "cuda" or "cuda:1". With
    ``previews`` the progress of sampling comes with small pictures, which takes a little time.
    """

    device: str = "auto"
    dtype: Precision = "auto"
    attention: Attention = "auto"
    offload: Offload = "auto"
    previews: bool = False


@dataclass(frozen=True, kw_only=True)
class ResolvedRuntime:
    """What the preflight settled on.

    ``reason`` is one sentence for the user, ``peak_bytes`` the estimate of the device's peak.
    """

    device: str
    dtype: Literal["float32", "float16", "bfloat16"]
    attention: Literal["xformers", "sdpa", "flash"]
    offload: Literal["none", "model", "sequential"]
    vae_tiling: bool = False
    peak_bytes: int = 0
    reason: str = ""
