"""Nodes put into a group, and groups dissolved, so that the picture stays what it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layerstudio.document import BlendMode, Document, Group, Node, NodePath
from layerstudio.edits.checks import node_name
from layerstudio.edits.editing import (
    Edited,
    Slot,
    check_open,
    check_unlocked,
    is_clipped,
    rebuilt,
    run_end,
)
from layerstudio.edits.masks import both
from layerstudio.edits.paths import node_at, normalised
from layerstudio.errors import InvalidRequest


def group(document: Document, paths: Sequence[NodePath], name: str | None = None) -> Edited:
    """The chosen nodes and what is clipped to them in a pass-through group, where the topmost was.

    The picture stays the same if they lie next to each other. Nodes that are all clipped to the
    same node below become a group that is clipped to it.
    """
    members = with_clipped(document, paths)
    check_unlocked(document, members)
    clipped = all_clipped(document, members)
    nodes = [node_at(document, path) for path in members]
    made = Group(
        name=_group_name(document) if name is None else node_name(name),
        children=tuple(replace(node, clipped=False) if clipped else node for node in nodes),
        clipped=clipped,
    )
    *below, top = members
    return rebuilt(document, {**{path: [] for path in below}, top: [Slot(made)]})


def ungroup(document: Document, paths: Sequence[NodePath]) -> Edited:
    """The children of the chosen groups in the place of their group.

    They take over its visibility, opacity, mask and clipping, a single child its blend mode too.
    The picture stays the same but where the group as a whole did what its parts cannot: opacity
    or a mask over parts that overlap, a blend mode over several parts, isolation of parts that
    blend, and nodes clipped to the group, which are clipped to its topmost part then.
    """
    chosen = normalised(document, paths)
    replacements: dict[NodePath, list[Slot]] = {}
    for path in chosen:
        check_open(document, path)
        node = node_at(document, path)
        if isinstance(node, Group):
            clipped = is_clipped(document, path)
            replacements[path] = [Slot(child) for child in _released(node, clipped)]
    if not replacements:
        raise InvalidRequest("Only a group can be ungrouped.", advice="Select a group.")
    return rebuilt(document, replacements)


def with_clipped(document: Document, paths: Sequence[NodePath]) -> tuple[NodePath, ...]:
    """``normalised`` paths and, for every base among them, what is clipped to it."""
    members = set(normalised(document, paths))
    for path in tuple(members):
        if not is_clipped(document, path):
            end = run_end(document, path)
            members.update((*path[:-1], index) for index in range(path[-1] + 1, end[-1]))
    return normalised(document, tuple(members))


def all_clipped(document: Document, members: Sequence[NodePath]) -> bool:
    """Whether all members are clipped to one node that is not among them."""
    one_run = len({run_end(document, path) for path in members}) == 1
    return one_run and all(is_clipped(document, path) for path in members)


def _group_name(document: Document) -> str:
    groups = sum(isinstance(node, Group) for _, node in document.walk())
    return f"Group {groups + 1}"


def _released(group: Group, clipped: bool) -> list[Node]:
    children = []
    for index, child in enumerate(group.children):
        base = clipped or index == 0 or not child.clipped
        changed = _as_shown(child, group) if base else child
        if clipped or index == 0:
            changed = replace(changed, clipped=clipped)
        children.append(changed)
    if len(children) == 1 and group.blend is not BlendMode.PASS_THROUGH:
        children[0] = _blended_like(children[0], group)
    return children


def _as_shown(child: Node, group: Group) -> Node:
    """The child with what the group did to it: what is clipped to a base follows the base."""
    mask = both(group.mask, child.mask)
    if group.visible and group.opacity == 1 and mask is child.mask:
        return child
    return replace(
        child,
        visible=child.visible and group.visible,
        opacity=child.opacity * group.opacity,
        mask=mask,
    )


def _blended_like(child: Node, group: Group) -> Node:
    plain = child.blend in (BlendMode.NORMAL, BlendMode.PASS_THROUGH)
    return replace(child, blend=group.blend) if plain else child
