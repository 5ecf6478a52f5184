"""What the networks that turn points and boxes into masks have in common.

A network looks at a picture once and answers many prompts about it. Its answers are small: the
masks' logits on a coarse grid. ``Frame`` says how that grid lies on the picture, and enlarges a
mask, or the part of it in which something is, to the picture's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from layerstudio.color import F32, U8
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.stages.contracts import Mask

_BAND = 2**22  # pixels of the picture whose logits are in memory at a time


class Prompts(NamedTuple):
    """What is known of b objects, in pixels of the picture.

    ``points`` (b, n, 2) are x, y, and ``labels`` (b, n) 1 on the object, 0 beside it; ``boxes``
    (b, 4) are left, top, right, bottom. Either may be missing.
    """

    points: F32 | None
    labels: NDArray[np.int64] | None
    boxes: F32 | None


class Answers(NamedTuple):
    """Of b prompts c masks each: ``logits`` (b, c, h, w), above 0 on the object, and ``scores``
    (b, c), the overlap with the truth that the network expects. float32, on the CPU."""

    logits: Tensor
    scores: Tensor


@dataclass(frozen=True)
class Frame:
    """How a coarse grid lies on a picture.

    ``side`` is that of the square that the network works on, and ``used`` the part of it, from the
    top left, that the picture covers. Where both are None, the grid is stretched over the picture.
    """

    extent: Extent
    side: int | None = None
    used: Extent | None = None

    def coarse(self, logits: Tensor) -> Tensor:
        """(..., h, w) cut to the cells that the picture covers, which is exact to half a cell."""
        if self.side is None or self.used is None:
            return logits
        height, width = logits.shape[-2:]
        rows = max(1, round(height * self.used.height / self.side))
        columns = max(1, round(width * self.used.width / self.side))
        return logits[..., :rows, :columns]

    def fine(self, logits: Tensor) -> Tensor:
        """(h, w) as a grid that the picture covers exactly: SAM's own first enlargement."""
        if self.side is None or self.used is None:
            return logits
        square = (self.side, self.side)
        enlarged = functional.interpolate(logits[None, None], square, mode="bilinear")
        return enlarged[0, 0, : self.used.height, : self.used.width]

    def mask(self, logits: Tensor) -> tuple[Bounds, Mask]:
        """Where (h, w) logits are above 0 at the picture's size, cut to what is there."""
        fine = self.fine(logits)
        region = self._around(fine)
        if region.is_empty:
            return region, np.zeros((0, 0), bool)
        mask = np.concatenate([(band > 0).numpy() for band in _bands(fine, self.extent, region)])
        bounds = Bounds.of_mask(mask)
        if bounds.is_empty:
            return bounds, mask[:0, :0]
        return bounds.moved(region.x, region.y), mask[bounds.slices].copy()

    def _around(self, fine: Tensor) -> Bounds:
        """Where on the picture anything may be above 0: no cell reaches further than its
        neighbours."""
        cells = Bounds.of_mask((fine > 0).numpy())
        if cells.is_empty:
            return cells
        across = self.extent.width / fine.shape[1]
        down = self.extent.height / fine.shape[0]
        return Bounds.from_edges(
            int((cells.x - 1) * across) - 1,
            int((cells.y - 1) * down) - 1,
            int((cells.right + 1) * across) + 2,
            int((cells.bottom + 1) * down) + 2,
        ).clamped(self.extent)


class Look(Protocol):
    """A picture that a network has seen. ``batch`` is how many prompts to ask it at a time."""

    frame: Frame
    batch: int

    def ask(self, prompts: Prompts, several: bool) -> Answers:
        """One mask for each prompt, or with ``several`` the network's three readings of it."""
        ...


class MaskNetwork(Protocol):
    def look(self, rgb: U8) -> Look: ...


def _bands(fine: Tensor, extent: Extent, region: Bounds) -> Iterator[Tensor]:
    """Bilinear enlargement (half-pixel centres) of a grid to ``extent``, ``region`` of it only,
    some rows at a time, so that no logits of the whole picture are ever held."""
    columns, next_columns, across = _neighbours(fine.shape[1], extent.width, region.x, region.right)
    height = max(1, _BAND // region.width)
    for top in range(region.y, region.bottom, height):
        bottom = min(region.bottom, top + height)
        rows, next_rows, down = _neighbours(fine.shape[0], extent.height, top, bottom)
        upper = torch.lerp(fine[rows][:, columns], fine[rows][:, next_columns], across)
        lower = torch.lerp(fine[next_rows][:, columns], fine[next_rows][:, next_columns], across)
        yield torch.lerp(upper, lower, down[:, None])


def _neighbours(cells: int, pixels: int, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
    """For pixels ``start`` to ``stop`` the two cells between which each lies, and how far."""
    place = (torch.arange(start, stop, dtype=torch.float32) + 0.5) * (cells / pixels) - 0.5
    place = place.clamp(0, cells - 1)
    first = place.floor().long()
    return first, (first + 1).clamp(max=cells - 1), place - first
