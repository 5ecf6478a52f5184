"""Small pictures while a picture is sampled, for the families that have a preview decoder."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from layerstudio.color import U8
from layerstudio.models.preview import Preview
from layerstudio.models.sizes import Family
from layerstudio.pipelines.steps import Canvas


def on_canvas(
    preview: Preview | None, pipeline: Any, family: Family | None, canvas: Canvas
) -> Preview | None:
    """A preview of latents as the pipeline's callback has them: FLUX's are tokens of 2 x 2."""
    if preview is None or family != "flux":
        return preview

    def of_tokens(latents: Tensor) -> U8:
        size = canvas.padded
        return preview(
            pipeline._unpack_latents(latents, size.height, size.width, pipeline.vae_scale_factor)
        )

    return of_tokens
