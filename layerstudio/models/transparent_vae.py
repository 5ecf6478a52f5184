"""Pictures with alpha to latents and back, by LayerDiffuse's networks around the model's own VAE.

Zhang and Agrawala 2024 (arXiv:2402.17113). Latents here are as the VAE encodes them: a pipeline
multiplies them by its ``scaling_factor`` (FLUX: subtracts ``shift_factor`` before).
"""

from __future__ import annotations

from layerstudio.models.transparent_networks import TransparencyDecoder, TransparencyEncoder

__all__ = ["TransparencyDecoder", "TransparencyEncoder"]
