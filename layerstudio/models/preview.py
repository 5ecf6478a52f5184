"""Small pictures of latents while they are sampled, for next to nothing.

Two ways: a linear map from a latent and its eight neighbours to one colour, fitted to the very VAE
that will decode (so that it fits any fine-tune), and the small autoencoders of the TAESD family
(Ollin Boer Bohan, github.com/madebyollin/taesd; diffusers' ``AutoencoderTiny``) where one is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from torch import Tensor

from layerstudio.color import U8
from layerstudio.models.rgba_pictures import to_uint8
from layerstudio.models.transparent_networks import (
    LATENT_FACTOR,
    TransparencyDecoder,
    TransparencyEncoder,
)
from layerstudio.models.transparent_vae import decode_rgba, encode_rgba

# Pictures that the linear map is fitted to, and their side in pixels, a multiple of 64 as the
# published decoders want it: 2048 places for at most 145 unknowns a channel.
_PICTURES = 8
_SIDE = 128
# Against directions that the pictures do not use; a thousandth of the mean square of the latents.
_RIDGE = 1e-3
# A preview larger than this (pixels) tells no more and takes longer to send.
_LONGEST = 512


class Preview(Protocol):
    def __call__(self, latents: Tensor) -> U8:
        """Pixels (h, w, 3 or 4) of ``latents`` (B, C, H/8, W/8), scaled as they are sampled.

        Pictures of a batch lie side by side.
        """
        ...


@dataclass(frozen=True)
class LinearPreview:
    """One pixel per latent, in [0, 1], by one convolution; edges are repeated.

    ``weight`` is (3 or 4, C, 3, 3), ``bias`` (3 or 4,), both float32 on the CPU.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, latents: Tensor) -> U8:
        return _side_by_side(self.pictures(latents))

    def pictures(self, latents: Tensor) -> Tensor:
        """(B, 3 or 4, H/8, W/8) in [0, 1], on the latents' device."""
        weight, bias = (x.to(latents.device) for x in (self.weight, self.bias))
        return F.conv2d(_framed(latents.float()), weight, bias).clamp(0, 1)

    @classmethod
    def fitted(cls, latents: Tensor, pictures: Tensor) -> LinearPreview:
        """Least squares from ``latents`` (B, C, h, w) to ``pictures`` (B, 3 or 4, h, w).

        With a little ridge; both are centred first, so that it leaves the mean alone.
        """
        channels = latents.shape[1]
        seen = F.unfold(_framed(latents.float()), 3).cpu()
        wanted = pictures.float().flatten(2).cpu()
        x, y = (t.movedim(1, -1).flatten(0, -2).double() for t in (seen, wanted))
        x_mean, y_mean = x.mean(0), y.mean(0)
        x, y = x - x_mean, y - y_mean
        ridge = _RIDGE * x.square().mean() * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
        weight = torch.linalg.solve(x.T @ x + ridge, x.T @ y)
        bias = y_mean - x_mean @ weight
        return cls(weight.T.reshape(-1, channels, 3, 3).float().contiguous(), bias.float())


@torch.no_grad()
def fit_preview(
    vae: AutoencoderKL,
    encoder: TransparencyEncoder | None = None,
    decoder: TransparencyDecoder | None = None,
) -> LinearPreview:
    """The linear map nearest to what ``vae`` decodes; with LayerDiffuse's networks to RGBA.

    Made from eight procedural pictures of 128 x 128, encoded and decoded once: seconds on a CPU.
    Call it before sampling, while the VAE may lie on the device.
    """
    rgba = _procedural_pictures()
    if encoder is not None and decoder is not None:
        latents = encode_rgba(vae, encoder, rgba)
        decoded = decode_rgba(vae, decoder, latents, augment=1, tile=None)
    else:
        latents, decoded = _reconstructed(vae, rgba[:, :3])
    small = F.avg_pool2d(decoded.float().clamp(0, 1), LATENT_FACTOR)
    return LinearPreview.fitted(_as_sampled(vae, latents.float()), small)


@dataclass(frozen=True)
class TinyPreview:
    """Previews by a small autoencoder of the model's family; (h, w, 3), at most 512 a side."""

    network: AutoencoderTiny

    @torch.no_grad()
    def __call__(self, latents: Tensor) -> U8:
        network: Any = self.network
        pixels = network.decode(latents.to(network.device, network.dtype), return_dict=False)[0]
        pictures = (pixels.float() * 0.5 + 0.5).clamp(0, 1)
        shrink = -(-max(pictures.shape[2:]) // _LONGEST)
        return _side_by_side(F.avg_pool2d(pictures, shrink, ceil_mode=True))


def _framed(latents: Tensor) -> Tensor:
    return F.pad(latents, (1, 1, 1, 1), mode="replicate")


def _reconstructed(vae: Any, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Latents and what they decode to, in [0, 1]."""
    fed = (pictures * 2 - 1).to(vae.device, vae.dtype)
    latents = vae.encode(fed, return_dict=False)[0].mode()
    return latents, vae.decode(latents, return_dict=False)[0] * 0.5 + 0.5


def _as_sampled(vae: Any, latents: Tensor) -> Tensor:
    """From the VAE's scale to the one that the denoiser works at."""
    shift = vae.config.get("shift_factor") or 0.0
    return (latents - shift) * vae.config["scaling_factor"]


def _procedural_pictures() -> Tensor:
    """(B, 4, H, W) straight RGBA in [0, 1]: smooth colours with hard-edged patches on them, under
    smooth alpha; coarse noise enlarged, always the same."""
    generator = torch.Generator().manual_seed(0)

    def noise(channels: int, cells: int, mode: str) -> Tensor:
        coarse = torch.rand(_PICTURES, channels, cells, cells, generator=generator)
        return F.interpolate(coarse, (_SIDE, _SIDE), mode=mode)

    smooth, patches = noise(3, 4, "bilinear"), noise(3, 16, "nearest")
    colour = torch.where(noise(1, 8, "nearest") < 0.3, patches, smooth)
    alpha = (noise(1, 5, "bilinear") * 3 - 1).clamp(0, 1)
    return torch.cat([colour, alpha], dim=1)


def _side_by_side(pictures: Tensor) -> U8:
    """(B, C, h, w) in [0, 1] to (h, B * w, C)."""
    return to_uint8(torch.cat(pictures.split(1), dim=3))[0]
