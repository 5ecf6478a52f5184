"""A UNet's first convolution that also takes the latents of a condition.

LayerDiffuse's conditional models for SDXL concatenate the condition's latents to the noisy ones,
``[noisy, foreground or background, blended]``, and widen ``conv_in`` by 4 or 8 channels. Here the
caller keeps handing 4 channels to the UNet, which stays a 4-channel UNet to its pipeline.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from layerstudio.errors import InvalidRequest


class ConditionInput(nn.Conv2d):
    """Stands in for ``unet.conv_in`` as long as a patch with further input channels is applied.

    Weight and bias are the very parameters of the convolution it replaces, so that state dicts
    keep their keys and shapes. ``extra_weight`` (out, extra, 3, 3), which is in no state dict,
    makes it wide; without it this computes what the replaced convolution did. ``condition`` are
    latents (B or 1, extra, h, w), scaled as the noisy ones are, in the order of the model; B images
    are repeated over the batch of classifier-free guidance, which must be a multiple of B.
    """

    extra_weight: Tensor | None
    condition: Tensor | None

    def __init__(self, replaced: nn.Conv2d) -> None:
        super().__init__(
            replaced.in_channels,
            replaced.out_channels,
            (replaced.kernel_size[0], replaced.kernel_size[1]),
            (replaced.stride[0], replaced.stride[1]),
            replaced.padding if isinstance(replaced.padding, str) else _pair(replaced.padding),
            bias=replaced.bias is not None,
            device="meta",
        )
        self.weight, self.bias = replaced.weight, replaced.bias
        self.register_buffer("extra_weight", None, persistent=False)
        self.condition = None
        self._replaced = (replaced,)  # not a submodule: its parameters are this module's own

    def restored(self) -> nn.Conv2d:
        """The convolution that this one replaced, with the parameters as they are now."""
        (replaced,) = self._replaced
        replaced.weight, replaced.bias = self.weight, self.bias
        return replaced

    def forward(self, input: Tensor) -> Tensor:
        """(B, 4, h, w) to (B, out, h, w).

        Raises:
            InvalidRequest: wide, and the condition is missing or does not fit the latents.
        """
        if self.extra_weight is None:
            return super().forward(input)
        condition = self._fitted(input, self.extra_weight.shape[1])
        weight = torch.cat([self.weight, self.extra_weight], dim=1)
        return self._conv_forward(torch.cat([input, condition], dim=1), weight, self.bias)

    def _fitted(self, latents: Tensor, channels: int) -> Tensor:
        condition = self.condition
        if condition is None:
            raise InvalidRequest(
                "The conditional model has no condition to work from.",
                advice="Give it the foreground or background that its mode starts from.",
            )
        batch, _, height, width = latents.shape
        fits = condition.ndim == 4 and tuple(condition.shape[1:]) == (channels, height, width)
        if not fits or batch % condition.shape[0]:
            raise InvalidRequest(
                f"The condition's latents are {tuple(condition.shape)}, where"
                f" ({batch} or a divisor, {channels}, {height}, {width}) would fit."
            )
        return condition.to(latents).repeat(batch // condition.shape[0], 1, 1, 1)


def _pair(sizes: tuple[int, ...]) -> tuple[int, int]:
    return sizes[0], sizes[1]
