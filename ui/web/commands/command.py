"""A command: arguments from JSON to one of ``layerstudio.edits``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from layerstudio.document import Document, NodePath
from layerstudio.edits import Edited
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.studio import Edit

# The edit's arguments by name; the edit checks their values and says what is wrong with them.
Arguments = Callable[[Fields], dict[str, Any]]
CoreEdit = Callable[..., Edited]


@dataclass(frozen=True)
class Label:
    """An entry of the history: English, and the key of its translations."""

    text: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Command:
    """A row of the table.

    ``starts_again`` commands say what is to be in the end, not a step on the way: merged, each
    takes the place of the one before (see ``Studio.edit``). ``for_document`` ones take no paths.
    ``labels`` are two where the argument ``value`` decides: for false, for true.
    """

    name: str
    edit: CoreEdit
    labels: tuple[Label, ...]
    arguments: Arguments
    starts_again: bool = False
    for_document: bool = False

    def label(self, fields: Fields) -> Label:
        """What the history says."""
        chooses = len(self.labels) > 1
        return self.labels[1 if chooses and fields.any("value", False) is True else 0]

    def bound(self, fields: Fields) -> Edit:
        """The edit with its arguments; raises ``InvalidRequest`` for missing or unknown ones."""
        arguments = self.arguments(fields)

        def edit(document: Document, paths: Sequence[NodePath]) -> Edited:
            if self.for_document:
                return self.edit(document, **arguments)
            return self.edit(document, paths, **arguments)

        return edit


def named(*required: str, **optional: str) -> Arguments:
    """Arguments that are called alike on the wire and in the core; ``optional`` maps the names of
    those that may be missing, then the edit's default holds, to what the core calls them."""

    def read(fields: Fields) -> dict[str, Any]:
        fields.only((*required, *optional))
        values = {name: fields.any(name) for name in required}
        given = {core: fields.any(name) for name, core in optional.items() if fields.has(name)}
        return {**values, **given}

    return read
