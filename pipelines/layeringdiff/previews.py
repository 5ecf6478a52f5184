"""Small pictures while a picture is sampled, for the families that have a preview decoder."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from layerstudio.color import U8
from layerstudio.models.preview import Preview
from layerstudio.models.sizes import Family
from layerstudio.pipelines.layerdiffuse.previews import preview_for
from layerstudio.pipelines.runtime import ResolvedRuntime
from layerstudio.pipelines.steps import Canvas


def preview_of(
    pipeline: Any, family: Family | None, runtime: ResolvedRuntime, canvas: Canvas
) -> Preview | None:
    """None for families without one, and where it would move an offloaded autoencoder about."""
    if family is None:
        return None
    preview = preview_for(pipeline, family, runtime)
    if preview is None or family != "flux":
        return preview

    def of_tokens(latents: Tensor) -> U8:
        """FLUX samples 2 x 2 latents as one token."""
        size = canvas.padded
        return preview(
            pipeline._unpack_latents(latents, size.height, size.width, pipeline.vae_scale_factor)
        )

    return of_tokens
