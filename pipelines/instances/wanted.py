"""What is to be taken out of a photograph, apart from how."""

from __future__ import annotations

from dataclasses import dataclass

from layerstudio.geometry import Bounds
from layerstudio.requests import DecomposeRequest, LayerCount

WORKING_SIDE = 1024  # pixels: what SAM sees, and most depth and inpainting networks are made for


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Places are pixels of the picture.

    ``layers`` counts the background and the objects, not their shadows. ``parts`` keeps segments
    that lie within another one. ``working_side`` bounds the longest side at which networks look
    for objects and make up what is hidden. ``fill_prompt`` tells completers that read one what the
    background shows.
    """

    prompts: tuple[str, ...] = ()
    boxes: tuple[Bounds, ...] = ()
    points: tuple[tuple[int, int], ...] = ()
    excluded_points: tuple[tuple[int, int], ...] = ()
    layers: LayerCount = "auto"
    parts: bool = False
    shadows: bool = True
    working_side: int = WORKING_SIDE
    fill_prompt: str = ""
    exact: bool = True
    seed: int = 0

    @classmethod
    def of_request(cls, request: DecomposeRequest) -> Wanted:
        """Of a resolved request with the settings of the method ``instances``."""
        settings = request.settings
        return cls(
            prompts=request.prompts,
            boxes=request.boxes,
            points=request.points,
            excluded_points=request.excluded_points,
            layers=request.layers,
            parts=settings.flag("parts"),
            shadows=settings.flag("shadows"),
            working_side=settings.whole("working_side"),
            fill_prompt=settings.text("fill_prompt"),
            exact=request.exact,
            seed=request.seed or 0,
        )
