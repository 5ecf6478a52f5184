"""What a run will take, and how to carry it out in the memory that is free; needs no torch.

A run has three stages: encoding the text, sampling, decoding. In each, the networks that are on the
device and the activations of the one that works must fit (``memory_layout.py``). What is chosen is
the first that fits, from the fastest and most exact to the slowest:

1. everything on the device, 2. one network at a time (``model``), 3. the same two with the
autoencoder in tiles, 4. one layer at a time (``sequential``), whole and in tiles. On a CPU, which
has nothing to offload to, 1 and 3 in float32 and then in bfloat16.

Pictures are sampled and decoded one at a time, so that each is what its seed alone makes; the
transparency decoder runs as many passes together as are found to fit when it starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from layerstudio.errors import InvalidRequest, OutOfMemory
from layerstudio.geometry import Extent
from layerstudio.machine import GIB
from layerstudio.models.sizes import Family
from layerstudio.pipelines.memory_layout import Dtype, Kind, Layout, Needs, Offload
from layerstudio.pipelines.runtime import ResolvedRuntime, Runtime

__all__ = ["TILE", "Free", "Needs", "Plan", "advice", "plan"]

TILE = 512  # pixels: the size that SD 1.5's autoencoder was trained at, small for every other
_MULTIPLE = 64  # pixels: what the sizes proposed are multiples of, as the transparency decoder's
_MIN_SIDE = 256  # pixels: what is worth proposing
_OTHERS_SHARE = 0.05  # of free main memory, left to the programs that run beside us
_UNKNOWN = 2**62  # bytes: room where the system does not say

_TITLES: dict[Family, str] = {"sdxl": "SDXL", "sd15": "SD 1.5", "flux": "FLUX"}
_OFFLOAD_WORDS: dict[Offload, str] = {
    "none": "all networks on the device",
    "model": "one network at a time on the device",
    "sequential": "one layer at a time on the device, which is slow",
}

Attention = Literal["xformers", "sdpa", "flash"]


@dataclass(frozen=True, kw_only=True)
class Free:
    """What a machine offers: bytes on the device and in main memory, None where unknown.

    On a CPU only ``host_bytes`` counts. ``attention`` is what half precision gets on the device.
    """

    device: str = "cpu"
    device_bytes: int | None = None
    host_bytes: int | None = None
    attention: Attention = "sdpa"

    @property
    def kind(self) -> Kind:
        return "cuda" if self.device.startswith("cuda") else "cpu"

    @property
    def room(self) -> int:
        """Bytes that a run may take on the device that works."""
        if self.kind == "cuda":
            return _UNKNOWN if self.device_bytes is None else self.device_bytes
        return _UNKNOWN if self.host_bytes is None else int(self.host_bytes * (1 - _OTHERS_SHARE))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a run is carried out."""

    needs: Needs
    free: Free
    runtime: ResolvedRuntime


def plan(needs: Needs, free: Free, runtime: Runtime | None = None) -> Plan:
    """How to carry a run out; what ``runtime`` fixes is kept, what it leaves to us is chosen.

    Raises ``OutOfMemory`` if nothing fits, with what would as its advice, and ``InvalidRequest``
    for a runtime that contradicts itself or the run.
    """
    runtime = runtime or Runtime()
    check_offload(free.kind, runtime, switches_weights=needs.switches_weights)
    free = _with_what_is_held(needs, free)
    found = _first_fit(needs, free, runtime)
    if found is None:
        raise OutOfMemory(_shortage(needs, free, runtime), advice=advice(needs, free, runtime))
    return found


def check_offload(kind: Kind | None, runtime: Runtime, *, switches_weights: bool) -> None:
    """Raise ``InvalidRequest`` for an offloading that the run or the device cannot have.

    ``kind`` is None where the device is not known yet.
    """
    if kind == "cpu" and runtime.offload not in ("auto", "none"):
        raise InvalidRequest(
            f"Offloading “{runtime.offload}” moves weights off a GPU, and the run is on the CPU.",
            advice="Leave it at auto.",
        )
    if switches_weights and runtime.offload == "sequential":
        raise InvalidRequest(
            "This run changes weights on its way, which cannot be done while they are offloaded "
            "layer by layer (“sequential”).",
            advice="Leave the offloading at auto, or choose “model”.",
        )


def advice(
    needs: Needs, free: Free, runtime: Runtime | None = None, *, below: int | None = None
) -> str:
    """Up to three changes to a run, each of which makes it fit by itself, as a sentence.

    With ``below`` they are those that also get along with so many bytes of the device, for a run
    that was found to fit and did not.
    """
    proposals = list(dict.fromkeys(_proposals(needs, free, runtime or Runtime(), below)))
    if not proposals:
        return "No setting makes it fit: use a machine with more memory."
    return f"What would fit: {'; or '.join(proposals[:3])}."


def _with_what_is_held(needs: Needs, free: Free) -> Free:
    """What the networks of the run occupy already counts as free for them."""

    def more(known: int | None, held: int) -> int | None:
        return None if known is None else known + held

    sizes = needs.networks
    return replace(
        free,
        device_bytes=more(free.device_bytes, sizes.held_on_device),
        host_bytes=more(free.host_bytes, sizes.held_in_memory),
    )


def _first_fit(needs: Needs, free: Free, runtime: Runtime) -> Plan | None:
    plans = (_fitted(layout, free) for layout in _layouts(needs, free, runtime))
    found = next((plan for plan in plans if plan is not None), None)
    if found is None:
        return None
    return replace(found, runtime=replace(found.runtime, reason=_reason(found)))


