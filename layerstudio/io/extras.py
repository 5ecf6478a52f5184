"""JSON forms of what a layer carries besides its picture; every ``*_from`` rejects nonsense.

The ``*_from`` functions raise ``ValueError``, ``TypeError``, ``KeyError`` or ``InvalidDocument``
(together ``BAD_DATA``) for data that another program, or nobody sane, wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any

from layerstudio.document import Provenance, TextContent
from layerstudio.errors import InvalidDocument
from layerstudio.geometry import Bounds

BAD_DATA = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
    InvalidDocument,
)

_REQUEST_DEPTH = 16  # lists and dictionaries within each other; requests have three


def text_to(text: TextContent | None) -> dict[str, Any] | None:
    """A JSON-ready dictionary of every field."""
    if text is None:
        return None
    data = {item.name: getattr(text, item.name) for item in fields(text)}
    return {**data, "color": list(text.color), "box": list(text.box)}


def text_from(data: Mapping[str, Any] | None) -> TextContent | None:
    if data is None:
        return None
    known = {item.name: data[item.name] for item in fields(TextContent) if item.name in data}
    red, green, blue = (_whole(value) for value in known["color"])
    _require(all(0 <= value <= 255 for value in (red, green, blue)), known["color"])
    known |= {"color": (red, green, blue), "box": bounds_from(known["box"])}
    text = TextContent(**known)
    for flag in (text.bold, text.italic):
        flag_from(flag)
    for value in (text.string, text.font):
        _require(isinstance(value, str), value)
    for value in (text.size, text.confidence, 0.0 if text.baseline is None else text.baseline):
        _require(is_number(value), value)
    return text


def provenance_to(provenance: Provenance | None) -> dict[str, Any] | None:
    """A JSON-ready dictionary of the fields that are known."""
    if provenance is None:
        return None
    data = {item.name: getattr(provenance, item.name) for item in fields(provenance)}
    return {key: value for key, value in data.items() if value is not None}


def provenance_from(data: Mapping[str, Any] | None) -> Provenance | None:
    if data is None:
        return None
    known = {item.name: data[item.name] for item in fields(Provenance) if item.name in data}
    for key, value in known.items():
        _require(isinstance(value, int if key == "seed" else str), value)
    return Provenance(**known)


def bounds_from(values: Any) -> Bounds:
    """Four whole numbers, sides not negative."""
    x, y, width, height = (_whole(value) for value in values)
    _require(width >= 0 and height >= 0, values)
    return Bounds(x, y, width, height)


def strings_from(data: Any) -> tuple[str, ...]:
    """A list of strings."""
    _require(isinstance(data, list) and all(isinstance(item, str) for item in data), data)
    return tuple(data)


def metadata_from(data: Any) -> dict[str, str]:
    """A dictionary of strings."""
    _require(isinstance(data, dict), data)
    strings_from([*data, *data.values()])
    return dict(data)


def flag_from(value: Any) -> bool:
    _require(isinstance(value, bool), value)
    return value


def request_from(data: Any) -> dict[str, Any] | None:
    """The JSON of a request, or None; it is written again with every file, so it must be sane."""
    if data is None:
        return None
    _require(isinstance(data, dict), data)
    _check_depth(data, _REQUEST_DEPTH)
    return data


def is_number(value: Any) -> bool:
    """A number that JSON can say; Python's JSON reads NaN and Infinity as well."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _check_depth(data: Any, depth: int) -> None:
    if isinstance(data, (dict, list)):
        _require(depth > 0, "nesting")
        for item in data.values() if isinstance(data, dict) else data:
            _check_depth(item, depth - 1)


def _whole(value: Any) -> int:
    _require(isinstance(value, int) and not isinstance(value, bool), value)
    # Places beyond this are nonsense, and sums of them must stay in 32 bits for every format.
    _require(abs(value) < 2**30, value)
    return value


def _require(condition: bool, value: Any) -> None:
    if not condition:
        raise ValueError(f"unexpected {str(value)[:80]!r}")
