"""Stacks of full-size layers that show one picture, whatever its alpha.

Where the picture is not opaque, the lowest layer has its alpha and all others are clipped to it:
programs then blend them as if the lowest were opaque, and its alpha shapes the result.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerstudio.color import F32, full_scale
from layerstudio.document import BlendMode, Document, Layer, Provenance, Role
from layerstudio.geometry import Bounds
from layerstudio.ops.remainder import remainder
from layerstudio.picture import Picture
from layerstudio.pipelines.colours.naming import unique_names
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import Setting

REMAINDER = "Remainder"
_GUIDES = ("boxes", "points", "excluded_points", "prompts", "base")
REMAINDER_SETTING = Setting(
    "remainder",
    BlendMode.LINEAR_LIGHT.value,
    "how the layer of what the others cannot show blends: linear-light keeps off new colours, "
    "normal is for programs that lack it",
    choices=(BlendMode.LINEAR_LIGHT.value, BlendMode.NORMAL.value),
)


class Canvas:
    """``count`` layers (h, w, 4) in the picture's depth, bottom to top, while they are painted."""

    def __init__(self, count: int, picture: Picture, remainder_mode: BlendMode | None) -> None:
        self._picture = picture.pixels
        self.layers = [np.zeros_like(picture.pixels) for _ in range(count)]
        self._mode = remainder_mode
        self._remainder = None if remainder_mode is None else np.zeros_like(picture.pixels)

    def settle(self, band: Bounds, shown: F32 | None) -> None:
        """Cut a painted band to the picture's alpha, and keep what ``shown`` (h, w, 3), the
        colour of all layers together, lacks of the picture."""
        source = self._picture[band.slices]
        clear = source[..., 3] == 0
        self.layers[0][band.slices][..., 3] = source[..., 3]
        if clear.any():
            for pixels in self.layers:
                pixels[band.slices][clear] = 0
        if self._remainder is not None and self._mode is not None and shown is not None:
            self._remainder[band.slices] = remainder(shown, source, self._mode)

    def finished(
        self, titles: Sequence[str], roles: Sequence[Role], modes: Sequence[BlendMode], method: str
    ) -> tuple[list[Layer], tuple[str, ...]]:
        """Layers in which something shows, and what there is to say about the others."""
        whole = Bounds.full(Picture(self._picture).extent)
        clipped = bool(self._picture[..., 3].min() < full_scale(self._picture.dtype))
        made_by = Provenance(method)
        layers, empty = [], []
        for index, name in enumerate(unique_names(titles)):
            layer = Layer(
                name,
                whole,
                self.layers[index],
                blend=modes[index],
                clipped=clipped and index > 0,
                role=roles[index],
                provenance=made_by,
            ).cropped_to_content()
            (empty if layer.is_empty else layers).append(layer)
        notes = [f"Nothing of the picture is in {layer.name!r}." for layer in empty]
        if self._mode is not None and self._remainder is not None and self._remainder.any():
            rest = Layer(
                REMAINDER, whole, self._remainder, blend=self._mode, clipped=clipped,
                role=Role.EFFECT, provenance=made_by,
            )  # fmt: skip
            layers.append(rest.cropped_to_content())
            share = np.count_nonzero(self._remainder[..., 3]) / self._remainder[..., 3].size
            notes.append(
                f"What the layers cannot show, at {100 * share:.1f} % of the pixels, lies in "
                f"{REMAINDER!r}: hide it for the plain layers."
            )
        return layers, tuple(notes)


def remainder_mode(request: DecomposeRequest) -> BlendMode | None:
    """How the layer of what the others cannot show blends; None where none is wanted."""
    return BlendMode(request.settings.text("remainder")) if request.exact else None


def ignored(request: DecomposeRequest) -> list[str]:
    """A note for everything given that colours have no use for."""
    return [
        f"The method {request.method!r} takes no {name}, so what was given is ignored."
        for name in _GUIDES
        if getattr(request, name)
    ]


def is_trivial(request: DecomposeRequest, picture: Picture) -> bool:
    """Whether there is nothing to take apart: one layer wanted, or nothing to see."""
    return request.layers == 1 or not picture.pixels[..., 3].any()


def whole(request: DecomposeRequest, picture: Picture, method: str) -> Document:
    """The picture as one layer."""
    bounds = Bounds.full(picture.extent)
    role, made_by = Role.BACKGROUND, Provenance(method)
    layer = Layer("Background", bounds, picture.pixels, role=role, provenance=made_by)
    return document_of([layer], picture, ignored(request))


def document_of(layers: Sequence[Layer], picture: Picture, notes: Sequence[str]) -> Document:
    return Document(
        picture.extent,
        tuple(layers),
        icc_profile=picture.icc_profile,
        dpi=picture.dpi,
        notes=tuple(notes),
    )
