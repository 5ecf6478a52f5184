"""A command: arguments from JSON to one of ``layerstudio.edits``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    ``label`` is for any argument; ``labels`` are for single values of the argument ``labelled_by``.
    """

    name: str
    edit: CoreEdit
    label: Label
    arguments: Arguments
    labelled_by: str = ""
    labels: Mapping[Any, Label] = field(default_factory=dict)
    starts_again: bool = False
    for_document: bool = False

    def label_for(self, fields: Fields) -> Label:
        """What the history says."""
        value = fields.any(self.labelled_by, None)
        return self.labels.get(value, self.label) if isinstance(value, str | bool) else self.label

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
