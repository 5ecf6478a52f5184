"""The JSON in what a language model wrote: out of prose, code fences and trains of thought."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from layerstudio.errors import InvalidRequest

_LONGEST = 60_000  # characters; fifty layers of one paragraph each are shorter
_MOST_OPENINGS = 2_000  # brackets at which a value may begin; nonsense can be made of them
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_TRAILING_COMMA = re.compile(r",(\s*[\]}])")
_KEYS = {"box", "role"}  # what tells a layer from any other object
_DECODER = json.JSONDecoder()


def layers_in(answer: str) -> tuple[list[Any], tuple[str, ...]]:
    """The list of layers in an answer, and in words what had to be mended to read it.

    An answer that breaks off gives the layers that are whole. Raises ``InvalidRequest`` that says
    what is wrong with any other.
    """
    text = _THOUGHT.sub(" ", answer[:_LONGEST])
    for candidate, repairs in ((text, ()), (_without_commas(text), ("Commas were removed.",))):
        found = next(_lists(candidate), None)
        if found is not None:
            return found, repairs
    whole = [value for value in _values(_without_commas(text)) if _is_layer(value)]
    if whole:
        return whole, (f"The answer broke off: {len(whole)} whole layers were read.",)
    raise InvalidRequest(_what_is_wrong(text))


def _lists(text: str) -> Iterator[list[Any]]:
    for value in _values(text):
        if isinstance(value, dict) and isinstance(value.get("layers"), list):
            yield value["layers"]
        elif isinstance(value, list) and any(map(_is_layer, value)):
            yield value


def _values(text: str) -> Iterator[Any]:
    """Objects and arrays that begin and end in ``text``, outer ones in place of what they hold."""
    position = 0
    for _ in range(_MOST_OPENINGS):
        opening = re.compile(r"[\[{]").search(text, position)
        if opening is None:
            return
        try:
            value, position = _DECODER.raw_decode(text, opening.start())
        except RecursionError:
            return  # no layout is nested like this
        except ValueError:
            position = opening.end()
        else:
            yield value


def _without_commas(text: str) -> str:
    return _TRAILING_COMMA.sub(r"\1", text)


def _is_layer(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= _KEYS


def _what_is_wrong(text: str) -> str:
    if not text.strip():
        return "The answer is empty."
    opening = text.find("{")
    if opening < 0:
        return "The answer holds no JSON object."
    try:
        _DECODER.raw_decode(text, opening)
    except json.JSONDecodeError as error:
        around = text[max(0, error.pos - 20) : error.pos + 20].replace("\n", " ")
        return f"The answer is not JSON: {error.msg} near {around!r}."
    except RecursionError:
        return "The answer is not JSON: it is nested too deep."
    return 'The answer has no list of "layers".'
