"""The attention of segment-anything's encoder a few heads at a time.

The package's own holds the weights between all positions for every head at once, and copies of
them: 800 MB each for the smallest model, in the four blocks that see the whole picture.
"""

from __future__ import annotations

import torch
from segment_anything.modeling.image_encoder import Attention, add_decomposed_rel_pos
from torch import Tensor, nn

_AT_ONCE = 2**25  # weights between positions: 128 MB in float32


class FewHeadsAttention(Attention):
    """The package's layer, its parameters and its answers; ``forward`` takes (b, h, w, c)."""

    @classmethod
    def like(cls, layer: Attention) -> FewHeadsAttention:
        """One for the parameters of ``layer``, on the device that it is on."""
        rows, columns = ((table.shape[0] + 1) // 2 for table in (layer.rel_pos_h, layer.rel_pos_w))
        with torch.device(layer.rel_pos_h.device):
            return cls(
                layer.proj.in_features,
                layer.num_heads,
                use_rel_pos=True,
                input_size=(rows, columns),
            )

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, _ = x.shape
        tokens = height * width
        split = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys, values = split.reshape(3, batch * self.num_heads, tokens, -1).unbind(0)
        step = max(1, _AT_ONCE // tokens**2)
        parts = []
        for start in range(0, len(queries), step):
            some = slice(start, start + step)
            weights = (queries[some] * self.scale) @ keys[some].transpose(-2, -1)
            weights = add_decomposed_rel_pos(
                weights, queries[some], self.rel_pos_h, self.rel_pos_w,
                (height, width), (height, width),
            )  # fmt: skip
            parts.append(weights.softmax(dim=-1) @ values[some])
        seen = torch.cat(parts).view(batch, self.num_heads, height, width, -1)
        return self.proj(seen.permute(0, 2, 3, 1, 4).reshape(batch, height, width, -1))


def with_few_heads(encoder: nn.Module) -> None:
    """Give an image encoder of the package, before its weights are read, this attention."""
    for block in encoder.blocks:  # pyright: ignore[reportGeneralTypeIssues]
        block.attn = FewHeadsAttention.like(block.attn)
