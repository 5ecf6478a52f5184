"""Large pictures in overlapping tiles that fade into each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Span:
    """Where a tile lies along one axis, in pixels, and its share (stop - start,) in each."""

    start: int
    stop: int
    share: Tensor


@dataclass(frozen=True)
class Tile:
    """A rectangle of the picture. Over all tiles, the shares of every pixel add up to 1."""

    rows: Span
    columns: Span

    def cut(self, x: Tensor, factor: int = 1) -> Tensor:
        """Its part of (B, C, H / factor, W / factor)."""
        y, x_ = self.rows, self.columns
        top, bottom, left, right = (v // factor for v in (y.start, y.stop, x_.start, x_.stop))
        return x[:, :, top:bottom, left:right]

    def add(self, part: Tensor, to: Tensor) -> None:
        """Add ``part`` (B, C, h, w) to the whole picture ``to``, faded out where tiles overlap."""
        share = self.rows.share[:, None] * self.columns.share
        self.cut(to).add_(part * share.to(part))


def tiles(height: int, width: int, side: int, overlap: int, multiple: int = 64) -> Iterator[Tile]:
    """Tiles at most ``side`` high and wide, row by row; all lengths are multiples of ``multiple``.

    Neighbours overlap by ``overlap`` pixels, the last two of a row or column by more.
    """
    for name, length in (("height", height), ("width", width), ("side", side)):
        assert length > 0 and length % multiple == 0, f"{name} {length} in steps of {multiple}"
    assert overlap > 0 and overlap % multiple == 0, (overlap, multiple)
    assert overlap < side or max(height, width) <= side, (overlap, side)
    columns = spans(width, side, overlap)
    for row in spans(height, side, overlap):
        for column in columns:
            yield Tile(row, column)


def spans(length: int, side: int, overlap: int) -> list[Span]:
    """Parts of one axis. Each rises and falls linearly over what it shares with its neighbours."""
    if length <= side:
        return [Span(0, length, torch.ones(length))]
    starts = [*range(0, length - side, side - overlap), length - side]
    weights = torch.zeros(len(starts), length)
    for row, (weight, start) in enumerate(zip(weights, starts, strict=True)):
        weight[start : start + side] = 1
        if row > 0:
            shared = starts[row - 1] + side - start
            weight[start : start + shared] = _ramp(shared)
        if row + 1 < len(starts):
            shared = start + side - starts[row + 1]
            weight[start + side - shared : start + side] *= _ramp(shared).flip(0)
    weights /= weights.sum(0)
    return [Span(s, s + side, w[s : s + side]) for s, w in zip(starts, weights, strict=True)]


def _ramp(length: int) -> Tensor:
    """From near 0 to near 1, symmetric about its middle."""
    return (torch.arange(length) + 0.5) / length
