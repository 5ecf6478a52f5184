"""What lies behind layers: the area that they hide, and the layer that goes on there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np

from layerstudio.color import to_depth
from layerstudio.document import BlendMode, Document, Layer, NodePath
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.pipelines.stages.contracts import Mask
from layerstudio.viewing import Viewer

_TOUCHED = 8  # of 255: the alpha above which what is behind does not show well
_REACH = 3  # pixels around a layer that its colour may have touched
_RING = 6  # pixels around what is hidden, in which a layer has to go on
_GOES_ON = 0.5  # the share of them


@dataclass(frozen=True, eq=False)
class Hole:
    """The pixels of the canvas that are hidden: ``mask`` (h, w) of ``bounds``."""

    bounds: Bounds
    mask: Mask

    def within(self, place: Bounds) -> Mask:
        """(h, w) of any rectangle."""
        found = np.zeros(place.extent.shape, bool)
        common = self.bounds.intersection(place)
        if not common.is_empty:
            part = self.mask[common.relative_to(self.bounds).slices]
            found[common.relative_to(place).slices] = part
        return found


def hidden_by(document: Document, paths: Sequence[NodePath]) -> Hole:
    """What the nodes at ``paths`` hide; raises ``InvalidRequest`` if they show nothing."""
    viewer = Viewer()
    shown = [viewer.sprite(document.at(path), 0) for path in paths]
    bounds = Bounds.around(place for _, place in shown).padded(_REACH)
    mask = np.zeros(bounds.extent.shape, np.uint8)
    for pixels, place in shown:
        part = mask[place.relative_to(bounds).slices]
        np.maximum(part, pixels[..., 3] > _TOUCHED, out=part, casting="unsafe")
    if not mask.any():
        raise InvalidRequest("The layer shows nothing, so nothing is hidden behind it.")
    return Hole(bounds, _dilated(mask, _REACH) > 0)


def behind(document: Document, paths: Sequence[NodePath], hole: Hole) -> NodePath:
    """The path of the topmost layer below the nodes at ``paths`` that goes on around ``hole``; else
    of the one that does most.

    Raises ``InvalidRequest`` where there is none.
    """
    best, most = None, 0.0
    for path, layer in _below(document, min(paths)):
        share = _share_around(layer, hole)
        if share >= _GOES_ON:
            return path
        if share > most:
            best, most = path, share
    if best is None:
        raise InvalidRequest(
            "No layer goes on behind the selection.",
            advice="Select a layer that lies in front of another.",
        )
    return best


def _below(document: Document, front: NodePath) -> Iterator[tuple[NodePath, Layer]]:
    """Plain visible layers below a node, the topmost first."""
    for path, node in reversed(list(document.walk())):
        is_plain = isinstance(node, Layer) and node.blend is BlendMode.NORMAL and not node.clipped
        if path < front and is_plain and _is_shown(document, path):
            assert isinstance(node, Layer)
            yield path, node


def _is_shown(document: Document, path: NodePath) -> bool:
    ways = accumulate(((index,) for index in path), lambda before, step: before + step)
    return all(document.at(way).visible for way in ways)


def _share_around(layer: Layer, hole: Hole) -> float:
    """How much of what surrounds a hole the layer covers, 0 to 1."""
    bounds = hole.bounds.padded(_RING)
    inside = hole.within(bounds)
    ring = (_dilated(inside.astype(np.uint8), _RING) > 0) & ~inside
    common = layer.bounds.intersection(bounds)
    if common.is_empty:
        return 0.0
    alpha = np.zeros(bounds.extent.shape, np.float32)
    own = to_depth(layer.pixels[common.relative_to(layer.bounds).slices], np.uint8)
    alpha[common.relative_to(bounds).slices] = own[..., 3]
    return float(alpha[ring].mean() / 255)


def _dilated(mask: np.ndarray, reach: int) -> np.ndarray:
    side = 2 * reach + 1
    return np.asarray(cv2.dilate(mask, np.ones((side, side), np.uint8)))