def _layouts(needs: Needs, free: Free, runtime: Runtime) -> Iterator[Layout]:
    """Every way to carry a run out that ``runtime`` allows, the best first."""
    on_gpu: tuple[Dtype, ...] = (needs.networks.half,)
    choices: tuple[Dtype, ...] = on_gpu if free.kind == "cuda" else ("float32", "bfloat16")
    dtypes = choices if runtime.dtype == "auto" else (runtime.dtype,)
    tiles = (None, TILE) if max(needs.extent) > TILE else (None,)
    groups: list[list[Offload]] = [["none", "model"], ["sequential"]]
    if free.kind == "cpu":
        groups = [["none"]]
    elif needs.switches_weights:
        groups = [["none", "model"]]
    for dtype, group, tile in product(dtypes, groups, tiles):
        for offload in group:
            if runtime.offload == "auto" or runtime.offload == offload:
                yield Layout(needs, free.kind, dtype, offload, tile)


def _fitted(layout: Layout, free: Free) -> Plan | None:
    """The plan of a layout; None if it does not fit."""
    is_gpu = free.kind == "cuda"
    if is_gpu and free.host_bytes is not None and layout.host() > free.host_bytes:
        return None
    peak = _peak(layout)
    if peak > free.room:
        return None
    resolved = ResolvedRuntime(
        device=free.device,
        dtype=layout.dtype,
        attention="sdpa" if is_gpu and layout.dtype == "float32" else free.attention,
        offload=layout.offload,
        vae_tiling=layout.tile is not None,
        peak_bytes=peak,
    )
    return Plan(needs=layout.needs, free=free, runtime=resolved)


def _peak(layout: Layout) -> int:
    return max(layout.stages().values())


def _reason(plan: Plan) -> str:
    """One sentence for the user: what was chosen, and why nothing faster."""
    needs, chosen = plan.needs, plan.runtime
    how = [f"in {chosen.dtype}"]
    if plan.free.kind == "cuda":
        how.append(_OFFLOAD_WORDS[chosen.offload])
    if chosen.vae_tiling:
        how.append(f"decoding in tiles of {TILE} px")
    text = f"{_named(needs)} on {chosen.device}: {', '.join(how)}; about {_gib(chosen.peak_bytes)}"
    if plan.free.room != _UNKNOWN:
        text += f" of {_gib(plan.free.room)} usable"
    whole = _peak(Layout(needs, plan.free.kind, chosen.dtype, "none", None))
    return (
        f"{text}, {_gib(whole)} without offloading or tiles."
        if whole > plan.free.room
        else text + "."
    )


def _shortage(needs: Needs, free: Free, runtime: Runtime) -> str:
    """Which memory is too small, and how large it would have to be at least."""
    layouts = list(_layouts(needs, free, runtime))
    least = min(_peak(layout) for layout in layouts)
    if least <= free.room:
        fitting = [layout for layout in layouts if _peak(layout) <= free.room]
        host = min(layout.host() for layout in fitting)
        return (
            f"{_named(needs)} needs about {_gib(host)} of main memory for weights that are not on "
            f"the GPU, and {_gib(free.host_bytes or 0)} are free."
        )
    where = "main memory" if free.kind == "cpu" else f"memory on {free.device}"
    text = f"{_named(needs)} needs at least {_gib(least)} of {where}"
    return f"{text}, and {_gib(free.room)} are usable."


def _proposals(needs: Needs, free: Free, runtime: Runtime, below: int | None) -> Iterator[str]:
    """Changes that make a run fit, the least painful first."""

    def fits(needs: Needs, runtime: Runtime = runtime) -> bool:
        found = _first_fit(needs, free, runtime)
        return found is not None and (below is None or found.runtime.peak_bytes < below)

    if free.kind == "cuda":
        offloads: tuple[Offload, ...] = ("none", "model", "sequential")
        for offload in offloads:
            if fits(needs, replace(runtime, offload=offload)):
                yield f"offload {offload}"
                break
    lighter: Dtype = needs.networks.half if free.kind == "cuda" else "bfloat16"
    if runtime.dtype in ("auto", "float32") and fits(needs, replace(runtime, dtype=lighter)):
        yield lighter
    smaller = next(filter(fits, _smaller(needs)), None)
    if smaller is not None:
        yield f"{smaller.extent.width} x {smaller.extent.height} pixels"
    if needs.augment > 1 and fits(replace(needs, augment=1)):
        yield "augment 1"
    for family in _lighter_families(needs.family):
        # Any run of it: how this one was set up need not make sense there.
        other = Needs(family=family, extent=needs.extent, augment=needs.augment)
        if fits(other, Runtime(device=runtime.device)):
            yield f"a method on {_TITLES[family]}"
    if free.kind == "cuda" and _first_fit(needs, Free(host_bytes=free.host_bytes), Runtime()):
        yield "the CPU, which is slow"


def _lighter_families(family: Family | None) -> tuple[Family, ...]:
    lighter: dict[Family, tuple[Family, ...]] = {"flux": ("sdxl", "sd15"), "sdxl": ("sd15",)}
    return lighter.get(family, ()) if family else ()


def _smaller(needs: Needs) -> Iterator[Needs]:
    """The run at three quarters, a half, three eighths and a quarter of its sides."""
    for share in (0.75, 0.5, 0.375, 0.25):
        sides = (max(int(side * share) // _MULTIPLE, 1) * _MULTIPLE for side in needs.extent)
        extent = Extent(*sides)
        if min(extent) >= min(_MIN_SIDE, *needs.extent):
            tokens = needs.layer_tokens * extent.pixel_count // needs.extent.pixel_count
            yield replace(needs, extent=extent, layer_tokens=tokens)


def _named(needs: Needs) -> str:
    known = _TITLES[needs.family] if needs.family else ""
    what = needs.title or ("FLUX with layers" if needs.layer_tokens else known)
    return f"{what} at {needs.extent.width} x {needs.extent.height}"


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
