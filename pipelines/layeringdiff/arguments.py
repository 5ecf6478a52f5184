"""A request as the arguments of one pipeline's call, and what of it that pipeline cannot take."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter
from typing import Any

from layerstudio.generate_request import GenerateRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.layeringdiff.bases import Base

NO_GUIDANCE = 0.0  # what is recorded of a pipeline that has none
_STEPS = 28  # of a pipeline that does not say


def guidance_name(takes: Mapping[str, Parameter]) -> str | None:
    """The argument that tells how closely to follow the prompt.

    Models that were trained without guidance (Qwen-Image) keep ``guidance_scale`` for distilled
    ones, without a default, and mean ``true_cfg_scale``.
    """
    scale = takes.get("guidance_scale")
    if scale is not None and scale.default is not None:
        return "guidance_scale"
    if "true_cfg_scale" in takes:
        return "true_cfg_scale"
    return "guidance_scale" if scale is not None else None


def default_guidance(base: Base) -> float:
    name = guidance_name(base.takes)
    default = base.default(name) if name else None
    return float(default) if isinstance(default, int | float) else NO_GUIDANCE


def default_steps(base: Base) -> int:
    default = base.default("num_inference_steps")
    return default if isinstance(default, int) else _STEPS


def default_strength(base: Base) -> float:
    """Of a picture that is varied; 1 where the pipeline decides by itself."""
    default = base.default("strength")
    return float(default) if isinstance(default, int | float) else 1.0


def sampling_arguments(base: Base, request: GenerateRequest, size: Extent) -> dict[str, Any]:
    """Everything but texts, pictures, the generator and what watches the sampling."""
    takes = base.takes
    made: dict[str, Any] = {"num_inference_steps": request.steps, "output_type": "np"}
    if {"width", "height"} <= set(takes):
        made |= {"width": size.width, "height": size.height}
    name = guidance_name(takes)
    if name and (request.guidance or base.default(name) is not None):
        made[name] = request.guidance
    if request.true_guidance is not None and _has_true_guidance(takes):
        made["true_cfg_scale"] = request.true_guidance
    if request.input("image") is not None and "strength" in takes:
        made["strength"] = request.strength
    if request.controlnet is not None and "controlnet_conditioning_scale" in takes:
        made["controlnet_conditioning_scale"] = float(request.controlnet.weight)
    if "use_resolution_binning" in takes:  # which makes another size and stretches it
        made["use_resolution_binning"] = False
    return made


def text_arguments(base: Base, request: GenerateRequest, prompt: str) -> dict[str, Any]:
    made: dict[str, Any] = {"prompt": prompt}
    if "negative_prompt" in base.takes:
        if request.negative_prompt:
            made["negative_prompt"] = request.negative_prompt
        elif guidance_name(base.takes) == "true_cfg_scale" and (request.guidance or 0) > 1:
            made["negative_prompt"] = " "  # without any, these pipelines leave guidance out
    return made


def untaken(base: Base, request: GenerateRequest) -> tuple[str, ...]:
    """What a resolved request asks for and this pipeline does not do, as remarks."""
    takes, notes = base.takes, []
    if request.guidance and guidance_name(takes) is None:
        notes.append("takes no guidance")
    if request.true_guidance is not None and not _has_true_guidance(takes):
        notes.append("takes no true guidance")
    if request.negative_prompt and "negative_prompt" not in takes:
        notes.append("takes no negative prompt")
    elif request.negative_prompt and _effective(base, request) <= 1:
        lacking = "true guidance" if _has_true_guidance(takes) else "guidance"
        notes.append(f"minds a negative prompt only with a {lacking} above 1")
    if not {"width", "height"} <= set(takes) and request.input("image") is None:
        notes.append("has a size of its own, and its picture was brought to the one asked for")
    if request.input("image") is not None and "strength" not in takes:
        notes.append("decides by itself how much of the picture to change, without a strength")
    return tuple(f"{base.title} {note}." for note in notes)


def _has_true_guidance(takes: Mapping[str, Parameter]) -> bool:
    """Beside guidance of another kind."""
    return "true_cfg_scale" in takes and guidance_name(takes) != "true_cfg_scale"


def _effective(base: Base, request: GenerateRequest) -> float:
    """The scale at which a negative prompt counts."""
    if _has_true_guidance(base.takes):
        default = base.default("true_cfg_scale")
        return float(default if request.true_guidance is None else request.true_guidance)
    return float(request.guidance or 0)
