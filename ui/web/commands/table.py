"""The commands by name, and what the history calls them."""

from __future__ import annotations

from typing import Any

from layerstudio import edits
from layerstudio.edits import parse_path
from layerstudio.errors import InvalidRequest
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.commands.command import Arguments, Command, CoreEdit, Label, named

_NONE = named()


def _row(
    name: str,
    edit: CoreEdit,
    label: str | tuple[str, str],
    arguments: Arguments = _NONE,
    **more: Any,
) -> Command:
    """``label`` is a pair where the argument ``value`` decides: for false, for true."""
    texts = (label,) if isinstance(label, str) else label
    keys = [name] if isinstance(label, str) else [f"{name}_off", f"{name}_on"]
    labels = tuple(Label(text, f"history.{key}") for text, key in zip(texts, keys, strict=True))
    return Command(name=name, edit=edit, labels=labels, arguments=arguments, **more)


def _slot(fields: Fields) -> dict[str, Any]:
    """``{"to": {"parent": path of a group or "", "index": n}}``."""
    fields.only(("to",))
    to = fields.object("to")
    to.only(("parent", "index"))
    return {"parent": parse_path(to.any("parent")), "index": to.any("index")}


_ROWS = (
    _row("rename", edits.rename, "Rename", named("name")),
    _row("visible", edits.set_visible, ("Hide", "Show"), named("value")),
    _row("lock", edits.set_locked, ("Unlock", "Lock"), named("value")),
    _row("opacity", edits.set_opacity, "Opacity", named("value")),
    _row("blend", edits.set_blend, "Blend mode", named("value")),
    _row("clip", edits.set_clipped, ("Release clipping", "Clip"), named("value")),
    _row("reorder", edits.reorder, "Reorder", _slot),
    _row("raise", edits.bring_forward, "Raise"),
    _row("lower", edits.send_backward, "Lower"),
    _row("to_top", edits.bring_to_front, "To the top"),
    _row("to_bottom", edits.send_to_back, "To the bottom"),
    _row("duplicate", edits.duplicate, "Duplicate"),
    _row("delete", edits.delete, "Delete"),
    _row("add_layer", edits.add_layer, "Add layer", named(name="name")),
    _row("move", edits.move, "Move", named("dx", "dy")),
    _row("crop_to_content", edits.crop_to_content, "Crop to content"),
    _row("fill_colour", edits.fill_colour, "Add background", named("color"), for_document=True),
)
COMMANDS = {row.name: row for row in _ROWS}


def command(name: str) -> Command:
    """Raises ``InvalidRequest`` for a name that is in no row."""
    if name not in COMMANDS:
        raise InvalidRequest(f"There is no command {name[:80]!r}.")
    return COMMANDS[name]
