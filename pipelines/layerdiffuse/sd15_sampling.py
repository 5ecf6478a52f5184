"""Which of diffusers' SD 1.5 pipelines samples, and what it is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.controlnet.pipeline_controlnet import (
    StableDiffusionControlNetPipeline,
)
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.models.attention_sharing import AttentionSharing
from layerstudio.pipelines.layerdiffuse.flux_sampling import on_canvas
from layerstudio.pipelines.layerdiffuse.rgba_input import as_rgba, resized
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


def control_rows(pictures: Any, canvas: Canvas, count: int, frames: int) -> Any:
    """A ControlNet's pictures (or a list, for a list of networks) for every row of the batch.

    ``pictures`` are one for all of ``count`` or one for each. They are scaled to the canvas.
    """
    control = on_canvas(pictures, canvas)
    return (
        [_rows(c, count, frames) for c in control]
        if isinstance(control, list)
        else _rows(control, count, frames)
    )


def _rows(control: np.ndarray, count: int, frames: int) -> np.ndarray:
    if len(control) not in (1, count):
        raise InvalidRequest(f"{len(control)} control pictures for {count} pictures.")
    return np.repeat(control, frames * (count if len(control) == 1 else 1), axis=0)


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


def covering(pictures: Tensor, extent: Extent) -> Tensor:
    """(b, 4, h, w) scaled until it covers ``extent``, the rest cut alike on opposite sides."""
    height, width = pictures.shape[-2:]
    scale = max(extent.width / width, extent.height / height)
    size = Extent(
        max(extent.width, round(width * scale)), max(extent.height, round(height * scale))
    )
    left, top = (size.width - extent.width) // 2, (size.height - extent.height) // 2
    scaled = resized(pictures, size)
    return scaled[..., top : top + extent.height, left : left + extent.width]


def given_pictures(pictures: Any, count: int, canvas: Canvas) -> Tensor:
    """The pictures to build on, (1 or count, 4, h, w) in [0, 1] of the wanted size.

    Raises ``InvalidRequest`` for another number of them, and as ``as_rgba`` does.
    """
    listed = pictures if isinstance(pictures, list | tuple) else [pictures]
    found = torch.cat([covering(as_rgba(picture), canvas.wanted) for picture in listed])
    if len(found) not in (1, count):
        raise InvalidRequest(f"{len(found)} pictures to build on for {count} pictures.")
    return found


@torch.no_grad()
def control_signals(
    sharing: AttentionSharing, pictures: Tensor, canvas: Canvas, device: torch.device
) -> dict[int, Tensor]:
    """What the control encoder makes of (b, 4, h, w) in [0, 1].

    It is shown them over mid grey on the padded canvas, in [-1, 1], and runs in fp32, as in the
    published code.
    """
    encoder = sharing.kwargs_encoder
    assert encoder is not None
    padded = canvas.pad(pictures)
    matte = (padded[:, :3] * 2 - 1) * padded[:, 3:]
    encoder.to(device, torch.float32)
    try:
        return encoder(matte.to(device))
    finally:
        encoder.to("cpu")
