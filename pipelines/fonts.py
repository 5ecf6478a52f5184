"""The free fonts that are installed, and which of them can write a text."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FAMILIES = (
    "DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "Liberation Sans", "Liberation Serif",
    "Liberation Mono", "Liberation Sans Narrow", "Lato", "Open Sans", "Roboto", "Noto Sans",
    "Noto Serif", "Montserrat",
)  # fmt: skip
# Free families of the scripts that those above lack.
SCRIPT_FAMILIES = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP",
    "Noto Sans KR", "Source Han Sans SC", "Source Han Sans", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAGothic", "NanumGothic", "Noto Sans Arabic",
    "Noto Naskh Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Bengali",
    "Noto Sans Tamil", "Noto Sans Thai", "FreeSans", "FreeSerif", "Unifont",
)  # fmt: skip
_STYLES = {
    "regular": (False, False), "book": (False, False), "bold": (True, False),
    "italic": (False, True), "oblique": (False, True), "bold italic": (True, True),
    "bold oblique": (True, True),
}  # fmt: skip
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts",
            "/Library/Fonts", "C:/Windows/Fonts")  # fmt: skip
_TIMEOUT = 10.0  # seconds
_PROBE = 32  # px at which glyphs are looked at
_NO_CHARACTER = "\U0010ffff"  # for which every font draws its sign for what it lacks


@dataclass(frozen=True)
class Face:
    """One installed font file."""

    family: str
    bold: bool
    italic: bool
    path: str


@functools.cache
def installed_faces(families: tuple[str, ...] = FAMILIES) -> tuple[Face, ...]:
    """Regular, bold and italic faces of ``families``, by default a dozen common free ones, that are
    installed."""
    rows = _listed() if shutil.which("fc-list") else _walked()
    faces: dict[tuple[str, bool, bool], Face] = {}
    for family, style, path in rows:
        flags = _STYLES.get(style.lower())
        if family in families and flags is not None:
            faces.setdefault((family, *flags), Face(family, *flags, path))
    return tuple(faces[key] for key in sorted(faces))


def _listed() -> list[tuple[str, str, str]]:
    """Family, style and path from fontconfig's list."""
    command = ["fc-list", "--format", "%{family[0]}|%{style[0]}|%{file}\\n"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return _walked()
    rows = (line.split("|", 2) for line in done.stdout.decode("utf-8", "replace").splitlines())
    return sorted((row[0], row[1], row[2]) for row in rows if len(row) == 3)


def _walked() -> list[tuple[str, str, str]]:
    """The same from the font folders themselves."""
    rows = []
    for folder in _FOLDERS:
        for path in sorted(Path(folder).expanduser().rglob("*.[to]tf")):
            try:
                family, style = ImageFont.truetype(str(path), 16).getname()
            except OSError:
                continue  # a broken font file is no reason to know no fonts
            rows.append((family or "", style or "", str(path)))
    return rows


def writes(face: Face, characters: Iterable[str]) -> bool:
    """Whether a face has a glyph for each of ``characters``; False for a file that is damaged."""
    return all(_has_glyph(face.path, character) for character in set(characters))


@functools.lru_cache(maxsize=8192)
def _has_glyph(path: str, character: str) -> bool:
    if character.isspace():
        return True
    font = _probe(path)
    return font is not None and _drawn(font, character) != _drawn(font, _NO_CHARACTER)


@functools.lru_cache(maxsize=64)
def _probe(path: str) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(path, _PROBE)
    except OSError:
        return None


def _drawn(font: ImageFont.FreeTypeFont, character: str) -> bytes:
    picture = Image.new("L", (4 * _PROBE, 3 * _PROBE))
    ImageDraw.Draw(picture).text((_PROBE, 2 * _PROBE), character, 255, font, anchor="ls")
    return picture.tobytes()
