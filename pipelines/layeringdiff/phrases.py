"""What of a prompt becomes a layer: phrases given beside it, and words marked in [brackets]."""

from __future__ import annotations

import re
from collections.abc import Iterable

from layerstudio.generate_request import GenerateRequest

# A backslash before a bracket keeps it: "\[" is read as "[".
_TOKEN = re.compile(r"\\[\[\]]|\[(?P<marked>[^\[\]]+)\]")


def unmarked(prompt: str) -> str:
    """The prompt as a text encoder is to read it: marks are taken off, their words stay."""

    def plain(found: re.Match[str]) -> str:
        return found[0][1] if found["marked"] is None else found["marked"]

    return _TOKEN.sub(plain, prompt)


def marked(prompt: str) -> tuple[str, ...]:
    """The marked phrases, in their order, each once."""
    found = (match["marked"] for match in _TOKEN.finditer(prompt))
    return distinct(text for text in found if text is not None)


def distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """Without what is empty or was there before in other capitals; runs of spaces become one."""
    known: dict[str, str] = {}
    for text in texts:
        words = " ".join(text.split())
        if words:
            known.setdefault(words.casefold(), words)
    return tuple(known.values())


def whole_prompt(request: GenerateRequest) -> str:
    """What the whole picture is described by: the prompt, and whatever foregrounds and background
    it leaves out."""
    text = " ".join(unmarked(request.prompt).split())
    for part in (*request.foregrounds, request.background or ""):
        words = " ".join(part.split())
        if words and words.casefold() not in text.casefold():
            text = f"{text}, {words}" if text else words
    return text
