"""A person's boxes as the regions of a document: composite, background, foregrounds."""

from __future__ import annotations

from collections.abc import Sequence

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.models.regions import Regions
from layerstudio.pipelines.steps import Canvas

MULTIPLE = 16  # pixels of a token: FLUX's VAE halves three times, and 2 x 2 latent pixels are one


def regions_of(boxes: Sequence[Bounds | None], canvas: Canvas, most: int) -> Regions:
    """``boxes`` of the foregrounds on the canvas asked for, bottom to top.

    What lies beyond the canvas is cut off; None is a layer that is left out. Boxes may overlap and
    may be equal: layers do. Raises ``InvalidRequest`` for more than ``most``, and for boxes that
    are empty or lie outside.
    """
    if len(boxes) > most:
        raise InvalidRequest(
            f"{len(boxes)} boxes are more than the {most} layers that the model knows.",
            advice="Merge some, or generate in two steps.",
        )
    full = Bounds.full(canvas.padded)
    foregrounds = [box and _padded(box, number, canvas) for number, box in enumerate(boxes, 1)]
    return Regions.of_pixels(canvas.padded, [full, full, *foregrounds], MULTIPLE)


def _padded(box: Bounds, number: int, canvas: Canvas) -> Bounds:
    inside = box.clamped(canvas.wanted)
    if box.is_empty or inside.is_empty:
        raise InvalidRequest(
            f"Box {number}, {tuple(box)}, holds no pixel of a {canvas.wanted} canvas.",
            advice="Boxes are x, y, width, height in pixels of the canvas.",
        )
    return inside.moved(canvas.place.x, canvas.place.y)
