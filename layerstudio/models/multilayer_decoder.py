"""ART's transparency decoder: the latents of all layers of a document to RGBA, in one sequence.

Pu et al. 2025 (arXiv:2502.18364), section 3: a ViT-B (Dosovitskiy et al. 2021) with one token per
latent pixel, so that each layer's alpha is decided in view of the others. Keys are those of the
published checkpoint, which CLD shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from layerstudio.models.attention import attention
from layerstudio.models.checkpoints import load_strict
from layerstudio.models.regions import Regions, unpatchify
from layerstudio.models.rotary import rotary_tables, rotate

LATENT_CHANNELS = 16
PATCH = 8  # pixels of a latent pixel's side
_HEAD_AXES = (8, 28, 28)  # layer, row, column: the rotary split of a head of 64
_HEAD_DIM = sum(_HEAD_AXES)
_NORM_EPSILON = 1e-6
_RGBA = 4


class _SelfAttention(nn.Module):
    """The parameters of ``nn.MultiheadAttention``; positions turn what queries and keys see."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        nn.init.xavier_uniform_(self.in_proj_weight)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
        """The published network turns the input of the projections, not their output."""
        turned = rotate(_heads(x), tables).transpose(1, 2).flatten(2)
        width = x.shape[-1]
        qk = F.linear(turned, self.in_proj_weight[: 2 * width], self.in_proj_bias[: 2 * width])
        v = F.linear(x, self.in_proj_weight[2 * width :], self.in_proj_bias[2 * width :])
        q, k = qk.chunk(2, dim=2)
        return self.out_proj(attention(_heads(q), _heads(k), _heads(v)).transpose(1, 2).flatten(2))


class _EncoderLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=_NORM_EPSILON)
        self.self_attention = _SelfAttention(width)
        self.ln_2 = nn.LayerNorm(width, eps=_NORM_EPSILON)
        # Indices 0 and 3 are the published ones; what lies between has no weights.
        self.mlp = nn.ModuleDict(
            {"0": nn.Linear(width, 4 * width), "3": nn.Linear(4 * width, width)}
        )

    def forward(self, x: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
        x = x + self.self_attention(self.ln_1(x), tables)
        return x + self.mlp["3"](F.gelu(self.mlp["0"](self.ln_2(x))))


class _Encoder(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {f"encoder_layer_{index}": _EncoderLayer(width) for index in range(layers)}
        )
        self.ln = nn.LayerNorm(width, eps=_NORM_EPSILON)


class _Decoder(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.fc_in = nn.Linear(LATENT_CHANNELS, width)
        self.encoder = _Encoder(width, layers)
        self.fc_out = nn.Linear(width, _RGBA * PATCH**2)


class MultiLayerDecoder(ModelMixin, ConfigMixin):
    """Unscaled latents of a document's layers to their straight RGBA."""

    @register_to_config
    def __init__(self, width: int = 768, num_layers: int = 12) -> None:
        super().__init__()
        assert width % _HEAD_DIM == 0, width
        self.decoder = _Decoder(width, num_layers)

    @classmethod
    def from_published(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that ``state`` belongs to, its size read off the tensors.

        Raises ``MismatchedWeights`` for a checkpoint of something else.
        """
        bias = state.get("decoder.fc_in.bias")
        width = 768 if bias is None else len(bias)
        layers = len([key for key in state if key.endswith(".ln_1.weight")])
        network = cls(max(_HEAD_DIM, width // _HEAD_DIM * _HEAD_DIM), max(1, layers))
        load_strict(network, state, "multi-layer transparency decoder")
        return network.eval()

    def forward(self, tokens: Tensor, regions: Regions) -> Tensor:
        """Latent pixels inside boxes (count, 16) to patches (count, 4 * 64), ordered (c, dy, dx).

        ``regions`` are in latent pixels. Values are in [-1, 1] but not clipped; RGB, then alpha.
        """
        tables = rotary_tables(regions.ids.to(tokens.device), _HEAD_AXES)
        x = self.decoder.fc_in(tokens[None])
        for layer in self.decoder.encoder.layers.values():
            x = layer(x, tables)
        return self.decoder.fc_out(self.decoder.encoder.ln(x))[0]

    def canvases(self, latents: Tensor, regions: Regions) -> Tensor:
        """(layers, 16, h, w) to (layers, 4, 8h, 8w) in [-1, 1]; outside boxes black and clear."""
        tokens = regions.gather(latents.movedim(1, -1))
        outside = latents.new_zeros(_RGBA, PATCH**2)
        outside[-1] = -1
        patches = regions.scatter(self(tokens, regions), outside.flatten())
        return unpatchify(patches, PATCH)


def _heads(x: Tensor) -> Tensor:
    """(1, n, width) to (1, heads, n, 64)."""
    return x.unflatten(2, (-1, _HEAD_DIM)).transpose(1, 2)
