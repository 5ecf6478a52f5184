"""What ART's published code does with whole canvases, written down to be measured against.

It embeds and projects every layer's whole canvas and crops in between, and its transparency
decoder makes positions for every layer's whole canvas in float64 and attends with
``nn.MultiheadAttention``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from layerstudio.geometry import Bounds
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from layerstudio.models.regions import Regions, patchify, unpatchify

_AXES = (8, 28, 28)
_HEAD = 64
_THETA = 10_000.0
_PATCH = 8


def embed_on_canvases(network: MultiLayerTransformer, latents: Tensor, regions: Regions) -> Tensor:
    """(layers, 16, h, w) to (1, kept tokens, d)."""
    hidden = network.x_embedder(patchify(latents))
    hidden = hidden + network.layer_pe[0, : len(hidden)]
    kept = [hidden[k][box.slices].flatten(0, 1) for k, box in enumerate(regions.boxes) if box]
    return torch.cat(kept)[None]


def project_on_canvases(
    network: MultiLayerTransformer, hidden: Tensor, embedding: Tensor, regions: Regions
) -> Tensor:
    """(1, kept tokens, d) to (layers, 16, h, w)."""
    canvas = hidden.new_zeros(len(regions.boxes), *regions.grid.shape, hidden.shape[-1])
    start = 0
    for k, box in enumerate(regions.boxes):
        if box:
            end = start + box.extent.pixel_count
            canvas[k][box.slices] = hidden[0, start:end].unflatten(0, box.extent.shape)
            start = end
    flat = network.norm_out(canvas.flatten(0, 2)[None], embedding, None)
    return unpatchify(network.proj_out(flat)[0].reshape(*canvas.shape[:3], -1))


class PublishedDecoder(nn.Module):
    """The transparency decoder, of the published keys."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.state = dict(state)
        self.width = len(self.state["decoder.fc_in.bias"])
        self.depth = len([key for key in self.state if key.endswith("ln_1.weight")])
        self.attentions = nn.ModuleList()
        for layer in range(self.depth):
            attention = nn.MultiheadAttention(self.width, self.width // _HEAD, batch_first=True)
            names = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
            own = {name: self.state[f"{_name(layer)}.self_attention.{name}"] for name in names}
            attention.load_state_dict(own)
            self.attentions.append(attention)

    @torch.inference_mode()
    def forward(self, latents: Tensor, boxes: Sequence[Bounds | None]) -> Tensor:
        """(layers, 16, h, w) to (layers, 4, 8h, 8w)."""
        inside = [(k, box) for k, box in enumerate(boxes) if box]
        kept = [latents[k][:, *box.slices].flatten(1).T for k, box in inside]
        tables = [_cropped_tables(k, box, latents.shape[-2:]) for k, box in inside]
        cos, sin = (torch.cat(parts) for parts in zip(*tables, strict=True))
        x = self._linear("decoder.fc_in", torch.cat(kept)[None])
        for layer in range(self.depth):
            x = self._block(layer, x, cos, sin)
        x = self._linear("decoder.fc_out", self._norm("decoder.encoder.ln", x))[0]
        return _on_canvases(x, boxes, latents.shape[-2:])

    def _block(self, layer: int, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        name = _name(layer)
        normed = self._norm(f"{name}.ln_1", x)
        heads = normed.unflatten(2, (-1, _HEAD)).transpose(1, 2)
        even, odd = heads.float().reshape(*heads.shape[:-1], -1, 2).unbind(-1)
        turned = torch.stack([-odd, even], dim=-1).flatten(3)
        turned = heads * cos + turned * sin
        turned = turned.transpose(1, 2).flatten(2).to(x.dtype)
        added, _ = self.attentions[layer](turned, turned, normed, need_weights=False)
        x = x + added
        hidden = F.gelu(self._linear(f"{name}.mlp.0", self._norm(f"{name}.ln_2", x)))
        return x + self._linear(f"{name}.mlp.3", hidden)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.layer_norm(x, (self.width,), weight, bias, 1e-6)


def _name(layer: int) -> str:
    return f"decoder.encoder.layers.encoder_layer_{layer}"


def _cropped_tables(layer: int, box: Bounds, size: torch.Size) -> tuple[Tensor, Tensor]:
    """Cosine and sine (tokens of the box, 64): made for the whole canvas, in float64."""
    height, width = size
    ids = torch.zeros(height, width, 3, dtype=torch.float64)
    ids[..., 0] = layer
    ids[..., 1] = torch.arange(height)[:, None]
    ids[..., 2] = torch.arange(width)[None]
    parts = []
    for axis, count in enumerate(_AXES):
        steps = torch.arange(0, count, 2, dtype=torch.float64) / count
        parts.append(torch.outer(ids[..., axis].flatten(), _THETA**-steps))
    angles = torch.cat(parts, dim=1).repeat_interleave(2, dim=1).unflatten(0, (height, width))
    cos, sin = (f[box.slices].flatten(0, 1).float() for f in (angles.cos(), angles.sin()))
    return cos, sin


def _on_canvases(patches: Tensor, boxes: Sequence[Bounds | None], size: torch.Size) -> Tensor:
    height, width = (_PATCH * side for side in size)
    canvas = patches.new_zeros(len(boxes), 4, height, width)
    canvas[:, 3] = -1
    start = 0
    for k, box in enumerate(boxes):
        if box is None:
            continue
        end = start + box.extent.pixel_count
        own = patches[start:end].unflatten(0, box.extent.shape)
        place = Bounds(*(_PATCH * value for value in box))
        canvas[k][:, *place.slices] = unpatchify(own[None], _PATCH)[0]
        start = end
    return canvas
