"""BiRefNet, the network that mattes what stands in front (Zheng et al. 2024, arXiv:2401.03407).

The published variants with a Swin backbone (BiRefNet, -matting, -portrait, HR, lite, LayerD's) are
one architecture; which one a checkpoint is shows in its shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from layerstudio.models.birefnet_blocks import DecoderBlock, resized
from layerstudio.models.birefnet_decoder import Decoder
from layerstudio.models.checkpoints import load_strict, read_state
from layerstudio.models.swin import SWIN_L, Swin, SwinSize

STEP = 32  # sides of what it is given are multiples of this
# What torch's wrappers for several devices and for compiling put before every key.
_PREFIXES = ("module.", "_orig_mod.")


class BiRefNet(nn.Module):
    """A picture to logits of its foreground's alpha."""

    def __init__(self, size: SwinSize = SWIN_L) -> None:
        super().__init__()
        self.bb = Swin(size)
        # Features of the picture and of the picture at half its size, side by side.
        channels = [2 * width for width in size.channels]
        self.squeeze_module = nn.Sequential(DecoderBlock(sum(channels), channels[-1]))
        self.decoder = Decoder(channels)

    @classmethod
    def from_published(
        cls, state: Mapping[str, Tensor], *, dtype: torch.dtype = torch.float32
    ) -> Self:
        """The network whose weights these are, ready to infer.

        Raises:
            MismatchedWeights: they are not those of a BiRefNet with a Swin backbone, or not all.
        """
        state = {_without_prefixes(key): tensor for key, tensor in state.items()}
        shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
        backbone = {key[3:]: shape for key, shape in shapes.items() if key.startswith("bb.")}
        try:
            size = SwinSize.of(backbone)
        except (KeyError, IndexError):
            size = SWIN_L  # for an error that says what is missing
        with torch.device("meta"):
            network = cls(size)
        load_strict(network, state, "matting network (BiRefNet)")
        return network.to(dtype).eval().requires_grad_(False)

    @classmethod
    def from_file(cls, path: Path | str, *, dtype: torch.dtype = torch.float32) -> Self:
        """``from_published`` for a file; raises ``UnreadableFile`` as well."""
        return cls.from_published(read_state(path), dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W), normalised like ImageNet, sides multiples of 32, to logits (B, 1, H, W)."""
        assert not (x.shape[2] % STEP or x.shape[3] % STEP), tuple(x.shape)
        return self.decoder(x, self.features(x))

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """At 1/4, 1/8, 1/16 and 1/32 of the picture's size; the last knows all of them."""
        half = F.interpolate(
            x, size=(x.shape[2] // 2, x.shape[3] // 2), mode="bilinear", align_corners=True
        )
        f1, f2, f3, f4 = (
            torch.cat([fine, resized(coarse, fine)], dim=1)
            for fine, coarse in zip(self.bb(x), self.bb(half), strict=True)
        )
        context = torch.cat([*(resized(finer, f4) for finer in (f1, f2, f3)), f4], dim=1)
        return f1, f2, f3, self.squeeze_module(context)


def _without_prefixes(key: str) -> str:
    while key.startswith(_PREFIXES):
        key = key.partition(".")[2]
    return key
