"""LaMa's generator, which fills holes (Suvorov et al. 2022, arXiv:2109.07161).

Keys are those of big-lama, with the numbers of the published sequence of layers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from layerstudio.models.checkpoints import load_strict
from layerstudio.models.fourier import FourierBlock, FourierConvolution, Widths, folded

_ENDS = 3  # the padding of the 7 x 7 convolutions at both ends
_KERNEL = 7
_CHANNELS = 4  # colours and mask


@dataclass(frozen=True)
class LamaSize:
    """Channels at full size, halvings, blocks, and the share of channels that is local."""

    width: int
    halvings: int
    blocks: int
    near: int  # local channels of a block

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> Self:
        """Read off a checkpoint's shapes; raises ``KeyError`` where they are not LaMa's."""
        convolutions = sum(
            re.fullmatch(r"model\.\d+\.ffc\.convl2l\.weight", key) is not None for key in shapes
        )
        blocks = sum(key.endswith(".conv1.ffc.convl2l.weight") for key in shapes)
        return cls(
            width=shapes["model.1.ffc.convl2l.weight"][0],
            halvings=convolutions - 1,
            blocks=blocks,
            near=shapes[f"model.{convolutions}.ffc.convl2l.weight"][0],
        )


BIG_LAMA = LamaSize(width=64, halvings=3, blocks=18, near=128)


class Lama(nn.Module):
    """A picture with holes to a whole picture. For inference only."""

    def __init__(self, size: LamaSize = BIG_LAMA) -> None:
        super().__init__()
        self.size = size
        deepest = size.width * 2**size.halvings
        inside = Widths(size.near, deepest - size.near)
        layers: dict[str, nn.Module] = {
            "1": FourierConvolution(Widths(_CHANNELS), Widths(size.width), _KERNEL)
        }
        for index in range(size.halvings):
            ins = size.width * 2**index
            outs = inside if index == size.halvings - 1 else Widths(2 * ins)
            layers[str(2 + index)] = FourierConvolution(Widths(ins), outs, 3, stride=2, padding=1)
        first = 2 + size.halvings
        for index in range(size.blocks):
            layers[str(first + index)] = FourierBlock(inside)
        self._down = list(layers)
        behind = first + size.blocks + 1  # one number is taken by the joining of the groups
        self._up = [behind + 3 * index for index in range(size.halvings)]
        for index, number in enumerate(self._up):
            outs = deepest // 2 ** (index + 1)
            layers[str(number)] = nn.ConvTranspose2d(
                2 * outs, outs, 3, stride=2, padding=1, output_padding=1
            )
            layers[str(number + 1)] = nn.BatchNorm2d(outs)
        self._last = str(behind + 3 * size.halvings + 1)
        layers[self._last] = nn.Conv2d(size.width, 3, _KERNEL)
        self.model = nn.ModuleDict(layers)

    @classmethod
    def from_published(
        cls, state: Mapping[str, Tensor], *, dtype: torch.dtype = torch.float32
    ) -> Self:
        """The generator whose weights these are, whatever precedes ``model.`` in their keys.

        Other networks' weights beside it are left out. Raises ``MismatchedWeights``.
        """
        state = generator_of(state)
        try:
            size = LamaSize.of({key: tuple(tensor.shape) for key, tensor in state.items()})
        except (KeyError, IndexError):
            size = BIG_LAMA  # for an error that says what is missing
        with torch.device("meta"):
            network = cls(size)
        load_strict(network, state, "inpainting network (LaMa)")
        return network.to(dtype).eval().requires_grad_(False)

    def forward(self, picture: Tensor, mask: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] and (B, 1, H, W), 1 in holes, to a picture that it made up whole.

        Sides are multiples of 2^halvings and at least twice that.
        """
        x = torch.cat([picture * (1 - mask), mask], dim=1)
        x = F.pad(x, (_ENDS,) * 4, mode="reflect")
        for name in self._down:
            x = self.model[name](x)
        for number in self._up:
            x = _enlarged(x, self.model[str(number)], self.model[str(number + 1)])
        x = F.pad(x, (_ENDS,) * 4, mode="reflect")
        return self.model[self._last](x).sigmoid_()


def generator_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The generator's weights under its own keys, out of what may hold other networks too."""
    first = "model.1.ffc.convl2l.weight"
    found = sorted((key for key in state if key.endswith(first)), key=len)
    if not found:
        return dict(state)
    prefix = found[0].removesuffix(first)
    return {key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)}


def _enlarged(x: Tensor, convolution: nn.Module, norm: nn.Module) -> Tensor:
    assert isinstance(convolution, nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d)
    weight, bias = folded(convolution.weight, norm, convolution.bias, axis=1)
    return F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1).relu_()
