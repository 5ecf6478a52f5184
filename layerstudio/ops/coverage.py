"""How much of a node shows where, and handing a group's coverage out to its layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerstudio.color import F32, full_scale, to_depth, to_float
from layerstudio.document import Group, Layer, Node
from layerstudio.geometry import Bounds
from layerstudio.surface import mask_at

# Factors that differ by less than this move no 16-bit alpha by more than one step.
_SAME_FACTOR = 1e-5


def coverage_of(node: Node, bounds: Bounds) -> F32:
    """(h, w) in [0, 1] at ``bounds``: alpha times mask times opacity; a group's alpha counts 1."""
    coverage = np.full(bounds.extent.shape, node.opacity, np.float32)
    if isinstance(node, Layer):
        alpha = np.zeros_like(coverage)
        inside = bounds.intersection(node.bounds)
        if not inside.is_empty:
            crop = node.pixels[inside.relative_to(node.bounds).slices][..., 3]
            alpha[inside.relative_to(bounds).slices] = to_float(crop)
        coverage *= alpha
    if node.mask is not None and node.mask.enabled:
        coverage *= mask_at(node.mask, bounds)
    return coverage


def opaque(layer: Layer) -> Layer:
    """The layer's colours with alpha 1 all over its bounds, no mask, opacity 1, visible."""
    pixels = layer.pixels.copy()
    pixels[..., 3] = full_scale(pixels.dtype)
    return replace(layer, pixels=pixels, opacity=1.0, mask=None, visible=True, clipped=False)


def with_mask_in_alpha(layer: Layer) -> Layer:
    """The same picture without a mask; one that is switched off is dropped."""
    mask = layer.mask
    if mask is None or not mask.enabled:
        return replace(layer, mask=None)
    return replace(_with_alpha_times(layer, mask_at(mask, layer.bounds)), mask=None)


def hand_out(group: Group, coverage: F32, bounds: Bounds | None = None) -> Group:
    """The group's layers so that, unisolated, they show what the group faded by ``coverage`` does.

    ``coverage`` (h, w) covers ``bounds``, by default the group's; it counts as 0 beyond. All layers
    must be NORMAL, inner groups mere brackets. With o the coverage and T the product of (1 - a) of
    the layers above, a layer of alpha a must weigh o T a in the sum; the layers above leave
    1 - o (1 - T) for it, so its alpha becomes a o T / (1 - o + o T).
    """
    return _Share(bounds or group.bounds, coverage).group(group)


class _Share:
    """One walk from the top down; ``above`` is T."""

    def __init__(self, bounds: Bounds, coverage: F32) -> None:
        assert coverage.shape == bounds.extent.shape, (coverage.shape, bounds)
        self.bounds = bounds
        self.coverage = coverage
        self.above = np.ones_like(coverage)

    def group(self, group: Group) -> Group:
        children = [self.node(child) for child in reversed(group.children)]
        return replace(group, children=tuple(reversed(children)))

    def node(self, node: Node) -> Node:
        return self.layer(node) if isinstance(node, Layer) else self.group(node)

    def layer(self, layer: Layer) -> Layer:
        place = layer.bounds.intersection(self.bounds)
        if place != layer.bounds:
            layer = _cropped(layer, place)
        if place.is_empty:
            return layer
        window = place.relative_to(self.bounds).slices
        faded = self.coverage[window] * self.above[window]
        rest = 1 - self.coverage[window] + faded
        # Where nothing is left for a layer under a full coverage, its alpha does not matter.
        factor = np.divide(faded, rest, out=np.ones_like(faded), where=rest > 0)
        alpha = coverage_of(layer, place)
        if layer.visible:
            self.above[window] *= 1 - alpha
        return _scaled(layer, factor, alpha > 0)


def _scaled(layer: Layer, factor: F32, occupied: np.ndarray) -> Layer:
    """``layer`` times ``factor``: by its opacity where one number says it, else by its pixels."""
    values = factor[occupied]
    if values.size == 0:
        return layer
    if values.max() - values.min() < _SAME_FACTOR:
        return replace(layer, opacity=min(1.0, layer.opacity * float(values.mean())))
    return _with_alpha_times(layer, factor)


def _with_alpha_times(layer: Layer, factor: F32) -> Layer:
    if layer.is_empty:
        return layer
    pixels = layer.pixels.copy()
    pixels[..., 3] = to_depth(to_float(pixels[..., 3]) * factor, pixels.dtype)
    unchanged = np.array_equal(pixels[..., 3], layer.pixels[..., 3])
    return replace(layer, pixels=pixels, text=layer.text if unchanged else None)


def _cropped(layer: Layer, place: Bounds) -> Layer:
    if place.is_empty:
        return replace(layer, bounds=Bounds(0, 0, 0, 0), pixels=layer.pixels[:0, :0])
    return replace(layer, bounds=place, pixels=layer.pixels[place.relative_to(layer.bounds).slices])
