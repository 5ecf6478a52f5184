"""Which of diffusers' SD 1.5 pipelines samples, and what it is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from diffusers.pipelines.controlnet.pipeline_controlnet import (
    StableDiffusionControlNetPipeline,
)
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.models.attention_sharing import AttentionSharing
from layerstudio.pipelines.layerdiffuse.conditions import grey_matte, on_canvas
from layerstudio.pipelines.steps import Canvas


def control_sampler(pipeline: Any) -> Callable[..., Any]:
    """Sampling by diffusers' ControlNet pipeline, made of ``pipeline``'s components.

    Raises ``InvalidRequest`` without a ControlNet.
    """
    if pipeline.controlnet is None:
        raise InvalidRequest(
            "A control_image needs a ControlNet.", advice="Load the pipeline with controlnet=."
        )
    wanted = inspect.signature(StableDiffusionControlNetPipeline.__init__).parameters
    parts: dict[str, Any] = {k: v for k, v in pipeline.components.items() if k in wanted}
    parts |= {"safety_checker": None, "requires_safety_checker": False}
    sampler = StableDiffusionControlNetPipeline(**parts)
    sampler.set_progress_bar_config(**getattr(pipeline, "_progress_bar_config", {}))
    return sampler.__call__


def control_rows(controlnet: Any, pictures: Any, canvas: Canvas, count: int, frames: int) -> Any:
    """A ControlNet's pictures, (rows, 3, H, W) in [0, 1], for every row of the batch.

    ``pictures`` are as in ``given_pictures``; for several ControlNets a list with such pictures
    for each.
    """
    if isinstance(controlnet, MultiControlNetModel):
        return [_rows(one, canvas, count, frames) for one in pictures]
    return _rows(pictures, canvas, count, frames)


def _rows(pictures: Any, canvas: Canvas, count: int, frames: int) -> Tensor:
    control = given_pictures(pictures, count, canvas)[:, :3]
    return control.repeat_interleave(frames * count // len(control), dim=0)


def check_options(call: Callable[..., Any], options: dict[str, Any]) -> None:
    """Raises ``InvalidRequest`` for options that ``call``, a pipeline, does not have.

    diffusers itself ignores them, and a misspelt one would be lost.
    """
    unknown = sorted(options.keys() - inspect.signature(call).parameters.keys())
    if unknown:
        raise InvalidRequest(
            f"SD 1.5 takes no {', '.join(unknown)} here.",
            advice="ControlNet's options need control_image and a ControlNet.",
        )


def given_pictures(pictures: Any, count: int, canvas: Canvas) -> Tensor:
    """Pictures that are given, (1 or count, 4, H, W) in [0, 1] of the padded size.

    There is one for all of ``count``, one for each, or one for each prompt, whose pictures follow
    each other. Raises ``InvalidRequest`` for another number, and as ``as_rgba`` does.
    """
    found = on_canvas(pictures, canvas)
    if count % len(found):
        raise InvalidRequest(
            f"{len(found)} pictures are given for the {count} that are made.",
            advice="Give one for all, or one for each prompt.",
        )
    return found if len(found) == 1 else found.repeat_interleave(count // len(found), dim=0)


@torch.no_grad()
def control_signals(
    sharing: AttentionSharing, pictures: Tensor, device: torch.device
) -> dict[int, Tensor]:
    """What the control encoder makes of (b, 4, H, W) in [0, 1]: shown on grey, in fp32."""
    encoder = sharing.kwargs_encoder
    assert encoder is not None
    encoder.to(device, torch.float32)
    try:
        return encoder(grey_matte(pictures).to(device) * 2 - 1)
    finally:
        encoder.to("cpu")
