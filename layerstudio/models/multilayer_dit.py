"""ART's multi-layer transformer: FLUX's, on the tokens inside each layer's box.

Pu et al. 2025 (arXiv:2502.18364). Keys are FLUX's plus ``layer_pe``, one learned vector per layer.
Published code embeds and projects the whole canvas of every layer and crops in between; here only
the tokens inside boxes are ever computed, which gives the same there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders.peft import PeftAdapterMixin
from diffusers.models.embeddings import (
    CombinedTimestepGuidanceTextProjEmbeddings,
    CombinedTimestepTextProjEmbeddings,
)
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from layerstudio.models.flux_blocks import DoubleBlock, SingleBlock, modulated
from layerstudio.models.packing import Packing, spread
from layerstudio.models.regions import Regions

# Time and guidance are given in [0, 1] and embedded times a thousand, as FLUX was trained.
_TIME_SCALE = 1000.0


@dataclass(frozen=True)
class Conditions:
    """What steers one forward pass; one row for each document.

    ``text`` (1, text tokens, joint width) packed, ``pooled`` (documents, pooled width),
    ``timestep`` and ``guidance`` (documents,): time in [0, 1], guidance as a user gives it,
    None for a model without its embedding.
    """

    text: Tensor
    pooled: Tensor
    timestep: Tensor
    guidance: Tensor | None = None

    def with_time_zero(self) -> Conditions:
        """Every row twice, the second time at time 0."""
        return Conditions(
            self.text,
            self.pooled.repeat(2, 1),
            torch.cat([self.timestep, torch.zeros_like(self.timestep)]),
            None if self.guidance is None else self.guidance.repeat(2),
        )


@dataclass(frozen=True)
class Residuals:
    """What a conditioning adapter adds to the image stream: (1, image tokens, d) each."""

    double: Sequence[Tensor] = ()
    single: Sequence[Tensor] = ()

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Residuals:
        return Residuals([change(x) for x in self.double], [change(x) for x in self.single])


class AdaptiveNorm(nn.Module):
    """FLUX's ``norm_out``: LayerNorm scaled and shifted by the embedding, scale first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor, embedding: Tensor, rows: Tensor | None) -> Tensor:
        scale, shift = self.linear(F.silu(embedding)).chunk(2, dim=1)
        return modulated(x, spread(shift, rows), spread(scale, rows))


class MultiLayerTransformer(ModelMixin, ConfigMixin, PeftAdapterMixin):
    """Predicts the velocity of the tokens inside the boxes of one or several documents."""

    _supports_gradient_checkpointing = True
    _no_split_modules = ["DoubleBlock", "SingleBlock"]  # noqa: RUF012  # diffusers' own name

    @register_to_config
    def __init__(
        self,
        in_channels: int = 64,
        num_layers: int = 19,
        num_single_layers: int = 38,
        attention_head_dim: int = 128,
        num_attention_heads: int = 24,
        joint_attention_dim: int = 4096,
        pooled_projection_dim: int = 768,
        guidance_embeds: bool = True,
        axes_dims_rope: Sequence[int] = (16, 56, 56),
        max_layer_num: int = 52,
        clean_tokens: bool = False,
    ) -> None:
        """``clean_tokens``: trained with given layers as clean tokens (MRT, arXiv:2605.27235), not
        only to denoise all; pipelines ask for it, the network itself is the same."""
        super().__init__()
        assert sum(axes_dims_rope) == attention_head_dim, (axes_dims_rope, attention_head_dim)
        width = attention_head_dim * num_attention_heads
        self.layer_pe = nn.Parameter(torch.zeros(1, max_layer_num, 1, 1, width))
        nn.init.trunc_normal_(self.layer_pe, std=0.02)
        self.time_text_embed = time_and_text(width, pooled_projection_dim, guidance_embeds)
        self.context_embedder = nn.Linear(joint_attention_dim, width)
        self.x_embedder = nn.Linear(in_channels, width)
        self.transformer_blocks = nn.ModuleList(
            DoubleBlock(width, num_attention_heads) for _ in range(num_layers)
        )
        self.single_transformer_blocks = nn.ModuleList(
            SingleBlock(width, num_attention_heads) for _ in range(num_single_layers)
        )
        self.norm_out = AdaptiveNorm(width)
        self.proj_out = nn.Linear(width, in_channels)
        self.gradient_checkpointing = False

    def pack(self, documents: Sequence[Regions], text_lengths: Sequence[int]) -> Packing:
        """The places of all tokens, to be made once per run."""
        device = get_module_execution_device(self)
        return Packing.of(documents, text_lengths, self.config["axes_dims_rope"], device)

    def forward(
        self,
        tokens: Tensor,
        packing: Packing,
        conditions: Conditions,
        residuals: Residuals | None = None,
    ) -> Tensor:
        """Noisy ``tokens`` (1, image tokens, in_channels) to their velocity, of the same shape.

        ``residuals`` are spread over the blocks as in ControlNet for FLUX: the first over the
        first blocks, and so on.
        """
        residuals = residuals or Residuals()
        image = self.x_embedder(tokens) + layer_embedding(self.layer_pe, packing)
        text, embedding = embedded(self, conditions, packing)
        for index, block in enumerate(self.transformer_blocks):
            image, text = self._run(block, image, text, embedding, packing)
            image = _plus(image, residuals.double, index, len(self.transformer_blocks))
        joined = packing.join(text, image)
        for index, block in enumerate(self.single_transformer_blocks):
            joined = self._run(block, joined, embedding, packing)
            if residuals.single:
                text, image = packing.separate(joined)
                image = _plus(image, residuals.single, index, len(self.single_transformer_blocks))
                joined = packing.join(text, image)
        _, image = packing.separate(joined)
        return self.proj_out(self.norm_out(image, embedding, packing.rows.image))

    def _run(self, block: nn.Module, *inputs: Any) -> Any:
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)


def time_and_text(width: int, pooled: int, guidance: bool) -> nn.Module:
    """The embedding of time, guidance (where the model has it) and pooled text."""
    kind = (
        CombinedTimestepGuidanceTextProjEmbeddings
        if guidance
        else CombinedTimestepTextProjEmbeddings
    )
    return kind(embedding_dim=width, pooled_projection_dim=pooled)


def embedded(model: Any, conditions: Conditions, packing: Packing) -> tuple[Tensor, Tensor]:
    """The text stream (1, text tokens, d) and the modulating embedding, one row per document and,
    where tokens are clean, one more for each."""
    if packing.has_clean:
        conditions = conditions.with_time_zero()
    dtype = conditions.text.dtype
    inputs = [conditions.timestep.to(dtype) * _TIME_SCALE]
    if model.config["guidance_embeds"]:
        assert conditions.guidance is not None, "this model was distilled for guidance"
        inputs.append(conditions.guidance.to(dtype) * _TIME_SCALE)
    embedding = model.time_text_embed(*inputs, conditions.pooled)
    return model.context_embedder(conditions.text), embedding


def layer_embedding(layer_pe: Tensor, packing: Packing) -> Tensor:
    """(1, image tokens, d): the vector of each token's layer."""
    return layer_pe[0, :, 0, 0][packing.layers][None]


def _plus(image: Tensor, residuals: Sequence[Tensor], index: int, blocks: int) -> Tensor:
    if not residuals:
        return image
    interval = -(-blocks // len(residuals))
    return image + residuals[index // interval]
