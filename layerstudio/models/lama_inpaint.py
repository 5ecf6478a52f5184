"""Filling the holes of a picture of any size with LaMa, in bounded memory.

Each hole is worked in a box of its own with what is around it, at no more than a given number of
pixels (`inpaint_boxes.py` chooses the boxes); what one box filled is known to the next.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from layerstudio.geometry import Extent
from layerstudio.models.inpaint_boxes import boxes_of
from layerstudio.models.lama import Lama

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]

LARGEST = 1024**2  # pixels: a box of more is worked smaller
_STEP = 8  # the generator halves three times
_LEAST_SIDE = 2 * _STEP  # reflection needs two rows of features at the deepest


def inpaint(
    model: Lama,
    rgb: Rgb,
    mask: NDArray,
    *,
    largest: int = LARGEST,
    parity: bool = False,
    watch: Callable[[float], None] | None = None,
) -> Rgb:
    """``rgb`` (h, w, 3) with the pixels where ``mask`` (h, w) is above 0 made up anew.

    All other pixels are those of ``rgb``. ``largest`` bounds the pixels that are worked at once,
    and so the memory; what a hole of more than that gets is enlarged. ``watch`` is called before
    each box with the share of boxes that are done, and may raise ``Cancelled``.

    ``parity=True`` is the published way: the whole picture at once, mirrored to sides of
    multiples of 8, values cut off to whole levels instead of rounded.
    """
    assert rgb.dtype == np.uint8 and rgb.shape == (*mask.shape, 3), (rgb.shape, mask.shape)
    holes = mask > 0
    if parity:
        return _published(model, rgb, holes)
    result, open_ = rgb.copy(), holes.copy()
    boxes = boxes_of(holes, largest)
    for index, (box, own) in enumerate(boxes):
        if watch is not None:
            watch(index / len(boxes))
        place = result[box.slices]
        place[own] = _filled(model, place, open_[box.slices], largest)[own]
        open_[box.slices][own] = False
    return result


def _filled(model: Lama, rgb: Rgb, holes: Mask, largest: int) -> Rgb:
    """The whole of a box made up, (h, w, 3)."""
    extent = Extent.of(rgb)
    scale = min(1.0, (largest / extent.pixel_count) ** 0.5)
    weight = next(model.parameters())
    with torch.inference_mode():
        picture, mask = (x.to(weight.device) for x in _tensors(rgb, holes))
        if scale < 1:
            small = (max(1, int(extent.height * scale)), max(1, int(extent.width * scale)))
            # What a hole touches is a hole, since its colours must not seep into its edge.
            picture, mask = _shrunk(picture, small), _shrunk(mask, small).ceil()
        made = _whole(model, picture, mask).float()
        if scale < 1:
            made = F.interpolate(made, size=extent.shape, mode="bicubic", align_corners=False)
        levels = (made[0] * 255).round_().clamp_(0, 255).byte()
    return levels.permute(1, 2, 0).cpu().numpy()


def _whole(model: Lama, picture: Tensor, mask: Tensor) -> Tensor:
    """The network on a picture of any size: mirrored to one that it takes, and cut back."""
    height, width = picture.shape[2:]
    rows = torch.from_numpy(_mirrored(height)).to(picture.device)
    columns = torch.from_numpy(_mirrored(width)).to(picture.device)
    dtype = next(model.parameters()).dtype
    wide = [x[:, :, rows][:, :, :, columns].to(dtype) for x in (picture, mask)]
    return model(*wide)[:, :, :height, :width]


def _mirrored(length: int) -> NDArray[np.intp]:
    """Indices of rows, and after the last those before it, up to a length that LaMa takes."""
    padded = max(_LEAST_SIDE, -(-length // _STEP) * _STEP)
    return np.pad(np.arange(length), (0, padded - length), mode="symmetric")


def _published(model: Lama, rgb: Rgb, holes: Mask) -> Rgb:
    weight = next(model.parameters())
    with torch.inference_mode():
        picture, mask = (x.to(weight.device) for x in _tensors(rgb, holes))
        made = _whole(model, picture, mask).float()
        blended = mask * made + (1 - mask) * picture
        levels = (blended[0].permute(1, 2, 0).cpu().numpy() * 255).clip(0, 255)
    return levels.astype(np.uint8)


def _tensors(rgb: Rgb, holes: Mask) -> tuple[Tensor, Tensor]:
    """(1, 3, h, w) in [0, 1] and (1, 1, h, w), 1 in holes."""
    picture = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float() / 255
    return picture, torch.from_numpy(holes)[None, None].float()


def _shrunk(x: Tensor, shape: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=shape, mode="area")
