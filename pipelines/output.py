"""What every pipeline of ours returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from diffusers.utils.outputs import BaseOutput

from layerstudio.document import Document


@dataclass
class LayerStackOutput(BaseOutput):
    """One entry for each picture of the batch, in the order of the prompts.

    ``images`` are the pictures asked for, RGBA where they have transparency, in the
    ``output_type`` of the call: a list of PIL images, or an array (b, h, w, c) or tensor
    (b, c, h, w) in [0, 1], straight alpha. ``frames`` holds everything that was made together,
    by name ("foreground", "background", "blended"), each like ``images``. ``latents`` are the
    denoised ones (b, c, h/8, w/8), scaled as the network sees them, frames fastest.
    ``documents`` are the layer stacks, empty for ``output_type="latent"``.
    """

    images: Any
    latents: Any = None
    frames: dict[str, Any] = field(default_factory=dict)
    documents: list[Document] = field(default_factory=list)
