"""LayerDiffuse's two networks: alpha into the latents, and out of them again.

Zhang and Agrawala 2024, "Transparent Image Layer Diffusion using Latent Transparency"
(arXiv:2402.17113). Structure and keys are those of the published checkpoints: of SDXL and SD 1.5
(authors), and of FLUX (RedAIGC, 16 latent channels, other channel orders).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from layerstudio.models.checkpoints import load_strict
from layerstudio.models.normalisation import normalised
from layerstudio.models.transparent_blocks import NORM_EPSILON, DownLevel, Middle, UpLevel

Family = Literal["sdxl", "sd15", "flux"]
ChannelOrder = Literal["argb", "rgba"]

# The networks of SDXL and SD 1.5 have alpha first, FLUX's have it last (published code of both).
CHANNEL_ORDERS: dict[Family, ChannelOrder] = {"sdxl": "argb", "sd15": "argb", "flux": "rgba"}
# Latents are an eighth of the picture: they enter after three halvings.
LATENT_LEVEL = 3
LATENT_FACTOR = 2**LATENT_LEVEL

_ENCODER_WIDTHS = (32, 64, 128, 256)
_DECODER_WIDTHS = (32, 32, 64, 128, 256, 512, 512)
State = Mapping[str, Tensor]


class TransparencyEncoder(ModelMixin, ConfigMixin):
    """Picture with alpha -> the offset of its latents: 3 x 3 convolutions and SiLU.

    Two convolutions per width, the first of each but the first halving the size, and a last one
    to the latent channels. ``forward`` takes (B, 4, H, W) in [0, 1] in the order of
    ``channel_order``, colour filled in by ``pyramid_fill``; H and W are multiples of 8. It returns
    (B, latent_channels, H/8, W/8), to be multiplied by ``offset_scale`` (published constant).
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 4,
        block_out_channels: Sequence[int] = _ENCODER_WIDTHS,
        channel_order: ChannelOrder = "argb",
        offset_scale: float = 300.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 4
        for level, channels in enumerate(block_out_channels):
            stride = 1 if level == 0 else 2
            layers += [nn.Conv2d(width, channels, 3, stride=stride, padding=1), nn.SiLU()]
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.SiLU()]
            width = channels
        last = nn.Conv2d(width, latent_channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # pyright: ignore[reportArgumentType]  # built with a bias
        self.blocks = nn.Sequential(*layers, last)

    def forward(self, rgba: Tensor) -> Tensor:
        return self.blocks(rgba)

    @classmethod
    def from_published(cls, state: State, *, family: Family) -> Self:
        """The network of a published file: of ``vae_transparent_encoder``, or the ``encoder.*`` of
        FLUX's ``TransparentVAE.pth``. Widths are those of its tensors, float32.

        Raises ``MismatchedWeights`` if the file is anything else.
        """
        state = _part(state, "encoder.")
        convolutions = _indexed(state, r"blocks\.(\d+)\.weight")
        widths = tuple(shape[0] for _, shape in convolutions[:-1:2])
        settings: dict[str, Any] = {"channel_order": CHANNEL_ORDERS[family]}
        if len(widths) == len(_ENCODER_WIDTHS):
            settings |= {"block_out_channels": widths, "latent_channels": convolutions[-1][1][0]}
        return _loaded(cls, settings, state, "transparency encoder")


class TransparencyDecoder(ModelMixin, ConfigMixin):
    """Decoded picture and its latents -> picture with alpha ("UNet1024" in the published code).

    ``forward`` takes pixels (B, 3, H, W) in [0, 1] and latents (B, latent_channels, H/8, W/8) as
    the VAE encodes them (not scaled for diffusion), and returns (B, 4, H, W) in the order of
    ``channel_order``, not clipped. H and W are multiples of ``size_multiple``, 64 as published.
    ``clip_pixels`` says whether the network was trained with pixels clipped to [0, 1].
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 4,
        block_out_channels: Sequence[int] = _DECODER_WIDTHS,
        layers_per_block: int = 2,
        attention_levels: int = 3,
        attention_head_dim: int = 8,
        norm_num_groups: int = 4,
        channel_order: ChannelOrder = "argb",
        clip_pixels: bool = True,
    ) -> None:
        """``attention_levels``: how many of the smallest levels have attention."""
        super().__init__()
        widths = tuple(block_out_channels)
        last = len(widths) - 1
        assert last > LATENT_LEVEL, widths
        heads = [
            attention_head_dim if last - i < attention_levels else None for i in range(last + 1)
        ]
        self.size_multiple = 2**last
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.latent_conv_in = nn.Conv2d(latent_channels, widths[LATENT_LEVEL - 1], 1)
        nn.init.zeros_(self.latent_conv_in.weight)
        self.down_blocks = nn.ModuleList(
            DownLevel(
                widths[max(i - 1, 0)], width, layers=layers_per_block, resample=i < last,
                groups=norm_num_groups, head_dim=heads[i],
            )
            for i, width in enumerate(widths)
        )  # fmt: skip
        self.mid_block = Middle(widths[-1], groups=norm_num_groups, head_dim=attention_head_dim)
        self.up_blocks = nn.ModuleList(
            UpLevel(
                up_widths(widths, level, layers_per_block), widths[level], resample=level > 0,
                groups=norm_num_groups, head_dim=heads[level],
            )
            for level in reversed(range(last + 1))
        )  # fmt: skip
        self.conv_norm_out = nn.GroupNorm(norm_num_groups, widths[0], NORM_EPSILON)
        self.conv_out = nn.Conv2d(widths[0], 4, 3, padding=1)

    def forward(self, pixels: Tensor, latents: Tensor) -> Tensor:
        height, width = pixels.shape[2:]
        multiple = self.size_multiple
        assert height % multiple == 0 and width % multiple == 0, (
            f"pad pictures to multiples of {multiple}, not {width} x {height}"
        )
        assert latents.shape[2:] == (height // LATENT_FACTOR, width // LATENT_FACTOR), latents.shape
        x = self.conv_in(pixels)
        skips = [x]
        for level, block in enumerate(self.down_blocks):
            if level == LATENT_LEVEL:
                x = x + self.latent_conv_in(latents)
            x = block(x, skips)
        x = self.mid_block(x)
        for block in self.up_blocks:
            x = block(x, skips)
        return self.conv_out(normalised(self.conv_norm_out, x, in_place=True))

    @classmethod
    def from_published(cls, state: State, *, family: Family) -> Self:
        """The network of a published file: of ``vae_transparent_decoder``, or the ``decoder.*`` of
        FLUX's ``TransparentVAE.pth``. Widths are those of its tensors, float32.

        Raises ``MismatchedWeights`` if the file is anything else.
        """
        state = _part(state, "decoder.")
        settings: dict[str, Any] = {
            "channel_order": CHANNEL_ORDERS[family],
            "clip_pixels": family != "flux",
            **_decoder_shape(state),
        }
        return _loaded(cls, settings, state, "transparency decoder")


def up_widths(widths: Sequence[int], level: int, layers: int) -> list[int]:
    """Input channels of the residual blocks of an upward level: what comes from the block before
    and the skip connection, whose last belongs to the level above (its downsampling)."""
    before = widths[min(level + 1, len(widths) - 1)]
    above = widths[max(level - 1, 0)]
    own = widths[level]
    return [before + own] + [own + own] * (layers - 1) + [own + above]


def _decoder_shape(state: State) -> dict[str, Any]:
    """What shapes and keys say about the network; nothing where they say something else."""
    inputs = _indexed(state, r"down_blocks\.(\d+)\.resnets\.0\.conv1\.weight")
    layers = _indexed(state, r"down_blocks\.0\.resnets\.(\d+)\.conv1\.weight")
    attentions = _indexed(state, r"down_blocks\.(\d+)\.attentions\.0\.to_q\.weight")
    latent = state.get("latent_conv_in.weight")
    if len(inputs) <= LATENT_LEVEL + 1 or latent is None:
        return {}
    return {
        "latent_channels": latent.shape[1],
        "block_out_channels": tuple(shape[0] for _, shape in inputs),
        "layers_per_block": len(layers),
        "attention_levels": len(attentions),
    }


def _part(state: State, prefix: str) -> State:
    """The tensors below ``prefix`` where there are any, else all of them."""
    part = {key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)}
    return part or state


def _indexed(state: State, pattern: str) -> list[tuple[int, torch.Size]]:
    """Index and shape of the tensors whose whole key matches, by the index in it."""
    matches = ((re.fullmatch(pattern, key), tensor) for key, tensor in state.items())
    return sorted((int(match[1]), tensor.shape) for match, tensor in matches if match)


def _loaded(kind: type[Any], settings: dict[str, Any], state: State, what: str) -> Any:
    with torch.device("meta"):  # no time for initial values that the file replaces
        network = kind(**settings)
    load_strict(network, {key: tensor.float() for key, tensor in state.items()}, what)
    return network.eval()
