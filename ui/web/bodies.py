"""Bodies of requests: JSON objects read field by field, each check a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from fastapi import Request

from layerstudio.document import NodePath
from layerstudio.edits import parse_path
from layerstudio.errors import InvalidRequest

_MOST_PATHS = 2_000
_LARGEST_SEED = 2**62
_REQUIRED = object()
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # an escape that may be one half of a surrogate pair


class Fields:
    """The fields of a JSON object; every reader raises ``InvalidRequest`` for a wrong type."""

    def __init__(self, values: dict[str, Any], what: str = "The request") -> None:
        self._values = values
        self._what = what

    def only(self, names: Iterable[str]) -> None:
        """Raise for a field that is not among ``names``: a misspelt one would do nothing."""
        unknown = sorted(set(self._values) - set(names))
        if unknown:
            raise InvalidRequest(f"{self._what} has no field {unknown[0][:80]!r}.")

    def has(self, name: str) -> bool:
        return self._values.get(name) is not None

    def any(self, name: str, default: Any = _REQUIRED) -> Any:
        value = self._values.get(name)
        if value is not None:
            return value
        if default is _REQUIRED:
            raise InvalidRequest(f"{self._what} needs {name!r}.")
        return default

    def text(self, name: str, default: Any = _REQUIRED) -> Any:
        return self._typed(name, default, str, "text")

    def whole(self, name: str, default: Any = _REQUIRED) -> Any:
        return self._typed(name, default, int, "a whole number")

    def seed(self, default: int | None = None) -> int | None:
        """``seed``: a whole number that every generator of random numbers takes."""
        seed = self.whole("seed", default)
        if seed is not None and not 0 <= seed <= _LARGEST_SEED:
            raise InvalidRequest(f"The seed must be 0 to {_LARGEST_SEED:,}.")
        return seed

    def flag(self, name: str, default: Any = _REQUIRED) -> Any:
        return self._typed(name, default, bool, "true or false")

    def items(self, name: str, default: Any = _REQUIRED) -> Any:
        return self._typed(name, default, list, "a list")

    def mapping(self, name: str, default: Any = _REQUIRED) -> Any:
        return self._typed(name, default, dict, "an object")

    def object(self, name: str, default: Any = _REQUIRED) -> Fields:
        return Fields(self.mapping(name, default), name)

    def paths(self, name: str = "paths", default: Any = _REQUIRED) -> tuple[NodePath, ...]:
        """A list of paths such as ``["2", "2.0"]``."""
        found = self.items(name, default)
        if len(found) > _MOST_PATHS:
            raise InvalidRequest(f"{name!r} has more than {_MOST_PATHS:,} paths.")
        return tuple(path_of(text) for text in found)

    def _typed(self, name: str, default: Any, kind: type, called: str) -> Any:
        value = self.any(name, default)
        is_default = default is not _REQUIRED and value is default
        is_flag = isinstance(value, bool) and kind is not bool
        if not is_default and (not isinstance(value, kind) or is_flag):
            raise InvalidRequest(f"{name!r} is {called}, not {str(value)[:40]!r}.")
        return value


def path_of(text: Any) -> NodePath:
    """The path of a node as text; raises ``InvalidRequest`` for the root and anything else."""
    path = parse_path(text)
    if not path:
        raise InvalidRequest("A path needs at least one index.")
    return path


async def fields_of(request: Request) -> Fields:
    """The JSON object of a request's body.

    Only ``application/json`` is read: a form on another site cannot send it.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidRequest("The body of this request is JSON (application/json).")
    body = await request.body()
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidRequest("The body of this request is not JSON.") from None
    if not isinstance(values, dict):
        raise InvalidRequest("The body of this request is not a JSON object.")
    if _HALF.search(body) and not _is_text(values):
        raise InvalidRequest("The body of this request has half a character (a lone surrogate).")
    return Fields(values)


def _is_text(values: dict[str, Any]) -> bool:
    """Whether all texts of an object can be written again, to files and into answers."""
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
