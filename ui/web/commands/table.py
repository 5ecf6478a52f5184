"""The commands by name, and what the history calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerstudio import edits
from layerstudio.edits import parse_path
from layerstudio.errors import InvalidRequest
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.commands.command import Arguments, Command, CoreEdit, Label, named

_NONE = named()


def _row(
    name: str, edit: CoreEdit, label: str, arguments: Arguments = _NONE, **more: Any
) -> Command:
    return Command(
        name=name, edit=edit, label=Label(label, f"history.{name}"), arguments=arguments, **more
    )


def _flag(name: str, edit: CoreEdit, off: str, on: str) -> Command:
    """A command of a single argument ``value``."""
    labels = {False: Label(off, f"history.{name}_off"), True: Label(on, f"history.{name}_on")}
    return _row(name, edit, on, named("value"), labelled_by="value", labels=labels)


def _choice(
    name: str,
    edit: CoreEdit,
    label: str,
    by: str,
    *,
    labels: Mapping[str, str],
    arguments: Arguments | None = None,
) -> Command:
    """A command with a label for each value of its argument ``by``, its only one by default."""
    found = {value: Label(text, f"history.{name}_{value}") for value, text in labels.items()}
    return _row(name, edit, label, arguments or named(by), labelled_by=by, labels=found)


def _slot(fields: Fields) -> dict[str, Any]:
    """``{"to": {"parent": path of a group or "", "index": n}}``."""
    fields.only(("to",))
    to = fields.object("to")
    to.only(("parent", "index"))
    return {"parent": parse_path(to.any("parent")), "index": to.any("index")}


_ATTRIBUTES = (
    _row("rename", edits.rename, "Rename", named("name")),
    _flag("visible", edits.set_visible, "Hide", "Show"),
    _flag("lock", edits.set_locked, "Unlock", "Lock"),
    _row("opacity", edits.set_opacity, "Opacity", named("value")),
    _row("blend", edits.set_blend, "Blend mode", named("value")),
    _flag("clip", edits.set_clipped, "Release clipping", "Clip"),
)
_TREE = (
    _row("reorder", edits.reorder, "Reorder", _slot),
    _row("raise", edits.bring_forward, "Raise"),
    _row("lower", edits.send_backward, "Lower"),
    _row("to_top", edits.bring_to_front, "Bring to the top"),
    _row("to_bottom", edits.send_to_back, "Send to the bottom"),
    _row("group", edits.group, "Group", named(name="name")),
    _row("ungroup", edits.ungroup, "Ungroup"),
    _row("duplicate", edits.duplicate, "Duplicate"),
    _row("delete", edits.delete, "Delete"),
    _row("merge", edits.merge, "Merge", named(name="name")),
    _row("add_layer", edits.add_layer, "Add layer", named(name="name")),
    _row(
        "fill_colour",
        edits.fill_colour,
        "Add background",
        named("color", name="name"),
        for_document=True,
    ),
)
_PLACE = (
    _row("move", edits.move, "Move", named("dx", "dy")),
    _row(
        "transform",
        edits.transform,
        "Transform",
        named("matrix", resample="resample"),
        starts_again=True,
    ),
    _choice(
        "flip",
        edits.flip,
        "Flip",
        "axis",
        labels={"horizontal": "Flip horizontally", "vertical": "Flip vertically"},
    ),
    _row("rotate90", edits.rotate90, "Rotate", named("turns")),
    _row("crop_to_content", edits.crop_to_content, "Crop to content"),
    _row(
        "canvas",
        edits.resize_canvas,
        "Canvas size",
        named("width", "height", x="x", y="y"),
        for_document=True,
    ),
    _row("trim", edits.trim, "Trim", for_document=True),
)
_ADJUSTMENTS = ("brightness", "contrast", "saturation", "hue", "temperature", "gamma", "invert")
_PIXELS = (
    _row(
        "recolour", edits.recolour, "Recolour", named("color", amount="amount"), starts_again=True
    ),
    _row(
        "adjust",
        edits.adjust,
        "Adjust",
        named(**{name: name for name in _ADJUSTMENTS}),
        starts_again=True,
    ),
    _row(
        "shadow",
        edits.add_shadow,
        "Shadow",
        named("dx", "dy", "blur", color="color", opacity="opacity"),
        starts_again=True,
    ),
    _choice(
        "brush",
        edits.brush,
        "Brush",
        "mode",
        arguments=named("mode", "points", "radius", hardness="hardness", strength="strength"),
        labels={"erase": "Erase", "restore": "Restore"},
    ),
    _choice(
        "mask",
        edits.change_mask,
        "Mask",
        "action",
        labels={
            "add": "Add mask",
            "remove": "Remove mask",
            "apply": "Apply mask",
            "invert": "Invert mask",
            "enable": "Switch mask on",
            "disable": "Switch mask off",
        },
    ),
)
COMMANDS = {row.name: row for row in (*_ATTRIBUTES, *_TREE, *_PLACE, *_PIXELS)}


def command(name: str) -> Command:
    """Raises ``InvalidRequest`` for a name that is in no row."""
    if name not in COMMANDS:
        raise InvalidRequest(f"There is no command {name[:80]!r}.")
    return COMMANDS[name]
