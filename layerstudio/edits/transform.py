"""Nodes scaled, turned, sheared and flipped: layers with their masks and live text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layerstudio.document import Document, Layer, Mask, Node, NodePath, TextContent
from layerstudio.edits import resampling
from layerstudio.edits.affine import Affine, affine, flip_about, turn_about
from layerstudio.edits.checks import choice, near
from layerstudio.edits.editing import Edited, changed_each, check_unlocked, mapped
from layerstudio.edits.paths import chosen, node_at, normalised
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds

_SAME_SCALE = 0.01  # of width and height, up to which letters look as their font does


def transform(
    document: Document,
    paths: Sequence[NodePath],
    matrix: Sequence[float],
    resample: str = "auto",
) -> Edited:
    """All chosen nodes under x' = a x + c y + e, y' = b x + d y + f, ``matrix`` being (a, ..., f).

    Coordinates are continuous canvas pixels. Whole moves, flips and quarter turns are exact;
    otherwise ``auto`` resamples smoothly and ``nearest`` keeps the pixels' own colours. Live text
    follows moves and even scaling; otherwise it becomes pixels. Raises ``InvalidRequest`` for maps
    onto a line, results of more than 200 million pixels and locked nodes.
    """
    choice(resample, "Resampling", ("auto", "nearest"))
    return _transformed(document, paths, affine(matrix), smooth=resample == "auto")


def flip(document: Document, paths: Sequence[NodePath], axis: str) -> Edited:
    """``axis`` is ``horizontal`` or ``vertical``: mirrored within the selection's bounds."""
    choice(axis, "The axis", ("horizontal", "vertical"))
    return _transformed(document, paths, flip_about(_bounds(document, paths), axis))


def rotate90(document: Document, paths: Sequence[NodePath], turns: int) -> Edited:
    """``turns`` (1, 2 or 3) quarters clockwise about the middle of the selection's bounds."""
    if isinstance(turns, bool) or turns not in (1, 2, 3):
        raise InvalidRequest("Turns are 1, 2 or 3 quarters.")
    return _transformed(document, paths, turn_about(_bounds(document, paths), turns))


def _bounds(document: Document, paths: Sequence[NodePath]) -> Bounds:
    """The rectangle around all chosen nodes; where those are empty, the corner of the canvas."""
    all_bounds = [node_at(document, path).bounds for path in chosen(document, paths)]
    return Bounds.around(bounds for bounds in all_bounds if not bounds.is_empty)


def _transformed(
    document: Document, paths: Sequence[NodePath], by: Affine, smooth: bool = True
) -> Edited:
    wanted = normalised(document, paths)
    check_unlocked(document, wanted)
    shift_only = by.is_grid and by.rounded()[:4] == (1, 0, 0, 1)

    def change(node: Node) -> Node:
        if shift_only:
            exact = by.rounded()
            return _moved(node, int(exact.e), int(exact.f))
        return mapped(node, lambda each: _of_node(each, by, smooth))

    return replace(changed_each(document, wanted, change), selection=chosen(document, paths))


def _moved(node: Node, dx: int, dy: int) -> Node:
    near(node.bounds.moved(dx, dy), f"{node.name!r}")
    return node.moved(dx, dy) if dx or dy else node


def _of_node(node: Node, by: Affine, smooth: bool) -> Node:
    """The node alone, without its children."""
    mask = node.mask and _of_mask(node.mask, by, smooth)
    if not isinstance(node, Layer):
        return node if mask is node.mask else replace(node, mask=mask)
    if node.is_empty:
        return replace(node, mask=mask)
    near(by.bounds_of(node.bounds), f"{node.name!r}")
    if by.is_grid:
        pixels, bounds = resampling.on_grid(node.pixels, node.bounds, by)
    elif smooth:
        pixels, bounds = resampling.smooth(node.pixels, node.bounds, by)
    else:
        pixels, bounds = resampling.nearest(node.pixels, node.bounds, by)
    text = node.text and _of_text(node.text, by)
    return replace(node, pixels=pixels, bounds=bounds, mask=mask, text=text)


def _of_mask(mask: Mask, by: Affine, smooth: bool) -> Mask:
    if mask.bounds.is_empty:
        return mask
    near(by.bounds_of(mask.bounds), "The mask")
    if by.is_grid:
        pixels, bounds = resampling.on_grid(mask.pixels, mask.bounds, by)
    elif smooth:
        pixels, bounds = resampling.smooth_mask(mask.pixels, mask.bounds, by, mask.outside)
    else:
        pixels, bounds = resampling.nearest_mask(mask.pixels, mask.bounds, by, mask.outside)
    return replace(mask, pixels=pixels, bounds=bounds)


def _of_text(text: TextContent, by: Affine) -> TextContent | None:
    """The text at its new place and size; None where a font could not look like the pixels."""
    if not by.is_upright or abs(by.a / by.d - 1) > _SAME_SCALE:
        return None
    baseline = None if text.baseline is None else by.d * text.baseline + by.f
    return replace(text, box=by.bounds_of(text.box), size=text.size * by.d, baseline=baseline)
