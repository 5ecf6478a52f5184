"""CLD's conditioning adapter: what a flat picture adds to the multi-layer transformer.

Controllable layer decomposition (arXiv:2511.16249), published code: a ControlNet for FLUX (Zhang et
al. 2023) whose condition, the picture's latents and a mask, is laid under every layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from layerstudio.models.flux_blocks import DoubleBlock, SingleBlock
from layerstudio.models.multilayer_dit import (
    Conditions,
    Residuals,
    embedded,
    layer_embedding,
    time_and_text,
)
from layerstudio.models.packing import Packing

# CLD's published factor at inference; training used the same.
DEFAULT_SCALE = 0.9


class MultiLayerAdapter(ModelMixin, ConfigMixin):
    """FLUX blocks over the same packed tokens; their outputs are residuals for the transformer.

    ``condition_channels`` are those of a packed token: (16 of the latents + 1 of the mask) x 4.
    The layers' vectors belong to the transformer and are given to ``forward``.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 64,
        condition_channels: int = 68,
        num_layers: int = 4,
        num_single_layers: int = 10,
        attention_head_dim: int = 128,
        num_attention_heads: int = 24,
        joint_attention_dim: int = 4096,
        pooled_projection_dim: int = 768,
        guidance_embeds: bool = True,
        axes_dims_rope: Sequence[int] = (16, 56, 56),
    ) -> None:
        super().__init__()
        width = attention_head_dim * num_attention_heads
        self.time_text_embed = time_and_text(width, pooled_projection_dim, guidance_embeds)
        self.context_embedder = nn.Linear(joint_attention_dim, width)
        self.x_embedder = nn.Linear(in_channels, width)
        self.controlnet_x_embedder = _silent(nn.Linear(condition_channels, width))
        self.transformer_blocks = nn.ModuleList(
            DoubleBlock(width, num_attention_heads) for _ in range(num_layers)
        )
        self.single_transformer_blocks = nn.ModuleList(
            SingleBlock(width, num_attention_heads) for _ in range(num_single_layers)
        )
        self.controlnet_blocks = nn.ModuleList(
            _silent(nn.Linear(width, width)) for _ in range(num_layers)
        )
        self.controlnet_single_blocks = nn.ModuleList(
            _silent(nn.Linear(width, width)) for _ in range(num_single_layers)
        )

    def forward(
        self,
        tokens: Tensor,
        condition: Tensor,
        layer_pe: Tensor,
        packing: Packing,
        conditions: Conditions,
    ) -> Residuals:
        """Noisy ``tokens`` (1, n, in_channels) and the ``condition`` (1, n, condition_channels) at
        the same places; ``layer_pe`` is the transformer's. Residuals are not scaled yet."""
        image = self.x_embedder(tokens) + self.controlnet_x_embedder(condition)
        image = image + layer_embedding(layer_pe, packing)
        text, embedding = embedded(self, conditions, packing)
        double = []
        for block, out in zip(self.transformer_blocks, self.controlnet_blocks, strict=True):
            image, text = block(image, text, embedding, packing)
            double.append(out(image))
        joined = packing.join(text, image)
        single = []
        for block, out in zip(
            self.single_transformer_blocks, self.controlnet_single_blocks, strict=True
        ):
            joined = block(joined, embedding, packing)
            single.append(out(packing.separate(joined)[1]))
        return Residuals(double, single)


def _silent(layer: nn.Linear) -> nn.Linear:
    """Training starts from an adapter without effect."""
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return layer
