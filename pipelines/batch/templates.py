"""What the files of a batch are called: a template such as ``{folder}/{stem}-{method}``."""

from __future__ import annotations

import os
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from layerstudio.errors import InvalidRequest
from layerstudio.io.names import file_stem
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.work import AnyRequest, asked_for, digest_of
from layerstudio.requests import DecomposeRequest

DEFAULT_TEMPLATE = "{stem}"
FIELDS: Mapping[str, str] = {
    "stem": "the name of the picture without its suffix, or the first words of the prompt",
    "name": "the name given in the row, else as {stem}",
    "folder": "the folder of the picture below the one that was given",
    "suffix": "the picture's suffix without the dot",
    "method": "the method's id, or 'convert'",
    "seed": "the seed, where one was given",
    "index": "the number of the item, six digits from 000001",
    "hash": "ten digits that stand for the picture's place and the whole request",
}
_WORDS = 8  # of a prompt that name a file
_HASH_LENGTH = 10


@dataclass(frozen=True)
class Naming:
    """What a template can be filled with."""

    source: str
    request: AnyRequest | None
    index: int
    name: str = ""
    folder: str = ""


def check_template(template: str) -> None:
    """Raise ``InvalidRequest`` for a template that would fail, or write outside of the output."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InvalidRequest(f"The template {template!r} is not one: {error}.") from None
    names = [name for _, name, _, _ in parts if name is not None]
    plain = all(not spec and not conversion for _, _, spec, conversion in parts)
    unknown = [name for name in names if name not in FIELDS]
    if unknown or not plain:
        raise InvalidRequest(
            f"The template {template!r} asks for {unknown[0] if unknown else 'a format'!r}.",
            advice=f"Fields are {', '.join(f'{{{name}}}' for name in FIELDS)}.",
        )
    filled = "".join(text + ("x" if name else "") for text, name, *_ in parts)
    literal = PurePath(filled.replace("\\", "/"))
    if not template.strip() or literal.is_absolute() or ".." in literal.parts:
        raise InvalidRequest(
            f"The template {template!r} does not name a file below the output folder."
        )


class Namer:
    """Distinct names in the order of the items, the same in every run of the same items."""

    def __init__(self, template: str) -> None:
        check_template(template)
        self._template = template
        self._taken: dict[str, set[str]] = {}

    def name(self, naming: Naming) -> str:
        """A path without suffix below the output folder, valid on every common system.

        ``poster.png`` and ``poster.jpg`` do not get the same name: the later is numbered.
        """
        filled = self._template.format_map(_Values(naming))
        parts = [part for part in filled.replace("\\", "/").split("/") if part.strip()]
        *folders, last = parts or [""]  # every field may be empty
        inner = [file_stem(part, set(), "folder") for part in folders]
        taken = self._taken.setdefault("/".join(inner), set())
        return "/".join([*inner, file_stem(last, taken, "picture")])


class _Values(dict[str, str]):
    """A template's fields, each made when it is asked for."""

    def __init__(self, naming: Naming) -> None:
        super().__init__()
        self._naming = naming

    def __missing__(self, field: str) -> str:
        value = _value(field, self._naming)
        # A field is one piece of a name: only the template and the source's folders nest.
        return value if field == "folder" else value.replace("/", "_").replace("\\", "_")


def _value(field: str, naming: Naming) -> str:
    request = naming.request
    match field:
        case "stem":
            return _stem(naming)
        case "name":
            return naming.name or _stem(naming)
        case "folder":
            return naming.folder
        case "suffix":
            return PurePath(places.name_of(naming.source)).suffix.lstrip(".").lower()
        case "method":
            return "convert" if request is None else request.method or "default"
        case "seed":
            return "" if request is None or request.seed is None else str(request.seed)
        case "index":
            return f"{naming.index:06}"
        case _:
            assert field == "hash", field
            source = places.shown(naming.source)
            return digest_of([source, asked_for(request)])[:_HASH_LENGTH]


def _stem(naming: Naming) -> str:
    if naming.source:
        return os.path.splitext(places.name_of(naming.source))[0]
    request = naming.request
    assert request is not None, naming
    if isinstance(request, DecomposeRequest):
        return "picture"
    text = request.prompt or ", ".join(request.foregrounds)
    return " ".join(text.split()[:_WORDS]) or "picture"
