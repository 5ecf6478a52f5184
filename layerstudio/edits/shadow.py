"""A drop shadow as a layer of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from layerstudio.color import F32, full_scale, to_depth
from layerstudio.document import BlendMode, Document, Layer, Node, NodePath, Role
from layerstudio.edits.checks import affordable, number, pixels
from layerstudio.edits.colours import Colour, document_colour
from layerstudio.edits.editing import Edited, Slot, check_open, is_clipped, rebuilt
from layerstudio.edits.paths import node_at, normalised
from layerstudio.edits.rendering import depth_of, picture_of, shown_bounds
from layerstudio.errors import InvalidRequest
from layerstudio.ops.coverage import coverage_of

_FARTHEST = 5000.0  # pixels
_LARGEST_BLUR = 1000.0
_KERNEL = 6.0  # standard deviations beyond which an alpha is blurred at a smaller size


def add_shadow(
    document: Document,
    paths: Sequence[NodePath],
    *,
    dx: float,
    dy: float,
    blur: float,
    color: str = "#000000",
    opacity: float = 0.5,
) -> Edited:
    """A shadow right below each chosen layer or group, a MULTIPLY layer of role shadow.

    It is the node's alpha, mask and opacity counted, moved by whole pixels and blurred by a
    Gaussian of standard deviation ``blur / 2``, as in CSS (Backgrounds and Borders Level 3, 7.1.1).
    ``dx``, ``dy`` (up to 5000) and ``blur`` (up to 1000) are in pixels, ``color`` is sRGB. The
    shadow of a clipped node is clipped like it. The shadows are selected.
    """
    right, down = pixels(dx, "dx", -_FARTHEST, _FARTHEST), pixels(dy, "dy", -_FARTHEST, _FARTHEST)
    deviation = number(blur, "The blur", 0, _LARGEST_BLUR) / 2
    share = number(opacity, "Opacity", 0, 1)
    colour = document_colour(color, document.icc_profile)
    replacements = {}
    for path in normalised(document, paths):
        if path[:-1]:
            check_open(document, path[:-1])
        caster = node_at(document, path)
        shadow = replace(
            _shadow(caster, deviation, colour).moved(right, down),
            opacity=share,
            clipped=is_clipped(document, path),
        )
        # The lowest node has nothing to be clipped to but its own shadow now.
        above = replace(caster, clipped=False) if path[-1] == 0 and caster.clipped else caster
        replacements[path] = [Slot(shadow), Slot(above, selected=False)]
    return rebuilt(document, replacements)


def _shadow(caster: Node, deviation: float, colour: Colour) -> Layer:
    """Right behind the caster."""
    shown = replace(caster, visible=True, clipped=False)
    bounds = shown_bounds((shown,))
    if bounds.is_empty:
        raise InvalidRequest(f"Nothing of {caster.name!r} is visible, so it has no shadow.")
    bounds = affordable(bounds.padded(math.ceil(3 * deviation)), "The shadow")
    if isinstance(shown, Layer):
        alpha = coverage_of(shown, bounds)
    else:
        alpha = np.ascontiguousarray(picture_of((shown,), bounds)[..., 3])
    dtype = depth_of(caster)
    filled = np.empty((*bounds.extent.shape, 4), dtype)
    filled[..., :3] = np.array(colour, dtype) * dtype.type(full_scale(dtype) // 255)
    filled[..., 3] = to_depth(_blurred(alpha, deviation), dtype)
    layer = Layer(
        name=f"{caster.name} shadow",
        bounds=bounds,
        pixels=filled,
        blend=BlendMode.MULTIPLY,
        visible=caster.visible,
        role=Role.SHADOW,
    )
    return layer.cropped_to_content()


def _blurred(alpha: F32, deviation: float) -> F32:
    """A Gaussian blur; a wide one at a smaller size, where it looks the same and costs less."""
    if deviation == 0:
        return alpha
    shrink = max(1, int(deviation / _KERNEL))
    height, width = alpha.shape
    small = alpha
    if shrink > 1:
        size = (-(-width // shrink), -(-height // shrink))
        small = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(
        small, (0, 0), deviation * small.shape[1] / width, borderType=cv2.BORDER_CONSTANT
    )
    if shrink > 1:
        blurred = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.asarray(blurred, np.float32), 0, 1)
