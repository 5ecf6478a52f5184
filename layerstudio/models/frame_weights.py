"""The weights of shared attention, merged before sampling instead of at every call.

Every frame's low-rank changes are added to the module's own weights (LoRA included) and stacked,
so that one batched product serves all frames; successive linear layers of the attention across
frames become one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from layerstudio.models.attention_sharing import (
    AttentionSharing,
    LowRank,
    SharingUnit,
    attention_sites,
)
from layerstudio.models.linear_maps import linear_map


def merged_values(sharing: AttentionSharing, unet: nn.Module) -> int:
    """How many values all that is merged for one sampling holds."""
    pairs = zip(sharing.units(), attention_sites(unet), strict=True)
    return sum(_merged_values(unit, site) for unit, site in pairs)


def _merged_values(unit: SharingUnit, site: Any) -> int:
    width, context = site.query_dim, site.cross_attention_dim
    within = unit.frames * (2 * width * width + 2 * context * width) + width
    layers_across = 1 if unit.frames == 1 else 4  # the output's; three of the input's
    return within + layers_across * (width * width + width) + 2 * width


@torch.no_grad()
def projections(
    unit: SharingUnit, site: Any, strength: float, device: torch.device
) -> dict[str, Tensor]:
    """The projections of every frame, ready to multiply from the right: (frames, in, out)."""
    names = ("to_q", "to_k", "to_v")
    layers = [(getattr(site, name), getattr(unit, f"{name}_lora")) for name in names]
    query, key, value = (_stacked(layer, changes, strength, device) for layer, changes in layers)
    output = site.to_out[0]
    _, bias = linear_map(output, device)
    last = {"out": _stacked(output, unit.to_out_lora, strength, device), "out_bias": bias}
    if site.is_cross_attention:
        return {"q": query, "kv": torch.cat([key, value], dim=-1)} | last
    return {"qkv": torch.cat([query, key, value], dim=-1)} | last


def _stacked(
    layer: nn.Module, changes: nn.ModuleList, strength: float, device: torch.device
) -> Tensor:
    weight, _ = linear_map(layer, device)
    deltas = (change.delta(device) for change in changes if isinstance(change, LowRank))
    return torch.stack([weight + strength * delta for delta in deltas]).mT


@torch.no_grad()
def across_frames(unit: SharingUnit, strength: float, device: torch.device) -> dict[str, Tensor]:
    """The layers of the attention across frames, the input's merged into what follows it."""
    entry = linear_map(unit.temporal_i, device)
    query, key, value, last = (
        linear_map(layer, device)
        for layer in (unit.temporal_q, unit.temporal_k, unit.temporal_v, unit.temporal_o)
    )
    merged: dict[str, Tensor] = {
        "norm_weight": unit.temporal_n.weight.detach(),
        "norm_bias": unit.temporal_n.bias.detach(),
    }
    if unit.frames == 1:  # a frame attends to itself alone: its value is the answer
        last = _after(last, _after(value, entry))
    else:
        sides = [_after(side, entry) for side in (query, key, value)]
        merged["across_in"] = torch.cat([weight for weight, _ in sides])
        merged["across_in_bias"] = torch.cat([bias for _, bias in sides])
    weight, bias = last
    return merged | {"across_out": strength * weight, "across_out_bias": strength * bias}


def _after(second: tuple[Tensor, Tensor], first: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Two linear layers (weight, bias) as one."""
    return second[0] @ first[0], second[0] @ first[1] + second[1]
