"""Which tokens of a stack of layers are computed at all: those inside each layer's box.

ART (Pu et al. 2025, arXiv:2502.18364, section 3) crops every layer's tokens to its box and lets
what is left attend to each other. A token is ``step`` x ``step`` canvas pixels; its place is
(layer, row, column), counted on the canvas and over all layers, those without a box too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent


@dataclass(frozen=True)
class Regions:
    """The boxes of one document's layers on a ``grid`` of tokens, bottom layer first.

    ``boxes`` are in tokens; a layer whose box is None has no token but keeps its number.
    """

    grid: Extent
    boxes: tuple[Bounds | None, ...]

    @classmethod
    def of_pixels(cls, canvas: Extent, boxes: Sequence[Bounds | None], step: int) -> Regions:
        """Boxes in pixels, widened to whole tokens and cut at the canvas.

        Raises ``InvalidRequest`` for a canvas that is no multiple of ``step`` and for boxes
        without a pixel on it.
        """
        if canvas.width % step or canvas.height % step:
            raise InvalidRequest(f"A canvas of {canvas} pixels is no multiple of {step}.")
        grid = Extent(canvas.width // step, canvas.height // step)
        return cls(grid, tuple(box and _snapped(box, canvas, step) for box in boxes))

    @property
    def count(self) -> int:
        """Tokens inside boxes."""
        return sum(box.extent.pixel_count for box in self.boxes if box)

    @cached_property
    def ids(self) -> Tensor:
        """(count, 3) int64: layer, row and column of every token; row by row, layer by layer."""
        parts = [_box_ids(layer, box) for layer, box in enumerate(self.boxes) if box]
        return torch.cat(parts) if parts else torch.zeros(0, 3, dtype=torch.long)

    @cached_property
    def flat(self) -> Tensor:
        """(count,) int64: the places of the tokens among all layers x rows x columns."""
        layer, row, column = self.ids.unbind(1)
        return (layer * self.grid.height + row) * self.grid.width + column

    def only(self, layer: int) -> Regions:
        """The tokens of a single layer, at the same places."""
        alone = (box if index == layer else None for index, box in enumerate(self.boxes))
        return Regions(self.grid, tuple(alone))

    def gather(self, tokens: Tensor) -> Tensor:
        """(layers, rows, columns, d), or one layer for all (rows, columns, d), to (count, d)."""
        if tokens.ndim == 3:
            _, row, column = self.ids.to(tokens.device).unbind(1)
            return tokens[row, column]
        return tokens.flatten(0, 2)[self.flat.to(tokens.device)]

    def scatter(self, tokens: Tensor, fill: Tensor | float = 0.0) -> Tensor:
        """(count, d) to (layers, rows, columns, d); ``fill`` (broadcast) where there is none."""
        shape = (len(self.boxes), *self.grid.shape, tokens.shape[-1])
        value = torch.as_tensor(fill, dtype=tokens.dtype, device=tokens.device)
        canvas = value.broadcast_to(shape).clone()
        canvas.view(-1, tokens.shape[-1])[self.flat.to(tokens.device)] = tokens
        return canvas


def patchify(latents: Tensor, size: int = 2) -> Tensor:
    """(layers, c, h, w) to tokens (layers, h/size, w/size, c * size²), ordered (c, dy, dx)."""
    layers, channels, height, width = latents.shape
    rows, columns = height // size, width // size
    parts = latents.reshape(layers, channels, rows, size, columns, size)
    return parts.permute(0, 2, 4, 1, 3, 5).flatten(3)


def unpatchify(tokens: Tensor, size: int = 2) -> Tensor:
    """The inverse of ``patchify``."""
    layers, rows, columns, width = tokens.shape
    channels = width // size**2
    parts = tokens.reshape(layers, rows, columns, channels, size, size)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(layers, channels, rows * size, columns * size)


def _box_ids(layer: int, box: Bounds) -> Tensor:
    rows = torch.arange(box.y, box.bottom)
    columns = torch.arange(box.x, box.right)
    return torch.cartesian_prod(torch.tensor([layer]), rows, columns)


def _snapped(box: Bounds, canvas: Extent, step: int) -> Bounds:
    inside = box.clamped(canvas)
    if inside.is_empty:
        raise InvalidRequest(f"The box {tuple(box)} holds no pixel of a {canvas} canvas.")
    return Bounds.from_edges(
        inside.x // step, inside.y // step, -(-inside.right // step), -(-inside.bottom // step)
    )
