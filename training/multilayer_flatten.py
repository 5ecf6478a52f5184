"""A document with groups, masks and blend modes as a plain stack of RGBA layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from layerstudio.color import F32, U8, premultiply, to_depth, to_u8
from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Layer, Node, Role, clipping_runs
from layerstudio.geometry import Bounds
from layerstudio.ops.bake import bake_unsupported

_PLAIN = (BlendMode.NORMAL, BlendMode.PASS_THROUGH)
_UNSEEN = 0.5 / 255  # a change that 8 bits cannot hold
_MOST_DIFFERENT = 4 / 255
Path = tuple[int, ...]


def flattened(document: Document) -> list[tuple[Layer, str]]:
    """What shows, bottom to top, with captions: live text, else the layer's name.

    A layer with what is clipped to it is one; opacity, masks and groups are baked in. A layer that
    blends otherwise than normally becomes the change that it makes to the picture below, with the
    least alpha that can make it. The stack composites to the same picture within 4/255.
    """
    stack = list(_by_units(document))
    plain = Document(document.extent, tuple(layer for layer, _ in stack))
    if _difference(composite(document), composite(plain)) > _MOST_DIFFERENT:
        # A group's own opacity or mask over children that overlap, or modes inside of isolated
        # groups: then layers take the colours that they end up with.
        return list(_baked(document))
    return stack


def _by_units(document: Document) -> Iterator[tuple[Layer, str]]:
    done: list[Path] = []
    for paths, base, plain in _units(document.children, (), plain=True):
        if plain:
            pixels = to_u8(composite(_only(document, paths)))
        else:
            before = composite(_only(document, done))
            pixels = _change(before, composite(_only(document, [*done, *paths])))
        done.extend(paths)
        yield from _shown(document, pixels, base)


def _baked(document: Document) -> Iterator[tuple[Layer, str]]:
    # With 16 bits: faint layers would multiply what 8 bits round off.
    deep = replace(document, children=tuple(map(_deep, document.children)))
    plain, _ = bake_unsupported(deep, frozenset({BlendMode.NORMAL}))
    for paths, base, _ in _units(plain.children, (), plain=True):
        yield from _shown(plain, to_u8(composite(_only(plain, paths))), base)


def _deep(node: Node) -> Node:
    if isinstance(node, Group):
        return replace(node, children=tuple(map(_deep, node.children)))
    return replace(node, pixels=to_depth(node.pixels, np.uint16))


def _shown(document: Document, pixels: U8, node: Node) -> Iterator[tuple[Layer, str]]:
    """The node with its ``pixels`` of the whole canvas, unless there is nothing on them."""
    whole = Layer(node.name, Bounds.full(document.extent), pixels, role=_role(node))
    layer = whole.cropped_to_content()
    if not layer.is_empty:
        yield layer, _caption(node)


def _difference(one: F32, other: F32) -> float:
    """The largest, in [0, 1], of premultiplied colour and alpha."""
    return float(np.abs(premultiply(one) - premultiply(other)).max())


def _units(
    nodes: tuple[Node, ...], above: Path, plain: bool
) -> Iterator[tuple[list[Path], Node, bool]]:
    """Paths of what is drawn together, the node it is named for, and whether all modes of it and
    of the groups that it is in are normal."""
    numbers = {id(node): index for index, node in enumerate(nodes)}
    for base, clipped in clipping_runs(nodes):
        if not base.visible:
            continue
        path = (*above, numbers[id(base)])
        is_plain = plain and base.blend in _PLAIN
        shown = [node for node in clipped if node.visible]
        if isinstance(base, Group) and not shown:
            yield from _units(base.children, path, is_plain)
        else:
            yield [path, *((*above, numbers[id(node)]) for node in shown)], base, is_plain


def _only(document: Document, paths: list[Path]) -> Document:
    """The document with nothing but the nodes at ``paths`` and the groups around them."""
    return replace(document, children=_kept(document.children, (), frozenset(paths)))


def _kept(nodes: tuple[Node, ...], above: Path, wanted: frozenset[Path]) -> tuple[Node, ...]:
    kept: list[Node] = []
    for index, node in enumerate(nodes):
        path = (*above, index)
        if path in wanted:
            kept.append(node)
        elif isinstance(node, Group) and any(other[: len(path)] == path for other in wanted):
            kept.append(replace(node, children=_kept(node.children, path, wanted)))
    return tuple(kept)


def _change(before: F32, after: F32) -> U8:
    """The faintest straight RGBA that, laid over ``before``, gives ``after``: each pixel as opaque
    as its most changed channel needs for a colour within [0, 1]."""
    change = after[..., :3] - before[..., :3]
    room = np.where(change > 0, 1 - before[..., :3], before[..., :3])
    needed = (np.abs(change) / np.maximum(room, 1e-6)).max(-1)
    alpha = np.where(np.abs(change).max(-1) < _UNSEEN, 0, np.minimum(needed, 1))
    # Over what is not opaque a layer adds coverage of its own.
    alpha = np.where(after[..., 3] > before[..., 3] + _UNSEEN, after[..., 3], alpha)[..., None]
    opaque = before[..., 3:] > 0
    colour = before[..., :3] + change / np.maximum(alpha, 1e-6)
    colour = np.where(opaque, colour, after[..., :3])
    return to_u8(np.dstack([np.clip(colour, 0, 1), alpha]).astype(np.float32))


def _caption(node: Node) -> str:
    if isinstance(node, Layer) and node.text is not None:
        return node.text.string.replace("\n", " ")
    return node.name


def _role(node: Node) -> Role:
    return node.role if isinstance(node, Layer) else Role.OBJECT
