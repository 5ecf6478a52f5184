"""Pictures that a pipeline is given, in any form that diffusers takes, as one tensor with alpha."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.steps import to_tensor

_LEVELS = {torch.uint8: 255, torch.uint16: 65535}
_FORMS = "Give a PIL image, an array (h, w, c), a tensor (c, h, w), a batch, or a list of these."


def as_rgba(pictures: Any) -> Tensor:
    """(b, 4, h, w) float32 in [0, 1], straight alpha, on the CPU.

    Takes PIL images of any mode, arrays (h, w, c) or (b, h, w, c), tensors (c, h, w) or
    (b, c, h, w), and lists of these; arrays and tensors hold integers (8 or 16 bit) or floats in
    [0, 1]. A picture without alpha is opaque, one without colour grey. In a list of several
    sizes all are brought to that of the first.

    Raises ``InvalidRequest`` for anything else, and for floats outside [0, 1].
    """
    listed = list(pictures) if isinstance(pictures, list | tuple) else [pictures]
    if not listed:
        raise InvalidRequest("There is no picture in an empty list.", advice=_FORMS)
    batches = [_batch(picture) for picture in listed]
    size = _extent(batches[0])
    return torch.cat([resized(batch, size) for batch in batches])


def resized(pictures: Tensor, extent: Extent) -> Tensor:
    """(b, 4, h, w) of another size, colour weighted by alpha so that nothing hidden bleeds in.

    Bicubic, with antialiasing where it shrinks.
    """
    if _extent(pictures) == extent:
        return pictures
    alpha = pictures[:, 3:]
    weighted = torch.cat((pictures[:, :3] * alpha, alpha), dim=1)
    scaled = functional.interpolate(
        weighted, extent.shape, mode="bicubic", antialias=True, align_corners=False
    )
    # Bicubic overshoots at edges.
    alpha = scaled[:, 3:].clamp(0, 1)
    colour = (scaled[:, :3] / scaled[:, 3:].clamp_min(1e-6)).clamp(0, 1)
    return torch.cat((torch.where(alpha > 0, colour, 0.0), alpha), dim=1)


def _extent(pictures: Tensor) -> Extent:
    return Extent(pictures.shape[-1], pictures.shape[-2])


def _batch(picture: Any) -> Tensor:
    if isinstance(picture, Image.Image):
        return to_tensor(np.asarray(picture.convert("RGBA")))
    if isinstance(picture, np.ndarray) and picture.ndim in (3, 4):
        values = torch.from_numpy(picture.copy()).movedim(-1, -3)
    elif isinstance(picture, Tensor) and picture.ndim in (3, 4):
        values = picture.detach().cpu()
    else:
        raise InvalidRequest(f"{_named(picture)} is no picture.", advice=_FORMS)
    values = _unit_range(values, picture)
    return _with_alpha(values if values.ndim == 4 else values[None], picture)


def _unit_range(values: Tensor, picture: Any) -> Tensor:
    if values.dtype in _LEVELS:
        return values.float() / _LEVELS[values.dtype]
    in_range = values.is_floating_point() and bool(((values >= 0) & (values <= 1)).all())
    if not in_range:
        raise InvalidRequest(
            f"{_named(picture)} holds values outside 0 to 1.",
            advice="Pictures are 8 or 16 bit integers, or numbers from 0 to 1.",
        )
    return values.float()


def _with_alpha(pictures: Tensor, picture: Any) -> Tensor:
    count = pictures.shape[1]
    if count not in (1, 2, 3, 4) or not pictures.numel():
        raise InvalidRequest(f"{_named(picture)} has no 1 to 4 channels.", advice=_FORMS)
    colour = pictures[:, :1].expand(-1, 3, -1, -1) if count < 3 else pictures[:, :3]
    opaque = torch.ones_like(pictures[:, :1])
    return torch.cat((colour, opaque if count in (1, 3) else pictures[:, -1:]), dim=1)


def _named(picture: Any) -> str:
    shape: Sequence[int] | None = getattr(picture, "shape", None)
    return f"A {type(picture).__name__}{f' of shape {tuple(shape)}' if shape is not None else ''}"
