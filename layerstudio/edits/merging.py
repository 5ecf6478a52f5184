"""Several nodes made one layer that looks the same.

What lies beneath matters to blend modes, so there are two ways. Where the merged layer can keep
one mode, it is what the nodes composite to on nothing and goes on following what lies beneath:

- all NORMAL (or dissolve), by the associativity of "over" (Porter and Duff 1984);
- all MULTIPLY or all SCREEN: with premultiplied colour C, alpha A and a source of premultiplied
  colour s and alpha a, multiplying takes C + 1 - A to (C + 1 - A)(1 - a + s), and screening takes
  1 - C to (1 - C)(1 - s), so that the order of brackets is free;
- one node, or a base with what is clipped to it: mode, opacity and mask of the base stay.

Anything else is NORMAL with the colours that the nodes have on what lies beneath them now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from layerstudio.color import F32, Pixels, full_scale, to_depth, to_float
from layerstudio.document import (
    BlendMode,
    Document,
    Group,
    Layer,
    Node,
    NodePath,
    Role,
    clipping_runs,
)
from layerstudio.edits.checks import affordable, node_name
from layerstudio.edits.editing import Edited, Slot, check_unlocked, is_clipped, rebuilt
from layerstudio.edits.grouping import all_clipped, with_clipped
from layerstudio.edits.paths import children_at, node_at
from layerstudio.edits.rendering import (
    bare,
    depth_of,
    is_isolated,
    layers_in,
    picture_of,
    shown_bounds,
)
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds

_NORMAL = frozenset({BlendMode.NORMAL, BlendMode.DISSOLVE})


class _Stack(NamedTuple):
    """Nodes to merge, bottom to top, none clipped to anything but another of them."""

    nodes: tuple[Node, ...]
    bounds: Bounds
    dtype: np.dtype


def merge(document: Document, paths: Sequence[NodePath], name: str | None = None) -> Edited:
    """The chosen nodes, and what is clipped to them, as one layer in the topmost's place.

    The picture stays the same within the rounding of the layer's depth if they lie next to each
    other; see the module for which of them go on following what lies beneath. Hidden nodes are
    dropped and live text becomes pixels. Raises ``InvalidRequest`` for locked nodes, and if nothing
    chosen is visible.
    """
    members = with_clipped(document, paths)
    check_unlocked(document, members)
    chosen = [node_at(document, path) for path in members]
    clipped = all_clipped(document, members)
    nodes = tuple(replace(node, clipped=node.clipped and not clipped) for node in chosen)
    alone = len(clipping_runs(nodes)) == 1 and is_isolated(nodes[0], nodes[1:])
    layer = _alone(nodes) if alone else _together(document, members, _stack(nodes))
    layer = replace(
        layer.cropped_to_content(),
        name=chosen[-1].name if name is None else node_name(name),
        clipped=clipped,
        role=_role(nodes),
    )
    *below, top = members
    return rebuilt(document, {**{path: [] for path in below}, top: [Slot(layer)]})


def _stack(nodes: tuple[Node, ...]) -> _Stack:
    bounds = affordable(shown_bounds(nodes), "The merged layer")
    if bounds.is_empty:
        raise InvalidRequest("Nothing of the selection is visible, so there is nothing to merge.")
    return _Stack(nodes, bounds, depth_of(*nodes))


def _alone(nodes: tuple[Node, ...]) -> Layer:
    """A base and what is clipped to it: only what is in it is merged."""
    base, *above = nodes
    if isinstance(base, Layer) and not above:
        return base
    stack = _stack((bare(base), *above))
    mode = BlendMode.NORMAL if base.blend is BlendMode.PASS_THROUGH else base.blend
    return replace(
        _layer(stack, to_depth(picture_of(stack.nodes, stack.bounds), stack.dtype)),
        opacity=base.opacity,
        blend=mode,
        visible=base.visible,
        mask=base.mask,
    )


def _together(document: Document, members: Sequence[NodePath], stack: _Stack) -> Layer:
    picture = picture_of(stack.nodes, stack.bounds)
    mode = _common_mode(stack.nodes)
    if mode is not None:
        return replace(_layer(stack, to_depth(picture, stack.dtype)), blend=mode)
    beneath = _beneath(document, members[-1], frozenset(members))
    return _layer(stack, _on_what_lies_beneath(stack, beneath, picture))


def _layer(stack: _Stack, pixels: Pixels) -> Layer:
    return Layer("merged", stack.bounds, pixels)


def _on_what_lies_beneath(stack: _Stack, beneath: tuple[Node, ...], alone: F32) -> Pixels:
    """The NORMAL layer c, a that takes the backdrop to what the nodes make of it.

    C' = C (1 - a) + a c in premultiplied colour, W3C Compositing and Blending Level 1, 5.1; c is a
    mean of colours, so it is in [0, 1]. With a as rounded, what rounding does to it is made good.
    """
    pixels = to_depth(alone, stack.dtype)
    alpha = to_float(pixels[..., 3:])
    before = _premultiplied(picture_of(beneath, stack.bounds))
    loose = (replace(stack.nodes[0], clipped=False), *stack.nodes[1:])
    after = _premultiplied(picture_of((*beneath, *loose), stack.bounds))
    colour = np.zeros_like(before)
    np.divide(after - before * (1 - alpha), alpha, out=colour, where=alpha > 0)
    pixels[..., :3] = to_depth(colour, stack.dtype)
    return pixels


def _premultiplied(picture: F32) -> F32:
    return picture[..., :3] * picture[..., 3:]


def _common_mode(nodes: Sequence[Node]) -> BlendMode | None:
    """The one mode that the merged layer can keep, or None."""
    runs = [(base, above) for base, above in clipping_runs(nodes) if base.visible]
    if all(_is_normal(base, above) for base, above in runs):
        return BlendMode.NORMAL
    modes = {base.blend for base, _ in runs}
    if modes in ({BlendMode.MULTIPLY}, {BlendMode.SCREEN}):
        return modes.pop()
    return None


def _is_normal(base: Node, above: Sequence[Node]) -> bool:
    """Whether a node with what is clipped to it needs nothing of its backdrop but its place."""
    if isinstance(base, Group) and not is_isolated(base, above):
        runs = clipping_runs(base.children)
        return all(_is_normal(*run) for run in runs if run[0].visible)
    return base.blend in _NORMAL or base.blend is BlendMode.PASS_THROUGH


def _beneath(document: Document, path: NodePath, left_out: frozenset[NodePath]) -> tuple[Node, ...]:
    """What a node at ``path`` is painted on, as nodes to paint on nothing."""
    parent, index = path[:-1], path[-1]
    siblings = children_at(document, parent)
    kept = [at for at in range(index) if (*parent, at) not in left_out]
    if is_clipped(document, path):
        base = max(at for at in range(index) if at == 0 or not siblings[at].clipped)
        if base in kept:
            above = [replace(siblings[at], clipped=False) for at in kept if at > base]
            return (_opaque(siblings[base]), *above)
    below = [siblings[at] for at in kept]
    if below:
        below[0] = replace(below[0], clipped=False)
    if not parent or _isolates(document, parent):
        return tuple(below)
    return (*_beneath(document, parent, left_out), *below)


def _isolates(document: Document, path: NodePath) -> bool:
    siblings = children_at(document, path[:-1])
    above = []
    for node in siblings[path[-1] + 1 :]:
        if not node.clipped or is_clipped(document, path):
            break
        above.append(node)
    return is_isolated(siblings[path[-1]], above)


def _opaque(base: Node) -> Layer:
    """The colours of a node that others are clipped to, as those see it: opaque."""
    plain = bare(base)
    bounds = affordable(shown_bounds((plain,)), f"{base.name!r}")
    pixels = to_depth(picture_of((plain,), bounds), np.uint16)
    pixels[..., 3] = full_scale(np.uint16)
    return Layer(base.name, bounds, pixels)


def _role(nodes: Sequence[Node]) -> Role:
    """The role that all layers share, else that of an object."""
    roles = {layer.role for node in nodes for layer in layers_in(node)}
    return roles.pop() if len(roles) == 1 else Role.OBJECT
