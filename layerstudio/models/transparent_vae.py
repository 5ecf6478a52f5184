"""Pictures with alpha to latents and back, by LayerDiffuse's networks around the model's own VAE.

Zhang and Agrawala 2024 (arXiv:2402.17113). Latents here are as the VAE encodes them: a pipeline
multiplies them by its ``scaling_factor`` (FLUX: subtracts ``shift_factor`` before).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from layerstudio.errors import NumericalFailure
from layerstudio.models.sizes import VAE_VALUES
from layerstudio.models.tiles import tiles
from layerstudio.models.transparent_networks import (
    LATENT_FACTOR,
    ChannelOrder,
    TransparencyDecoder,
    TransparencyEncoder,
)
from layerstudio.models.transparent_passes import Augment, augmented, free_bytes
from layerstudio.ops.pyramid_fill import pyramid_fill

__all__ = ["TransparencyDecoder", "TransparencyEncoder", "decode_rgba", "encode_rgba"]

# Larger pictures than this (either side, in pixels) are decoded in tiles.
LARGEST_UNTILED = 2048
# Tiles are as large as fits, since each sees nothing beyond its edges: 1024 is what the networks
# were trained at, 512 what still shows an object.
_TILE_SIDES = (2048, 1536, 1024, 768, 512)
_SHARE_OF_FREE = 0.7

# On a CPU, PyTorch's group norm rounds channels-last pictures otherwise: 1e-4 in the latents of a
# toy VAE. The published code of SDXL encodes pictures as they come from a file, FLUX's does not.
_PUBLISHED_LAYOUT = {"argb": torch.channels_last, "rgba": torch.contiguous_format}

Tiling = int | Literal["auto"] | None


@torch.no_grad()
def encode_rgba(
    vae: AutoencoderKL,
    encoder: TransparencyEncoder,
    rgba: Tensor,
    *,
    generator: torch.Generator | list[torch.Generator] | None = None,
    use_offset: bool = True,
) -> Tensor:
    """Latents (B, C, H/8, W/8) of straight ``rgba`` (B, 4, H, W) in [0, 1], in the VAE's dtype.

    The VAE sees the picture on mid grey. The offset network's answer takes the place of the noise
    of the posterior: mean + deviation * offset (published code); without ``use_offset`` it is
    noise from ``generator``, and alpha is not in the latents. H and W are multiples of 8.

    Raises ``NumericalFailure`` if the picture holds NaN or infinity, or the latents come out so.
    """
    channels, height, width = rgba.shape[1:]
    assert channels == 4 and height % LATENT_FACTOR == 0 and width % LATENT_FACTOR == 0, rgba.shape
    _check_finite(rgba, "picture")
    rgba = rgba.float()
    colour, alpha = rgba[:, :3], rgba[:, 3:]
    with _without_overflow(vae) as (dtype, device):
        on_grey = ((colour * 2 - 1) * alpha).to(device, dtype)
        on_grey = on_grey.contiguous(
            memory_format=_PUBLISHED_LAYOUT[encoder.config["channel_order"]]
        )
        posterior: Any = vae.encode(on_grey, return_dict=False)[0]
    if not use_offset:
        latents = posterior.sample(generator)
    else:
        offset = encoder(_network_input(encoder, rgba)).to(posterior.mean)
        latents = posterior.mean + posterior.std * (offset * encoder.config["offset_scale"])
    _check_finite(latents, "encoded latents")
    return latents.to(vae.dtype)


@torch.no_grad()
def decode_rgba(
    vae: AutoencoderKL,
    decoder: TransparencyDecoder,
    latents: Tensor,
    *,
    augment: Augment = 8,
    tile: Tiling = "auto",
    progress: Callable[[float], None] | None = None,
    check: Callable[[], None] | None = None,
) -> Tensor:
    """Straight RGBA (B, 4, H, W) in [0, 1], float32, of ``latents`` (B, C, H/8, W/8).

    The VAE decodes the colours, the transparency decoder corrects them and finds alpha, in
    ``augment`` orientations (8 as published, 1 about eight times as fast). H and W are multiples
    of the decoder's ``size_multiple``, 64. Pictures are decoded one by one, in tiles of ``tile``
    pixels a side (a multiple of 64): by default above 2048 or where memory is short; None: never.

    ``progress`` is told the share that is done, in (0, 1]; ``check`` is called before each batch of
    passes and may raise, as ``CancelToken.check`` does. Raises ``NumericalFailure`` if the latents,
    or what is decoded from them, hold NaN or infinity.
    """
    assert augment in (1, 2, 4, 8), augment
    height, width = (side * LATENT_FACTOR for side in latents.shape[2:])
    multiple = decoder.size_multiple
    assert height % multiple == 0 and width % multiple == 0, (
        f"pad pictures to multiples of {multiple} before: {width} x {height}"
    )
    _check_finite(latents, "latents")
    side = _tile_side(tile, height, width, vae, multiple)
    places = list(tiles(height, width, side, _overlap(side, multiple), multiple))
    report = _Reporter(len(latents) * len(places) * (augment + 1), progress, check)
    pictures = []
    for one in latents.split(1):
        picture = torch.zeros(1, 4, height, width, device=_device(vae))
        for place in places:
            part = _decode_part(vae, decoder, place.cut(one, LATENT_FACTOR), augment, report)
            place.add(part, picture)
        pictures.append(picture)
    rgba = torch.cat(pictures)
    _check_finite(rgba, "decoded picture")
    return rgba


def _decode_part(
    vae: Any,
    decoder: TransparencyDecoder,
    latents: Tensor,
    augment: Augment,
    report: _Reporter,
) -> Tensor:
    """(1, 4, H, W) straight RGBA of one tile."""
    report.check()
    with _without_overflow(vae) as (dtype, device):
        decoded = vae.decode(latents.to(device, dtype).contiguous(), return_dict=False)[0]
    pixels = decoded.float() * 0.5 + 0.5
    if decoder.config["clip_pixels"]:
        pixels = pixels.clamp(0, 1)
    report.done(1)
    pixels_fed, latents_fed = (x.to(_device(decoder), decoder.dtype) for x in (pixels, latents))
    passes = augmented(decoder, pixels_fed, latents_fed, augment, done=report.done)
    return _alpha_last(passes, decoder.config["channel_order"]).to(pixels.device)


class _Reporter:
    """Counts steps, and asks between them whether to go on."""

    def __init__(
        self,
        steps: int,
        progress: Callable[[float], None] | None,
        check: Callable[[], None] | None,
    ) -> None:
        self._steps = steps
        self._so_far = 0
        self._progress = progress
        self._check = check

    def check(self) -> None:
        if self._check is not None:
            self._check()

    def done(self, steps: int) -> None:
        self._so_far += steps
        if self._progress is not None:
            self._progress(self._so_far / self._steps)
        self.check()


def _network_input(encoder: TransparencyEncoder, rgba: Tensor) -> Tensor:
    """Filled-in colour and alpha, in the order the encoder wants, on its device."""
    pictures = rgba.permute(0, 2, 3, 1).cpu().numpy()
    filled = torch.stack([torch.from_numpy(pyramid_fill(picture)) for picture in pictures])
    alpha = rgba[:, 3:].cpu()
    parts = [filled.permute(0, 3, 1, 2), alpha]
    if encoder.config["channel_order"] == "argb":
        parts.reverse()
    return torch.cat(parts, dim=1).to(_device(encoder), encoder.dtype)


def _alpha_last(picture: Tensor, order: ChannelOrder) -> Tensor:
    return picture.roll(-1, 1) if order == "argb" else picture


def _tile_side(tile: Tiling, height: int, width: int, vae: Any, multiple: int) -> int:
    """The side of a square that is decoded at once, at most."""
    longest = max(height, width)
    if tile is None:
        return longest
    if tile != "auto":
        return tile
    free = free_bytes(_device(vae))
    affordable = [
        side
        for side in _TILE_SIDES
        if free is None or _needed(vae, min(side, height), min(side, width)) <= free
    ]
    side = max(affordable, default=_TILE_SIDES[-1])
    return longest if longest <= min(side, LARGEST_UNTILED) else side


def _needed(vae: Any, height: int, width: int) -> float:
    """Bytes that must be free: the VAE's decoder holds three times what one pass does."""
    itemsize = 4 if _overflows(vae) else vae.dtype.itemsize
    return height * width * VAE_VALUES * itemsize / _SHARE_OF_FREE


