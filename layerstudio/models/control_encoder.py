"""The network that shows SD 1.5's attention-sharing units the picture to build on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

PUBLISHED_WIDTHS = (32, 64, 128, 256)
_COARSER_SCALES = 3


class ControlEncoder(nn.Module):
    """A picture as feature maps at 1/8, 1/16, 1/32 and 1/64 of its size.

    Layout and keys are those of ``kwargs_encoder`` in ``layer_sd15_fg2bg`` and ``layer_sd15_bg2fg``
    (sd-forge-layerdiffuse, ``lib_layerdiffusion/attention_sharing.py``). ``widths`` are the
    channels at full size, 1/2, 1/4 and below.
    """

    def __init__(self, widths: Sequence[int] = PUBLISHED_WIDTHS) -> None:
        super().__init__()
        steps = [(3, widths[0], 1), (widths[0], widths[0], 1)]
        for narrow, wide in pairwise(widths):
            steps += [(narrow, wide, 2), (wide, wide, 1)]
        self.blocks_0 = _convolutions(steps)
        wide = widths[-1]
        coarser = [(wide, wide, 2), (wide, wide, 1)]
        self.blocks_1, self.blocks_2, self.blocks_3 = (
            _convolutions(coarser) for _ in range(_COARSER_SCALES)
        )

    def forward(self, picture: Tensor) -> dict[int, Tensor]:
        """The maps (B, C, h, w) by their number of tokens h * w.

        ``picture`` is (B, 3, H, W) in [-1, 1], with H and W multiples of 64.
        """
        signals = {}
        features = picture
        for block in (self.blocks_0, self.blocks_1, self.blocks_2, self.blocks_3):
            features = block(features)
            signals[features.shape[-2] * features.shape[-1]] = features
        return signals


def widths_in(state: Mapping[str, Tensor], prefix: str) -> tuple[int, ...] | None:
    """The widths of the control encoder whose keys start with ``prefix``; None without one."""
    last_of_each_size = (f"{prefix}blocks_0.{index}.weight" for index in (2, 6, 10, 14))
    found = [state[key].shape[0] for key in last_of_each_size if key in state]
    return tuple(found) if len(found) == len(PUBLISHED_WIDTHS) else None


def _convolutions(steps: Sequence[tuple[int, int, int]]) -> nn.Sequential:
    """3 x 3 convolutions (channels in, out, stride), each followed by SiLU."""
    layers: list[nn.Module] = []
    for narrow, wide, stride in steps:
        layers += [nn.Conv2d(narrow, wide, 3, stride, padding=1), nn.SiLU()]
    return nn.Sequential(*layers)
