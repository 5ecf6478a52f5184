"""A request for ``layeringdiff`` filled in by what its base model is."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import MAX_SIDE, MIN_SIDE, GenerateRequest, InputRole
from layerstudio.geometry import Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.layeringdiff.arguments import (
    NO_GUIDANCE,
    default_guidance,
    default_steps,
    default_strength,
)
from layerstudio.pipelines.layeringdiff.bases import DENOISERS, Base, configuration, read_base
from layerstudio.pipelines.layeringdiff.catalogue import ROLES, draws
from layerstudio.pipelines.schedulers import check_scheduler, scheduler_class

Pictures = Mapping[InputRole, Picture]

# A picture is varied at its own size up to this many times the area that the model was made for.
_MOST_AREA = 1.5
_SIDE = 1024  # pixels, of models that do not say what they were made for
_LATENT_SCALE = 8


def resolve(request: GenerateRequest, pictures: Pictures) -> GenerateRequest:
    """The checked request as it is run and stored; the base model is on this machine.

    Raises ``InvalidRequest`` for what makes no sense with it, and what reading it does.
    """
    filled = _for_base(request, pictures) if draws(request) else _undrawn(request, pictures)
    seed = secrets.randbelow(2**32) if request.seed is None else request.seed
    return replace(
        filled,
        seed=seed,
        negative_prompt=request.negative_prompt or "",
        background=request.background or "",
    )


def base_of(request: GenerateRequest) -> Base:
    return read_base(
        request.base or "",
        varies=request.input("image") is not None,
        steered=request.controlnet is not None,
    )


def _for_base(request: GenerateRequest, pictures: Pictures) -> GenerateRequest:
    base = base_of(request)
    _check_adapters(request, base)
    varies = request.input("image") is not None
    found = replace(
        request,
        steps=default_steps(base) if request.steps is None else request.steps,
        guidance=default_guidance(base) if request.guidance is None else request.guidance,
        strength=_strength(request, base) if varies else 1.0,
        scheduler=_scheduler(request.scheduler, base),
        extent=request.extent or _extent(pictures, base),
    )
    if varies and not draws(found):
        raise InvalidRequest("This base model varies a picture with a strength above 0 only.")
    return found


def _undrawn(request: GenerateRequest, pictures: Pictures) -> GenerateRequest:
    """A given picture is taken apart as it is."""
    for name in ("loras", "controlnet", "scheduler"):
        if getattr(request, name):
            raise InvalidRequest(
                f"A picture with strength 0 is not drawn anew, so {name!r} has nothing to change.",
                advice="Leave it out, or give a strength above 0.",
            )
    return replace(
        request,
        steps=1 if request.steps is None else request.steps,
        guidance=NO_GUIDANCE if request.guidance is None else request.guidance,
        scheduler="",
        extent=request.extent or pictures["image"].extent,
    )


def _strength(request: GenerateRequest, base: Base) -> float:
    return default_strength(base) if request.strength is None else request.strength


def _check_adapters(request: GenerateRequest, base: Base) -> None:
    if request.loras and not hasattr(base.kind, "load_lora_weights"):
        raise InvalidRequest(f"{base.title} takes no LoRA.", advice="Leave it out.")


def _scheduler(name: str | None, base: Base) -> str:
    """The name as the table spells it, "" for the model's own."""
    if not name:
        return ""
    import diffusers

    own: Any = getattr(diffusers, base.components.get("scheduler", ("", ""))[1], None)
    flow = "Flow" in getattr(own, "__name__", "") or (own is None and base.family == "flux")
    spelled = check_scheduler(name, flow=flow)
    if own is not None and not _replaces(scheduler_class(spelled), own, base):
        raise InvalidRequest(
            f"{base.title} is sampled by its own scheduler ({own.__name__}) or one of its kind, "
            f"and {spelled!r} is none.",
            advice="Leave the scheduler out.",
        )
    return spelled


def _replaces(other: Any, own: Any, base: Base) -> bool:
    """Whether diffusers holds one scheduler to work where the other does; a solver that was set up
    for flow matching stays as it is."""
    if configuration(base, "scheduler").get("prediction_type") == "flow_prediction":
        return False
    return other is own or own in other._get_compatibles() or other in own._get_compatibles()


def _extent(pictures: Pictures, base: Base) -> Extent:
    """That of the given picture as far as the model makes such sizes; else the model's own."""
    side = native_side(base)
    given = next((pictures[role].extent for role in ROLES if role in pictures), None)
    if given is None:
        return Extent(side, side)
    if given.pixel_count <= _MOST_AREA * side * side and min(given) >= MIN_SIDE:
        return given
    scale = sqrt(side * side / given.pixel_count)
    return Extent(*(min(max(MIN_SIDE, round(length * scale)), MAX_SIDE) for length in given))


def native_side(base: Base) -> int:
    """Pixels of a side that the model was made for, by its configuration."""
    configs = (configuration(base, name) for name in DENOISERS)
    latent = next((c["sample_size"] for c in configs if c.get("sample_size")), None)
    if not isinstance(latent, int):
        side = base.default("height")
        own = {"sd15": 512}.get(base.family or "", _SIDE)
        return side if isinstance(side, int) else own
    vae = configuration(base, "vae")
    blocks = vae.get("block_out_channels") or vae.get("encoder_block_out_channels")
    scale = 2 ** (len(blocks) - 1) if isinstance(blocks, list) else _LATENT_SCALE
    return min(max(latent * scale, MIN_SIDE), MAX_SIDE)