def _overlap(side: int, multiple: int) -> int:
    """A quarter, as diffusers' tiles have it, and at least one step."""
    return max(multiple, side // 4 // multiple * multiple)


@contextmanager
def _without_overflow(vae: Any) -> Iterator[tuple[torch.dtype, torch.device]]:
    """The VAE in a precision that holds its values, and where it runs; afterwards as it was."""
    if not _overflows(vae):
        yield vae.dtype, _device(vae)
        return
    # PyTorch's own method: diffusers' warns of modules to keep in float32 where are none.
    torch.nn.Module.to(vae, torch.float32)
    try:
        yield torch.float32, _device(vae)
    finally:
        torch.nn.Module.to(vae, torch.float16)


def _overflows(vae: Any) -> bool:
    """SDXL's VAE leaves the range of float16 (diffusers: ``force_upcast``)."""
    return vae.dtype == torch.float16 and bool(vae.config.get("force_upcast"))


def _device(module: torch.nn.Module) -> torch.device:
    """Where it computes; under accelerate's offloading its weights lie elsewhere until then, and
    the hook that knows is its own or, layer by layer, a part's."""
    for part in module.modules():
        device = getattr(getattr(part, "_hf_hook", None), "execution_device", None)
        if device is not None:
            return torch.device(device)
    return next(module.parameters()).device


def _check_finite(values: Tensor, what: str) -> None:
    if not bool(torch.isfinite(values).all()):
        advice = "Half precision may have overflowed: try float32 or bfloat16."
        raise NumericalFailure(
            f"There are values that are no numbers in the {what}.", advice=advice
        )
