"""How many layers to ask of a network that has to be told; needs no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2

from layerstudio.document import Role
from layerstudio.errors import InvalidRequest
from layerstudio.picture import Picture
from layerstudio.pipelines.flat.method import FlatMethod
from layerstudio.pipelines.qwen_layered.published import FEWEST_AUTO, MOST_AUTO, MOST_LAYERS
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest

_LOOKED_AT = 640  # pixels of the longer side that the estimate is made on


def check_layers(layers: Any) -> None:
    """Raises ``InvalidRequest`` unless it is 1 to 20."""
    if isinstance(layers, bool) or not isinstance(layers, int) or not 1 <= layers <= MOST_LAYERS:
        raise InvalidRequest(
            f"Qwen-Image-Layered makes 1 to {MOST_LAYERS} layers, not {layers!r}.",
            advice="Split a layer of the result again where more are wanted.",
        )


def estimated_layers(
    request: DecomposeRequest, picture: Picture, progress: ProgressCallback, cancel: CancelToken
) -> int:
    """3 to 10: what ``flat`` finds on a small copy, its text counted as one layer, and one more.

    A rule of thumb. One more, because a layer too many comes out empty or as a copy and is
    dropped (``tidying.py``), and one too few leaves two things on one layer.
    """
    wanted = replace(
        request, method="flat", layers="auto", prompts=(), boxes=(), points=(), excluded_points=(),
        exact=False, read_text=False,
    )  # fmt: skip
    found = FlatMethod().run(wanted, _small(picture), progress=progress, cancel=cancel)
    roles = [layer.role for layer in found.layers]
    texts = roles.count(Role.TEXT)
    return min(max(len(roles) - texts + min(texts, 1) + 1, FEWEST_AUTO), MOST_AUTO)


def _small(picture: Picture) -> Picture:
    scale = _LOOKED_AT / picture.extent.longest_side
    if scale >= 1:
        return picture
    size = tuple(max(1, round(side * scale)) for side in picture.extent)
    pixels: Any = cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA)
    return replace(picture, pixels=pixels)
