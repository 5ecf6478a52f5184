"""What the analysis finds: pieces of the picture on their way to becoming layers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from layerstudio.color import F32, U8
from layerstudio.document import Role, TextContent
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.blocks import Block


@dataclass(eq=False)
class Element:
    """One layer to be. ``alpha`` (h, w) in [0, 1] and ``colour`` (h, w, 3) in [0, 255] fill
    ``bounds``, which lies on the canvas; ``shape`` is a word for what it looks like, ``block`` the
    lines of a text and ``text`` what they say, once read."""

    role: Role
    bounds: Bounds
    alpha: F32
    colour: F32
    shape: str = ""
    block: Block | None = None
    text: TextContent | None = None

    def cropped(self) -> Element:
        """The same without rows and columns of alpha 0 around it; sharing no memory with this."""
        box = Bounds.of_mask(self.alpha > 0)
        return replace(
            self,
            bounds=box.moved(self.bounds.x, self.bounds.y),
            alpha=self.alpha[box.slices].copy(),
            colour=self.colour[box.slices].copy(),
        )

    def pixels(self) -> U8:
        """Straight 8-bit RGBA by rounding; colour under alpha 0 is 0."""
        rgba = np.empty((*self.alpha.shape, 4), np.uint8)
        rgba[..., :3] = np.clip(np.rint(self.colour), 0, 255)
        rgba[..., 3] = np.clip(np.rint(self.alpha * 255.0), 0, 255)
        rgba[rgba[..., 3] == 0] = 0
        return rgba

    def mean_colour(self) -> tuple[float, float, float]:
        """Average colour weighted by alpha."""
        weight = float(self.alpha.sum()) or 1.0
        mean = np.einsum("hw,hwc->c", self.alpha, self.colour) / weight
        return float(mean[0]), float(mean[1]), float(mean[2])


def lay_over(backdrop: F32, element: Element) -> None:
    """Composite an element onto ``backdrop`` (h, w, 3), the whole canvas, in place."""
    view = backdrop[element.bounds.slices]
    view += (element.colour - view) * element.alpha[..., None]
