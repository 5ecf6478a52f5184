"""File names made from what people call their layers."""

from __future__ import annotations

import re
import unicodedata

# Characters that Windows refuses in names, which holds the separators of every system.
_REFUSED = re.compile(r'[\\/:*?"<>|]+')
# Device names that Windows reserves, with any suffix after a dot.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.I)
# File systems allow 255 bytes; this leaves room for numbers, suffixes and zip tools' prefixes.
_MAX_BYTES = 96


def file_stem(name: str, taken: set[str], default: str = "layer") -> str:
    """A file name without suffix for ``name``, valid and distinct on every common system.

    Letters of all scripts and emoji stay; separators, refused, control, format and unassigned
    characters go, as do dots and spaces at the ends. ``taken`` holds the names given so far,
    folded as systems without case compare them; the new one is added to it.
    """
    stem = _clean(name) or default
    if _DEVICES.fullmatch(stem):
        stem = f"_{stem}"
    stem = _shortened(stem, _MAX_BYTES)
    unique, number = stem, 2
    while _folded(unique) in taken:
        suffix = f"-{number}"
        unique = _shortened(stem, _MAX_BYTES - len(suffix)) + suffix
        number += 1
    taken.add(_folded(unique))
    return unique


def _clean(name: str) -> str:
    composed = unicodedata.normalize("NFC", name)
    spaced = re.sub(r"\s+", " ", composed)
    kept = "".join(c for c in spaced if unicodedata.category(c)[0] != "C")
    return _REFUSED.sub("_", kept).strip(". ")


def _shortened(stem: str, size: int) -> str:
    """At most ``size`` bytes of UTF-8, no character cut in two."""
    return stem.encode()[:size].decode(errors="ignore").rstrip(". ")


def _folded(stem: str) -> str:
    return unicodedata.normalize("NFKC", stem).casefold()
