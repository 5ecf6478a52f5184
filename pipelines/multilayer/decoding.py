"""The tokens of a document to RGBA pictures, each of its box only.

The composite and the background, which are opaque, are decoded by FLUX's VAE. The foregrounds are
decoded by ART's transparency decoder, all of them in one sequence, composite and background with
them (published code): a layer's alpha is decided in view of what lies around it. Their colour is
that decoder's too, or the VAE's, which saw them on grey and decodes box by box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor

from layerstudio.errors import NumericalFailure
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.multilayer_decoder import PATCH, MultiLayerDecoder
from layerstudio.models.regions import Regions, unpatchify
from layerstudio.pipelines.steps import check_finite
from layerstudio.pipelines.vae_steps import decode_rgb, encode_mean, scaled, unscaled

COMPOSITE, BACKGROUND = 0, 1  # published order: the whole picture, its background, foregrounds
FIRST_FOREGROUND = 2
_TOKEN = 2  # latent pixels of a token's side
# Latent pixels of grey around a box for the VAE: 64 canvas pixels. Its convolutions reach less far;
# its one attention and its norms see everything, so a box is decoded nearly as on the canvas.
_MARGIN = 8
_FAINT = 0.05  # below this alpha, colour on grey is mostly grey: the decoder's is kept

Colour = Literal["decoder", "vae"]


@dataclass(frozen=True)
class DecodedLayer:
    """``rgba`` (4, h, w) straight, float32 in [0, 1], lying at ``bounds`` in canvas pixels."""

    bounds: Bounds
    rgba: Tensor


@torch.no_grad()
def decode_layers(
    vae: Any,
    decoder: MultiLayerDecoder,
    tokens: Tensor,
    regions: Regions,
    *,
    colour: Colour = "decoder",
    check: Callable[[], None] = lambda: None,
) -> tuple[DecodedLayer | None, ...]:
    """One picture for each layer of ``regions``, None for a layer without a box.

    ``tokens`` (count, 64) are as they were sampled, scaled. ``colour`` says whose the foregrounds'
    is. One picture is decoded at a time, which bounds the VAE's memory by the largest box.
    ``check`` is called between them and may raise. Raises ``NumericalFailure`` for tokens that are
    not numbers.
    """
    check_finite(tokens, "layers' latents")
    latents = list(_latents_of(tokens, regions))
    check()
    separated = _separated(vae, decoder, latents, regions)
    fine = _fine(regions)
    grey = grey_latent(vae, fine.grid) if colour == "vae" else None
    layers: list[DecodedLayer | None] = []
    for number, (box, latent, rgba) in enumerate(zip(fine.boxes, latents, separated, strict=True)):
        if box is None or latent is None or rgba is None:
            layers.append(None)
            continue
        check()
        if number < FIRST_FOREGROUND:
            rgba = _opaque(vae, latent)
        elif grey is not None:
            rgba = _recoloured(rgba, _on_grey(vae, latent, box, grey))
        bounds = Bounds(*(PATCH * value for value in box))
        layers.append(DecodedLayer(bounds, rgba.float().clamp(0, 1).cpu()))
    return tuple(layers)


@torch.no_grad()
def grey_latent(vae: Any, grid: Extent) -> Tensor:
    """(1, 16, h, w), scaled: what mid grey, which stands for transparent, is to the VAE."""
    grey = torch.full((1, 3, *(PATCH * side for side in grid.shape)), 0.5)
    return scaled(vae, encode_mean(vae, grey))


def _latents_of(tokens: Tensor, regions: Regions) -> Iterator[Tensor | None]:
    """(1, 16, h, w) of each box, scaled as they were sampled."""
    start = 0
    for box in regions.boxes:
        if box is None:
            yield None
            continue
        count = box.extent.pixel_count
        own = tokens[start : start + count].unflatten(0, box.extent.shape)
        yield unpatchify(own[None], _TOKEN)
        start += count


def _separated(
    vae: Any, decoder: MultiLayerDecoder, latents: list[Tensor | None], regions: Regions
) -> Iterator[Tensor | None]:
    """(4, h, w) in [0, 1] of each box, by the transparency decoder, in its own precision."""
    fine = _fine(regions)
    pixels = [
        unscaled(vae, latent)[0].movedim(0, -1).flatten(0, 1)
        for latent in latents
        if latent is not None
    ]
    device = get_module_execution_device(decoder)
    patches = decoder(torch.cat(pixels).to(device, decoder.dtype), fine)
    if not bool(torch.isfinite(patches).all()):
        raise NumericalFailure(
            "The transparency decoder's answer is not a number.", advice="Run it in float32."
        )
    start = 0
    for box in fine.boxes:
        if box is None:
            yield None
            continue
        count = box.extent.pixel_count
        own = patches[start : start + count].unflatten(0, box.extent.shape)
        yield unpatchify(own[None], PATCH)[0] * 0.5 + 0.5
        start += count


def _opaque(vae: Any, latent: Tensor) -> Tensor:
    """(4, h, w): the VAE's colours, and alpha 1."""
    colour = decode_rgb(vae, latent)[0]
    check_finite(colour, "decoded picture")
    return torch.cat([colour, torch.ones_like(colour[:1])])


def _on_grey(vae: Any, latent: Tensor, box: Bounds, grey: Tensor) -> Tensor:
    """(3, h, w) in [0, 1]: the VAE's picture of a box, decoded with a margin of grey around it."""
    canvas = Extent(grey.shape[3], grey.shape[2])
    wide = box.padded(_MARGIN).clamped(canvas)
    inside = box.relative_to(wide)
    surrounded = grey[..., *wide.slices].clone()
    surrounded[..., *inside.slices] = latent.to(grey)
    decoded = decode_rgb(vae, surrounded)[0]
    check_finite(decoded, "decoded picture")
    return decoded[:, *Bounds(*(PATCH * value for value in inside)).slices]


def _recoloured(rgba: Tensor, on_grey: Tensor) -> Tensor:
    """``rgba`` with the colour that gives ``on_grey`` over mid grey, where enough of it shows.

    ART trains the latents on (colour - grey) * alpha + grey: section 3 of the paper.
    """
    alpha = rgba[3:]
    colour = 0.5 + (on_grey.to(rgba) - 0.5) / alpha.clamp(min=_FAINT)
    return torch.cat([torch.where(alpha >= _FAINT, colour, rgba[:3]), alpha])


def _fine(regions: Regions) -> Regions:
    """The same regions in latent pixels."""
    return Regions(
        Extent(*(_TOKEN * side for side in regions.grid)),
        tuple(box and Bounds(*(_TOKEN * value for value in box)) for box in regions.boxes),
    )
