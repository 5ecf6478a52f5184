"""One flattened layer as the layer metrics look at it, and what is derived from it once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import cv2
import numpy as np
from PIL import Image

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds

Stack = Sequence[U8]


class Sheet:
    """A canvas-size straight RGBA layer; equal only to itself, so that it can key a cache.

    Everything derived is made on demand and can be dropped with ``release`` and made again.
    """

    def __init__(self, make: Callable[[], U8]) -> None:
        self._make = make

    @classmethod
    def of(cls, pixels: U8) -> Sheet:
        return cls(lambda: pixels)

    def under(self, upper: Sheet) -> Sheet:
        """This sheet with ``upper`` laid over it."""
        return Sheet(lambda: laid_over(self.pixels, upper.pixels, upper.bounds))

    def release(self) -> None:
        """Forget the pixels and their derivatives until they are asked for again."""
        for name in ("pixels", "alpha", "support", "supported"):
            self.__dict__.pop(name, None)

    @cached_property
    def pixels(self) -> U8:
        """(h, w, 4) uint8."""
        return self._make()

    @cached_property
    def bounds(self) -> Bounds:
        """The smallest rectangle around alpha > 0."""
        return Bounds.of_mask(cv2.extractChannel(self.pixels, 3))

    @cached_property
    def alpha(self) -> U8:
        """(h, w) at ``bounds``."""
        return self.crop(self.bounds)[..., 3].copy()

    @cached_property
    def alpha_sum(self) -> int:
        return int(cv2.sumElems(self.alpha)[0]) if self.alpha.size else 0

    @cached_property
    def support(self) -> U8:
        """(h, w, 4) at ``bounds``: 255 in the colour channels where alpha > 0, else 0."""
        _, inside = cv2.threshold(self.alpha, 0, 255, cv2.THRESH_BINARY)
        return _u8(cv2.merge([inside, inside, inside, np.zeros_like(inside)]))

    @cached_property
    def supported(self) -> U8:
        """(h, w, 4) at ``bounds``: the colours where alpha > 0, and 0 in the alpha channel."""
        return _u8(cv2.bitwise_and(self.crop(self.bounds), self.support))

    @cached_property
    def support_size(self) -> int:
        """The number of pixels with alpha > 0."""
        return cv2.countNonZero(self.alpha) if self.alpha.size else 0

    def crop(self, bounds: Bounds) -> U8:
        return self.pixels[bounds.slices]


def _u8(pixels: np.ndarray) -> U8:
    """The same array; OpenCV's stubs do not say that uint8 stays uint8."""
    return pixels.astype(np.uint8, copy=False)


def laid_over(lower: U8, upper: U8, upper_bounds: Bounds) -> U8:
    """``upper`` over ``lower``, (h, w, 4) straight, as Pillow's ``alpha_composite`` rounds it.

    Where ``upper`` is transparent, which is all that lies beyond ``upper_bounds``, Pillow keeps
    ``lower`` with its colour even under alpha 0; the published scores depend on that colour.
    """
    result = lower.copy()
    if upper_bounds.is_empty:
        return result
    place = upper_bounds.slices
    below, above = (
        Image.fromarray(np.ascontiguousarray(pixels[place])) for pixels in (lower, upper)
    )
    result[place] = np.asarray(Image.alpha_composite(below, above))
    return result


def check_stacks(*stacks: Stack) -> None:
    """Raise ``InvalidRequest`` unless all layers are (h, w, 4) uint8 of one size."""
    for stack in stacks:
        if not len(stack):
            raise InvalidRequest("A stack without layers cannot be scored.")
    shapes = {layer.shape for stack in stacks for layer in stack}
    dtypes = {layer.dtype for stack in stacks for layer in stack}
    if dtypes != {np.dtype(np.uint8)} or any(len(s) != 3 or s[2] != 4 for s in shapes):
        raise InvalidRequest("Layers to be scored are (height, width, 4) arrays of uint8.")
    if len(shapes) > 1:
        sizes = ", ".join(f"{shape[1]} x {shape[0]}" for shape in sorted(shapes))
        raise InvalidRequest(f"Layers to be scored have one size, not {sizes}.")
