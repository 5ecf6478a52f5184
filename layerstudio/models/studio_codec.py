"""The RGBA autoencoder of ``studio``: a linear encoder and a convolutional decoder.

Pictures are colour on mid grey and alpha, so that the error of the first three channels is the
error of the layer composited on grey, and hidden colour costs nothing. Squares of 8 x 8 pixels
are projected onto the principal directions of such squares of clip art; directions of much power
are scaled down by the root of their deviation. The decoder adds to the transposed projection what
the neighbourhood tells about the rest. Its blocks have no normalisation and start as the identity
(Bachlechner et al. 2021, ReZero, arXiv:2003.04887), which is fast on a CPU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from layerstudio.models.regions import patchify, unpatchify

FACTOR = 8
_VALUES = 4 * FACTOR**2
_LEAST_ALPHA = 1 / 255
_LEAST_DEVIATION = 1e-3


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gain * self.second(F.silu(self.first(F.silu(x))))


class StudioCodec(nn.Module):
    """``mean`` (256,), ``basis`` (channels, 256) orthonormal, ``scale`` (channels,)."""

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, channels: int = 96, width: int = 64, blocks: int = 3) -> None:
        super().__init__()
        self.channels, self.width, self.blocks = channels, width, blocks
        self.register_buffer("mean", torch.zeros(_VALUES))
        self.register_buffer("basis", torch.eye(channels, _VALUES))
        self.register_buffer("scale", torch.ones(channels))
        last = nn.Conv2d(width // 2, 16, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.decoder = nn.Sequential(
            nn.Conv2d(channels, 2 * width, 3, padding=1),
            *(_Block(2 * width) for _ in range(blocks)),
            nn.Conv2d(2 * width, 4 * width, 1),
            nn.PixelShuffle(2),
            *(_Block(width) for _ in range(blocks)),
            nn.Conv2d(width, 4 * (width // 2), 3, padding=1),
            nn.PixelShuffle(2),
            _Block(width // 2),
            last,
            nn.PixelShuffle(2),
        )

    @torch.no_grad()
    def fit(self, pictures: Tensor) -> None:
        """The directions of ``pictures`` (n, 4, h, w) as ``on_grey`` gives them."""
        squares = F.pixel_unshuffle(pictures, FACTOR).movedim(1, -1).flatten(0, 2)
        mean = squares.mean(0)
        centred = squares - mean
        _, directions = torch.linalg.eigh(centred.T @ centred)
        basis = directions.flip(1)[:, : self.channels].T.contiguous()
        root = (centred @ basis.T).std(0).clamp(min=_LEAST_DEVIATION).sqrt()
        power = (centred @ basis.T / root).square().mean()
        self.mean.copy_(mean)
        self.basis.copy_(basis)
        self.scale.copy_(root * power.sqrt())

    def encode(self, pictures: Tensor) -> Tensor:
        """(n, 4, h, w) as ``on_grey`` gives them, sides multiples of 8, to latents
        (n, channels, h/8, w/8)."""
        squares = F.pixel_unshuffle(pictures, FACTOR).movedim(1, -1) - self.mean
        return (squares @ self.basis.T / self.scale).movedim(-1, 1)

    def decode(self, latents: Tensor) -> Tensor:
        """The inverse; values may leave [-1, 1] a little."""
        with torch.autocast(latents.device.type, enabled=False):  # half precision would show
            linear = self.preview(latents)
        return linear + self.decoder(latents)

    def preview(self, latents: Tensor) -> Tensor:
        """Its linear part alone: coarser, for next to nothing."""
        squares = (latents.movedim(1, -1) * self.scale) @ self.basis + self.mean
        return F.pixel_shuffle(squares.movedim(-1, 1), FACTOR)


def on_grey(straight: Tensor) -> Tensor:
    """Straight RGBA (n, 4, h, w) in [0, 1] to (colour on mid grey, alpha) in [-1, 1]."""
    alpha = straight[:, 3:]
    return torch.cat([(straight[:, :3] - 0.5) * alpha * 2, alpha * 2 - 1], dim=1)


def straight(values: Tensor) -> Tensor:
    """The inverse, in [0, 1]; colour that alpha hides is mid grey."""
    alpha = (values[:, 3:] / 2 + 0.5).clamp(0, 1)
    colour = 0.5 + values[:, :3] / 2 / alpha.clamp(min=_LEAST_ALPHA)
    return torch.cat([colour.clamp(0, 1), alpha], dim=1)


def tokens_of(latents: Tensor, size: int) -> Tensor:
    """(n, c, h, w) to (n, h/size * w/size, c * size²), row by row."""
    return patchify(latents, size).flatten(1, 2)


def latents_of(tokens: Tensor, size: int, rows: int) -> Tensor:
    """The inverse of ``tokens_of`` for ``rows`` rows of tokens."""
    return unpatchify(tokens.unflatten(1, (rows, -1)), size)
