"""Which methods fit on this machine and how they would run, for ``layerstudio doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layerstudio.machine import GIB, free_memory, gpus, installed_version

if TYPE_CHECKING:
    from layerstudio.pipelines.preflight import Free, Plan
    from layerstudio.weights.registry import Checkpoint

SIDES = (512, 1024, 2048)
# What PyTorch, cuBLAS and cuDNN take of a GPU before the first network is on it; 0.4 to 0.6 GiB
# from Turing to Hopper.
_CONTEXT = GIB // 2
_CANVASES = 3  # composite, background, and layers whose boxes fill as much together


def what_is_free() -> Free:
    """By the driver and the packages' metadata, without loading PyTorch."""
    from layerstudio.pipelines.preflight import Free

    found = gpus() if can_use_gpus() else ()
    if not found:
        return Free(host_bytes=free_memory())
    return Free(
        device="cuda",
        device_bytes=max(found[0].free - _CONTEXT, 0),
        host_bytes=free_memory(),
        attention="xformers" if installed_version("xformers") else "sdpa",
    )


def can_use_gpus() -> bool:
    """Whether the PyTorch that is installed was built for NVIDIA's GPUs, as its version says."""
    version = installed_version("torch")
    return version is not None and not version.endswith("+cpu")


def fits(free: Free) -> dict[str, str]:
    """How every method that generates would run on squares of usual sizes, or what would fit."""
    from layerstudio.pipelines.methods import cards
    from layerstudio.weights.registry import checkpoint

    return {
        f"{card.id}, {side} px": _how(checkpoint(card.needs[0]), side, free)
        for card in cards()
        if card.task == "generate" and card.needs
        for side in SIDES
    }


def _how(base: Checkpoint, side: int, free: Free) -> str:
    from layerstudio.errors import OutOfMemory
    from layerstudio.geometry import Extent
    from layerstudio.models.sizes import MULTILAYER
    from layerstudio.pipelines.preflight import Needs, plan

    # FLUX's guidance is a number that it was trained to take, not a second pass; where layers are
    # made at once, the second pass comes after the first.
    family = base.family
    assert family in ("sdxl", "sd15", "flux"), base.id  # the others generate nothing
    layered = base.kind == "multilayer"
    needs = Needs(
        family=family,
        extent=Extent(side, side),
        guided=family != "flux",
        sizes=MULTILAYER if layered else None,
        layer_tokens=_CANVASES * (side // 16) ** 2 if layered else 0,
    )
    try:
        return _in_short(plan(needs, free))
    except OutOfMemory as error:
        return f"does not fit. {error}"


def _in_short(plan: Plan) -> str:
    chosen = plan.runtime
    parts = [chosen.dtype]
    if plan.free.kind == "cuda":
        parts.append("no offloading" if chosen.offload == "none" else f"offload {chosen.offload}")
    if chosen.vae_tiling:
        parts.append("decoded in tiles")
    return f"{', '.join(parts)}; about {chosen.peak_bytes / GIB:.1f} GiB at its peak"
