"""Captions to pieces of a design: which role each has, and what is written on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from layerstudio.pipelines.multilayer.layout.plan import LayerRole

ROLE_NAMES = {role.value: role for role in LayerRole} | {
    "logo": LayerRole.IMAGE,  # LaDeCo's third layer is "logo/image"
    "object": LayerRole.IMAGE,
    "photo": LayerRole.IMAGE,
    "title": LayerRole.TEXT,
    "subtitle": LayerRole.TEXT,
    "headline": LayerRole.TEXT,
    "caption": LayerRole.TEXT,
    "button": LayerRole.TEXT,
    "decoration": LayerRole.EMBELLISHMENT,
    "ornament": LayerRole.EMBELLISHMENT,
    "panel": LayerRole.UNDERLAY,
    "shape": LayerRole.UNDERLAY,
}
_WORDS = {
    LayerRole.BACKGROUND: "background backdrop wallpaper",
    LayerRole.TEXT: "text title headline heading subtitle subheading tagline slogan lettering "
    "typography wordmark caption paragraph button",
    LayerRole.UNDERLAY: "underlay panel banner ribbon box rectangle card label plate bubble strip "
    "bar block badge frame overlay circle",
    LayerRole.EMBELLISHMENT: "embellishment ornament ornaments decoration decorations sparkle "
    "sparkles star stars confetti dot dots line lines divider swirl swirls flourish flourishes "
    "corner doodle doodles splash splashes glitter bokeh arrow arrows icon icons leaf leaves petal "
    "petals snowflake snowflakes squiggle squiggles border heart hearts",
}
_ROLE_OF_WORD = {word: role for role, words in _WORDS.items() for word in words.split()}
# What follows says where or made of what, and no longer what it is.
_AFTER_HEAD = re.compile(
    r"\b(?:of|in|on|with|at|under|behind|over|above|below|for|from|by|to|across|around|between"
    r"|near|holding|reading|saying|that|which|while)\b|[,;:(]"
)
_QUOTED = re.compile(r"“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|\"([^\"]+)\"|(?<!\w)'([^']+)'(?!\w)")
_PREFIX = re.compile(r"\s*(\w+)\s*:\s*(\S.*)", re.DOTALL)


class TextRank(IntEnum):
    """How loud a text is, in typographic order."""

    TITLE = 0
    SUBTITLE = 1
    BODY = 2
    BUTTON = 3


_RANK_WORDS = {
    TextRank.TITLE: {"title", "headline", "heading", "slogan", "wordmark"},
    TextRank.SUBTITLE: {"subtitle", "subheading", "tagline"},
    TextRank.BODY: {"body", "paragraph", "caption", "details", "date", "address", "footer"},
    TextRank.BUTTON: {"button", "cta"},
}
_LONGEST_TITLE = 48  # characters; what is longer reads as a paragraph


@dataclass(frozen=True)
class Piece:
    """One layer to be placed; ``rank`` only orders texts."""

    role: LayerRole
    prompt: str
    text: str | None = None
    rank: TextRank = TextRank.BODY


def pieces_of(captions: Sequence[str]) -> tuple[Piece, ...]:
    """Each caption as a piece, in their order; the first text is the title unless one is named."""
    named = [_piece(caption) for caption in captions]
    pieces = [piece for piece, _ in named]
    has_title = any(rank is TextRank.TITLE for _, rank in named)
    for index, (piece, rank) in enumerate(named):
        if piece.text is None or rank is not None:
            continue
        is_title = not has_title and len(piece.text) <= _LONGEST_TITLE
        has_title = has_title or is_title
        pieces[index] = replace(piece, rank=TextRank.TITLE if is_title else _quiet(piece.text))
    return tuple(pieces)


def quoted_texts(prompt: str) -> tuple[str, ...]:
    """What a prompt has in quotation marks: the words that are to be read in the picture."""
    found = (next(part for part in match if part) for match in _QUOTED.findall(prompt))
    return tuple(dict.fromkeys(text.strip() for text in found if text.strip()))


def without_quotations(caption: str) -> str:
    return _QUOTED.sub(" ", caption)


def _piece(caption: str) -> tuple[Piece, TextRank | None]:
    prefixed = _PREFIX.fullmatch(caption)
    if prefixed and prefixed[1].lower() in ROLE_NAMES:
        name, words = prefixed[1].lower(), prefixed[2].strip()
        role = ROLE_NAMES[name]
        if role is LayerRole.TEXT:
            return _text_piece(words, _rank(name))
        return Piece(role, words), None
    role = _role_by_words(caption)
    if role is LayerRole.TEXT:
        return _text_piece(caption, _rank(_head(caption)))
    return Piece(role, caption.strip()), None


def _text_piece(caption: str, rank: TextRank | None) -> tuple[Piece, TextRank | None]:
    known = TextRank.BODY if rank is None else rank
    return Piece(LayerRole.TEXT, caption.strip(), _written(caption), known), rank


def _role_by_words(caption: str) -> LayerRole:
    """By the words of the head of the phrase: "a border of stars" is a border.

    Text needs quoted words, or there would be nothing to write; what is mostly a quotation is text.
    """
    quoted = sum(map(len, quoted_texts(caption)))
    if quoted and 2 * quoted >= len(caption.strip()):
        return LayerRole.TEXT
    words = _head(caption)
    for word in reversed(re.findall(r"\w+", words)):  # the last noun is what the others describe
        role = _ROLE_OF_WORD.get(word)
        if role is LayerRole.TEXT and not quoted:
            role = LayerRole.UNDERLAY if word == "button" else None
        if role is not None:
            return role
    return LayerRole.IMAGE


def _head(caption: str) -> str:
    return _AFTER_HEAD.split(without_quotations(caption).lower(), maxsplit=1)[0]


def _written(caption: str) -> str:
    """What is to be read: what stands in quotation marks, else all of it."""
    return "\n".join(quoted_texts(caption)) or caption.strip()


def _rank(words: str) -> TextRank | None:
    found = set(re.findall(r"\w+", words.lower()))
    return next((rank for rank, names in _RANK_WORDS.items() if names & found), None)


def _quiet(text: str) -> TextRank:
    return TextRank.SUBTITLE if len(text) <= _LONGEST_TITLE else TextRank.BODY
