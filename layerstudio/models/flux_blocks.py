"""The blocks of FLUX's transformer, on packed sequences of one or several documents.

Keys are those of diffusers' FLUX checkpoints. Structure: Esser et al. 2024 (arXiv:2403.03206) for
the double-stream block (text and image with weights of their own, attending jointly); Dehghani et
al. 2023 (arXiv:2302.05442) for the parallel attention and MLP of the single-stream one. Each is
modulated by the embedding of time, guidance and pooled text (adaLN-Zero, Peebles and Xie 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers.models.attention import FeedForward
from torch import Tensor, nn

from layerstudio.models.attention import attention
from layerstudio.models.packing import Packing, spread
from layerstudio.models.rotary import rotate

NORM_EPSILON = 1e-6
_MLP_RATIO = 4
_LARGEST_HALF = torch.finfo(torch.float16).max


class Modulation(nn.Module):
    """The embedding (rows, d) to ``count`` vectors of d for each token."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.count = count
        self.linear = nn.Linear(width, count * width)

    def forward(self, embedding: Tensor, rows: Tensor | None) -> list[Tensor]:
        """Each (1, tokens, d), or (1, 1, d) where all tokens share one row."""
        parts = self.linear(F.silu(embedding)).chunk(self.count, dim=1)
        return [spread(part, rows) for part in parts]


class Projected(NamedTuple):
    """Queries, keys and values (1, tokens, heads, head_dim)."""

    q: Tensor
    k: Tensor
    v: Tensor


class SingleAttention(nn.Module):
    """Attention of one stream, without a projection out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        head_dim = width // heads
        self.norm_q = nn.RMSNorm(head_dim, eps=NORM_EPSILON)
        self.norm_k = nn.RMSNorm(head_dim, eps=NORM_EPSILON)
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)

    def project(self, x: Tensor) -> Projected:
        q, k, v = (to(x).unflatten(2, (self.heads, -1)) for to in (self.to_q, self.to_k, self.to_v))
        return Projected(self.norm_q(q), self.norm_k(k), v)

    def attend(self, projected: Projected, packing: Packing) -> Tensor:
        """(1, tokens, heads * head_dim)."""
        q, k, v = (x.transpose(1, 2) for x in projected)
        q, k = rotate(q, packing.tables), rotate(k, packing.tables)
        return attention(q, k, v, lengths=packing.separations).transpose(1, 2).flatten(2)

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        return self.attend(self.project(x), packing)


class JointAttention(SingleAttention):
    """Attention of image and text together, each with projections of its own."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        head_dim = width // heads
        self.add_q_proj = nn.Linear(width, width)
        self.add_k_proj = nn.Linear(width, width)
        self.add_v_proj = nn.Linear(width, width)
        self.norm_added_q = nn.RMSNorm(head_dim, eps=NORM_EPSILON)
        self.norm_added_k = nn.RMSNorm(head_dim, eps=NORM_EPSILON)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])
        self.to_add_out = nn.Linear(width, width)

    def project_text(self, text: Tensor) -> Projected:
        q, k, v = (
            to(text).unflatten(2, (self.heads, -1))
            for to in (self.add_q_proj, self.add_k_proj, self.add_v_proj)
        )
        return Projected(self.norm_added_q(q), self.norm_added_k(k), v)

    def both(self, image: Tensor, text: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
        """What attention adds to the image and to the text."""
        pairs = zip(self.project_text(text), self.project(image), strict=True)
        joined = Projected(*(packing.join(of_text, of_image) for of_text, of_image in pairs))
        seen_by_text, seen_by_image = packing.separate(self.attend(joined, packing))
        return self.to_out[0](seen_by_image), self.to_add_out(seen_by_text)


class DoubleBlock(nn.Module):
    """``FluxTransformerBlock``: two streams, one attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = Modulation(width, 6)
        self.norm1_context = Modulation(width, 6)
        self.attn = JointAttention(width, heads)
        self.ff = FeedForward(width, width, activation_fn="gelu-approximate")
        self.ff_context = FeedForward(width, width, activation_fn="gelu-approximate")

    def forward(
        self, image: Tensor, text: Tensor, embedding: Tensor, packing: Packing
    ) -> tuple[Tensor, Tensor]:
        image_by = self.norm1(embedding, packing.rows.image)
        text_by = self.norm1_context(embedding, packing.rows.text)
        added_image, added_text = self.attn.both(
            modulated(image, *image_by[:2]), modulated(text, *text_by[:2]), packing
        )
        image = _finish(image, added_image, image_by[2:], self.ff)
        return image, within_half(_finish(text, added_text, text_by[2:], self.ff_context))


class SingleBlock(nn.Module):
    """``FluxSingleTransformerBlock``: one stream, attention and MLP side by side."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = Modulation(width, 3)
        self.proj_mlp = nn.Linear(width, _MLP_RATIO * width)
        self.proj_out = nn.Linear((1 + _MLP_RATIO) * width, width)
        self.attn = SingleAttention(width, heads)

    def forward(self, joined: Tensor, embedding: Tensor, packing: Packing) -> Tensor:
        shift, scale, gate = self.norm(embedding, packing.rows.joined)
        x = modulated(joined, shift, scale)
        hidden = F.gelu(self.proj_mlp(x), approximate="tanh")
        added = self.proj_out(torch.cat([self.attn(x, packing), hidden], dim=2))
        return within_half(joined + gate * added)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm without weights of its own, scaled and shifted."""
    return F.layer_norm(x, x.shape[-1:], eps=NORM_EPSILON) * (1 + scale) + shift


def within_half(x: Tensor) -> Tensor:
    """Half precision overflows on outliers of FLUX's streams; diffusers clips them too."""
    return x.clip(-_LARGEST_HALF, _LARGEST_HALF) if x.dtype == torch.float16 else x


def _finish(x: Tensor, added: Tensor, by: Sequence[Tensor], mlp: nn.Module) -> Tensor:
    """The rest of a stream of a double block; ``by`` is gate, shift, scale, gate."""
    gate, shift, scale, gate_mlp = by
    x = x + gate * added
    return x + gate_mlp * mlp(modulated(x, shift, scale))
