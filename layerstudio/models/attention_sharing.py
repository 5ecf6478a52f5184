"""LayerDiffuse's weights for SD 1.5: one set of low-rank changes per frame, and mixing of frames.

Foreground, background and blended picture are denoised in one batch as *frames*. Every attention
module of the UNet gets a unit: low-rank changes of its projections for each frame, an attention
across the frames at each position, and for models with a condition its feature maps. What a unit
does is in ``shared_attention.py``; here are its parameters under their published names
(sd-forge-layerdiffuse, ``lib_layerdiffusion/attention_sharing.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from layerstudio.models.checkpoints import load_strict
from layerstudio.models.control_encoder import PUBLISHED_WIDTHS, ControlEncoder, widths_in

PUBLISHED_RANK = 256
NORM_EPS = 1e-6  # of ``temporal_n`` as published


@dataclass(frozen=True)
class SharingLayout:
    """What a file's shapes depend on besides the UNet.

    ``control_widths`` are the control encoder's; None without a condition.
    """

    frames: int
    rank: int = PUBLISHED_RANK
    control_widths: tuple[int, ...] | None = None

    @staticmethod
    def of(state: Mapping[str, Tensor], *, frames: int, has_condition: bool) -> SharingLayout:
        """``frames`` and ``has_condition`` as wanted, the sizes as ``state`` has them.

        Sizes that ``state`` does not show are the published ones, so that the error for a file of
        something else names the published shapes.
        """
        first = state.get("hookers.layers.0.to_q_lora.0.down.weight")
        rank = PUBLISHED_RANK if first is None else first.shape[0]
        if not has_condition:
            return SharingLayout(frames, rank)
        return SharingLayout(frames, rank, widths_in(state, "kwargs_encoder.") or PUBLISHED_WIDTHS)


class LowRank(nn.Module):
    """The change ``up @ down`` of a weight (out, in)."""

    def __init__(self, features_in: int, features_out: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Linear(features_in, rank, bias=False)
        self.up = nn.Linear(rank, features_out, bias=False)

    def delta(self, device: torch.device) -> Tensor:
        """(out, in), fp32."""
        up, down = (part.weight.to(device, torch.float32) for part in (self.up, self.down))
        return up @ down


class SharingUnit(nn.Module):
    """The parameters for one attention module of ``width`` channels."""

    def __init__(self, width: int, context_width: int, layout: SharingLayout) -> None:
        super().__init__()

        def per_frame(features_in: int) -> nn.ModuleList:
            one = (LowRank(features_in, width, layout.rank) for _ in range(layout.frames))
            return nn.ModuleList(one)

        self.to_q_lora = per_frame(width)
        self.to_k_lora = per_frame(context_width)
        self.to_v_lora = per_frame(context_width)
        self.to_out_lora = per_frame(width)
        self.temporal_i = nn.Linear(width, width)
        self.temporal_n = nn.LayerNorm(width, eps=NORM_EPS)
        self.temporal_q = nn.Linear(width, width)
        self.temporal_k = nn.Linear(width, width)
        self.temporal_v = nn.Linear(width, width)
        self.temporal_o = nn.Linear(width, width)
        if layout.control_widths:
            signal = layout.control_widths[-1]
            self.control_convs = nn.ModuleList(
                nn.Sequential(
                    nn.Conv2d(signal, signal, 3, padding=1), nn.SiLU(), nn.Conv2d(signal, width, 1)
                )
                for _ in range(layout.frames)
            )

    @property
    def frames(self) -> int:
        return len(self.to_q_lora)


class AttentionSharing(nn.Module):
    """All units of a UNet, and the control encoder where there is a condition."""

    def __init__(self, unet: nn.Module, layout: SharingLayout) -> None:
        super().__init__()
        units = [
            SharingUnit(site.query_dim, site.cross_attention_dim, layout)
            for site in attention_sites(unet)
        ]
        self.hookers = nn.ModuleDict({"layers": nn.ModuleList(units)})
        self.kwargs_encoder = (
            ControlEncoder(layout.control_widths) if layout.control_widths else None
        )
        self.frames = layout.frames

    def units(self) -> list[SharingUnit]:
        """In the order of ``attention_sites``."""
        return [unit for unit in self.hookers.modules() if isinstance(unit, SharingUnit)]

    @classmethod
    def from_published(
        cls, state: Mapping[str, Tensor], unet: nn.Module, *, frames: int, has_condition: bool
    ) -> AttentionSharing:
        """The units for ``unet`` with the tensors of ``state`` themselves, in their dtype.

        Raises:
            MismatchedWeights: ``state`` is not made for this UNet, number of frames or condition.
        """
        layout = SharingLayout.of(state, frames=frames, has_condition=has_condition)
        with torch.device("meta"):
            sharing = cls(unet, layout)
        what = f"attention sharing of SD 1.5 with {frames} frame{'s' if frames > 1 else ''}"
        load_strict(sharing, state, what + (" and a condition" if has_condition else ""))
        return sharing.requires_grad_(False).eval()


def attention_sites(unet: nn.Module) -> list[Any]:
    """The attention modules of a diffusers UNet in the order of the published units.

    Down, up, then the middle; in each transformer block self-attention, then cross-attention.
    """
    parts: Any = unet
    blocks = [*parts.down_blocks, *parts.up_blocks, parts.mid_block]
    layers = (
        layer
        for block in blocks
        for transformer in getattr(block, "attentions", ())
        for layer in transformer.transformer_blocks
    )
    return [site for layer in layers for site in (layer.attn1, layer.attn2)]
