"""Sizes and places on a canvas, in whole pixels: origin top left, x to the right, y down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from layerstudio.errors import InvalidDocument


class Extent(NamedTuple):
    """The size of a canvas or an array of pixels."""

    width: int
    height: int

    @classmethod
    def of(cls, pixels) -> Extent:
        """Extent of an ``(h, w, ...)`` array."""
        return cls(int(pixels.shape[1]), int(pixels.shape[0]))

    @property
    def pixel_count(self) -> int:
        return self.width * self.height

    @property
    def shape(self) -> tuple[int, int]:
        """``(h, w)``, the order in which arrays are indexed."""
        return self.height, self.width

    @property
    def longest_side(self) -> int:
        return max(self.width, self.height)

    def multiple_of(self, step: int) -> Extent:
        """The smallest extent not below this one whose sides are multiples of ``step``."""
        assert step > 0, step
        return Extent(-(-self.width // step) * step, -(-self.height // step) * step)

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


class Bounds(NamedTuple):
    """A rectangle of pixels; it may lie partly or wholly off the canvas, and may be empty."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def full(cls, extent: Extent) -> Bounds:
        return cls(0, 0, extent.width, extent.height)

    @classmethod
    def from_edges(cls, left: int, top: int, right: int, bottom: int) -> Bounds:
        """Half-open edges; inverted edges give an empty rectangle."""
        return cls(left, top, max(0, right - left), max(0, bottom - top))

    @classmethod
    def of_mask(cls, mask) -> Bounds:
        """The smallest rectangle around the non-zero pixels of an ``(h, w)`` array."""
        rows = mask.any(axis=1).nonzero()[0]
        if rows.size == 0:
            return cls(0, 0, 0, 0)
        cols = mask[rows[0] : rows[-1] + 1].any(axis=0).nonzero()[0]
        return cls.from_edges(int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1)

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height

    @property
    def extent(self) -> Extent:
        return Extent(self.width, self.height)

    @property
    def area(self) -> int:
        return self.width * self.height

    @property
    def is_empty(self) -> bool:
        return self.width <= 0 or self.height <= 0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of this rectangle in an ``(h, w)`` array whose origin is the canvas's."""
        assert self.x >= 0 and self.y >= 0, f"{self} reaches off the array"
        return slice(self.y, self.bottom), slice(self.x, self.right)

    def moved(self, dx: int, dy: int) -> Bounds:
        return Bounds(self.x + dx, self.y + dy, self.width, self.height)

    def relative_to(self, origin: Bounds) -> Bounds:
        """The same rectangle in coordinates that start at ``origin``'s corner."""
        return self.moved(-origin.x, -origin.y)

    def padded(self, margin: int) -> Bounds:
        return Bounds.from_edges(
            self.x - margin, self.y - margin, self.right + margin, self.bottom + margin
        )

    def intersection(self, other: Bounds) -> Bounds:
        """The common part; disjoint rectangles give an empty one."""
        return Bounds.from_edges(
            max(self.x, other.x),
            max(self.y, other.y),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def clamped(self, extent: Extent) -> Bounds:
        """The part that lies on a canvas."""
        return self.intersection(Bounds.full(extent))

    def union(self, other: Bounds) -> Bounds:
        """The smallest rectangle around both; an empty one does not count."""
        if self.is_empty:
            return other
        if other.is_empty:
            return self
        return Bounds.from_edges(
            min(self.x, other.x),
            min(self.y, other.y),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    @classmethod
    def around(cls, many: Iterable[Bounds]) -> Bounds:
        total = cls(0, 0, 0, 0)
        for bounds in many:
            total = total.union(bounds)
        return total

    def contains(self, other: Bounds) -> bool:
        return other.is_empty or self.intersection(other) == other

    def overlaps(self, other: Bounds) -> bool:
        return not self.intersection(other).is_empty


MAX_SIDE = 300_000  # the PSB format's limit, the widest of the formats we write


def check_extent(extent: Extent) -> None:
    """Raise ``InvalidDocument`` unless both sides are 1 to 300,000 pixels."""
    if not (1 <= extent.width <= MAX_SIDE and 1 <= extent.height <= MAX_SIDE):
        raise InvalidDocument(
            f"A canvas of {extent} pixels is impossible: sides go from 1 to {MAX_SIDE:,}."
        )
