"""What a method takes on this machine: memory by the preflight's arithmetic, time as measured.

Nothing here loads a network, or the library that would run it.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerstudio.errors import OutOfMemory
from layerstudio.geometry import Extent
from layerstudio.machine import free_memory, gpus
from layerstudio.models.sizes import MULTILAYER
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.preflight import Free, Needs, plan
from layerstudio.pipelines.qwen_layered import memory as qwen_memory
from layerstudio.pipelines.qwen_layered import sizes as qwen_sizes
from layerstudio.pipelines.qwen_layered.published import RECOMMENDED_SIDE
from layerstudio.pipelines.qwen_layered.sources import WHOLE, Source
from layerstudio.pipelines.runtime import Runtime
from layerstudio.ui.cli.fitting import what_is_free
from layerstudio.ui.web.jobs.estimates import Measure, Timings
from layerstudio.weights.registry import checkpoint

_SIDE = 1024  # pixels: about the megapixel that times are told for
_MEGAPIXEL = 1.0
_CANVASES = 3  # composite, background, and layers whose boxes fill as much together
_QWEN_LAYERS = 5
# What is told to be needed where nothing fits: not the least, but what is still quick.
_SPARING = {"cuda": Runtime(offload="model"), "cpu": Runtime(dtype="bfloat16")}
_ASK_AGAIN_S = 10.0  # the driver's tool takes a second


@dataclass(frozen=True)
class Device:
    """Where networks run; bytes are None where the system does not tell."""

    name: str
    total: int | None
    free: Free

    def view(self) -> dict[str, Any]:
        """JSON-ready."""
        room = self.free.device_bytes if self.free.kind == "cuda" else self.free.host_bytes
        return {"name": self.name, "memory_bytes": self.total, "free_bytes": room}


class Machine:
    """The device, asked at most every ten seconds. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = -_ASK_AGAIN_S
        self._device: Device | None = None

    def device(self) -> Device:
        with self._lock:
            if self._device is None or time.monotonic() - self._asked > _ASK_AGAIN_S:
                self._device, self._asked = _look(), time.monotonic()
            return self._device


def _look() -> Device:
    free = what_is_free()
    if free.kind == "cuda":
        found = gpus()
        if found:
            return Device(found[0].name, found[0].total, free)
    return Device("CPU", _main_memory(), Free(host_bytes=free_memory()))


def _main_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def cost_of(card: MethodCard, free: Free, timings: Timings) -> dict[str, Any]:
    """``{"memory_bytes", "fits", "seconds", "basis"}``; None for what nobody knows."""
    memory, fits = _memory(card, free)
    mode = next(iter(card.modes), "")
    key = f"generate/{card.id}/{mode}/" if card.task == "generate" else f"{card.task}/{card.id}"
    seconds = timings.seconds(Measure(key, _MEGAPIXEL))
    return {
        "memory_bytes": memory,
        "fits": fits,
        "seconds": None if seconds is None else round(seconds, 1),
        "basis": "estimate" if seconds is None else "measured here",
    }


def _memory(card: MethodCard, free: Free) -> tuple[int | None, bool | None]:
    """The peak where networks work, and whether there is room for it; None for methods that need
    little, or whose networks nobody planned."""
    if card.id == "qwen-layered":
        return _of_qwen(free)
    if card.task != "generate" and card.id != "cld":
        return None, None
    needs = _needs(card)
    return (None, None) if needs is None else _planned(needs, free)


def _needs(card: MethodCard) -> Needs | None:
    """A run of 1024 x 1024 of the method's first mode; FLUX's guidance is not a second pass."""
    base = checkpoint(card.needs[0]) if card.needs else None
    if base is None or base.family not in ("sdxl", "sd15", "flux"):
        return None
    layered = base.kind == "multilayer" or card.id in ("art", "cld")
    return Needs(
        family=base.family,
        extent=Extent(_SIDE, _SIDE),
        guided=base.family != "flux",
        sizes=MULTILAYER if layered else None,
        layer_tokens=_CANVASES * (_SIDE // 16) ** 2 if layered else 0,
    )


def _planned(needs: Needs, free: Free) -> tuple[int, bool]:
    try:
        return plan(needs, free).runtime.peak_bytes, True
    except OutOfMemory:
        unbounded = Free(device=free.device, attention=free.attention)
        return plan(needs, unbounded, _SPARING[free.kind]).runtime.peak_bytes, False


def _of_qwen(free: Free) -> tuple[int, bool]:
    working = Extent(RECOMMENDED_SIDE, RECOMMENDED_SIDE)

    def peak(room: Free, weights: str) -> int:
        source, runtime = _published_qwen(), Runtime()
        found = qwen_memory.plan(source, working, _QWEN_LAYERS, room, runtime, weights=weights)
        return found.layout.peak()

    try:
        return peak(free, "auto"), True
    except OutOfMemory:
        smallest = "4bit" if qwen_memory.can_use_4bit() else "fp8"
        return peak(Free(device=free.device), smallest), False


def _published_qwen() -> Source:
    parameters = (
        ("text_encoder", qwen_sizes.TEXT_ENCODER),
        ("vae", qwen_sizes.VAE),
        ("transformer", qwen_sizes.TRANSFORMER),
    )
    stored = 2 * qwen_sizes.TRANSFORMER  # bytes: two a number, as published
    return Source(Path(), WHOLE, "", None, "full", stored, parameters, ())
