"""Which colours a picture is mixed from, and which lies on which."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, LUMA
from layerstudio.errors import InvalidRequest
from layerstudio.ops.colour_bins import colour_bins
from layerstudio.ops.hull_palette import hull_palette
from layerstudio.picture import Picture
from layerstudio.pipelines.colours.lists import colour_of, entries
from layerstudio.requests import DecomposeRequest

MOST_COLOURS = 32  # beyond which layers of one colour each help nobody


class Palette(NamedTuple):
    """``levels`` (k, 3) 8-bit RGB; ``is_ordered`` where their order was given, bottom to top."""

    levels: NDArray[np.uint8]
    is_ordered: bool
    notes: tuple[str, ...] = ()

    @property
    def colours(self) -> F32:
        """(k, 3) in [0, 1]."""
        return self.levels * np.float32(1 / 255)


def palette_for(request: DecomposeRequest, picture: Picture) -> Palette:
    """The colours given, or those found in a picture in which something shows.

    Raises ``InvalidRequest`` for a palette that makes no sense.
    """
    given = entries(request.settings.text("colours"))
    if given:
        return _given(given, request)
    wanted = None if request.layers == "auto" else min(request.layers, MOST_COLOURS)
    levels = np.rint(hull_palette(colour_bins(picture.pixels), wanted) * 255).astype(np.uint8)
    if request.layers == "auto" or len(levels) == request.layers:
        return Palette(levels, False)
    why = "no more can be told apart" if len(levels) < MOST_COLOURS else "that is the most"
    note = f"{request.layers} colours were asked for, and there are {len(levels)}: {why}."
    return Palette(levels, False, (note,))


def _given(given: list[str], request: DecomposeRequest) -> Palette:
    levels = [colour_of(entry) for entry in given]
    if len(set(levels)) < len(levels):
        raise InvalidRequest(
            "A palette has every colour once.", advice=f"Given: {', '.join(given)}"
        )
    if len(levels) > MOST_COLOURS:
        raise InvalidRequest(f"A palette has at most {MOST_COLOURS} colours, not {len(levels)}.")
    if request.layers not in ("auto", len(levels)):
        raise InvalidRequest(
            f"{request.layers} layers were asked for, and {len(levels)} colours were given.",
            advice="Leave one of the two out.",
        )
    return Palette(np.array(levels, np.uint8), True)


def stacked(palette: Palette, weights: F32, alpha: F32, order: str) -> list[int]:
    """Indices of the colours, bottom to top.

    ``weights`` (h, w, k) and ``alpha`` (h, w) are those of a small picture. "area": what most of
    the picture's edge shows lies at the bottom, the others by how much there is of them.
    """
    if palette.is_ordered:
        return list(range(len(palette.levels)))
    if order != "area":
        light = palette.colours @ LUMA
        return np.argsort(-light if order == "light-to-dark" else light, kind="stable").tolist()
    seen = weights * alpha[..., None]
    edge = np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]]).sum(axis=0)
    bottom = int(edge.argmax())
    by_area = np.argsort(-seen.sum(axis=(0, 1)), kind="stable").tolist()
    return [bottom, *(index for index in by_area if index != bottom)]
