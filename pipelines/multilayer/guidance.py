"""How strongly text steers each layer: one number, or a map of them over the tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from layerstudio.models.packing import Packing
from layerstudio.pipelines.multilayer.published import EMBEDDED_GUIDANCE, TRUE_GUIDANCE

# BizGen (arXiv:2503.20672, published code): the map is used in the late half of the schedule, and
# a region's own prompt is mixed with this share of the whole picture's.
_LATE = 0.5
GLOBAL_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """``embedded`` is told to the network, ``true`` is the factor of classifier-free guidance (1:
    none, and half the work). ``of_layers`` replaces ``true`` for single layers in the late half;
    ``global_share`` is how much of the whole prompt a layer with a prompt of its own keeps, 0..1.
    """

    embedded: float = EMBEDDED_GUIDANCE
    true: float = TRUE_GUIDANCE
    of_layers: Mapping[int, float] = field(default_factory=dict)
    global_share: float = GLOBAL_SHARE

    @property
    def is_free(self) -> bool:
        """Whether a pass with the empty prompt is needed."""
        return self.true != 1.0 or any(value != 1.0 for value in self.of_layers.values())

    def scale(self, packing: Packing, levels: Tensor) -> Tensor | float:
        """The factor at noise ``levels`` (documents,): a number, or one per token (1, n, 1)."""
        if not self.of_layers or bool((levels >= _LATE).all()):
            return self.true
        by_layer = self._by_layer(int(packing.layers.max()) + 1).to(packing.layers.device)
        late = torch.cat(
            [
                (level < _LATE).expand(count)
                for level, count in zip(levels, packing.image_lengths, strict=True)
            ]
        ).to(packing.layers.device)
        own = by_layer[packing.layers]
        return torch.where(late, own, torch.full_like(own, self.true))[None, :, None]

    def _by_layer(self, count: int) -> Tensor:
        values = [self.of_layers.get(index, self.true) for index in range(count)]
        return torch.tensor(values, dtype=torch.float32)


def combined(positive: Tensor, negative: Tensor, scale: Tensor | float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022, eq. 6)."""
    return negative + scale * (positive - negative)


def mixed(
    whole: Tensor, regional: Sequence[Tensor], places: Sequence[Tensor], share: float
) -> Tensor:
    """``whole`` (1, n, c); at each of ``places`` (indices), ``share`` of it and the rest of the
    region's own prediction (1, m, c)."""
    result = whole.clone()
    for own, place in zip(regional, places, strict=True):
        result[:, place] = share * whole[:, place] + (1 - share) * own
    return result
