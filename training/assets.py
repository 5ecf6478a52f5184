"""Sprites, photographs and fonts of which designs are made, behind one type.

Photographs and fonts come from the pack beside this file. Sprites come from the pack too, from
Debian's openclipart-svg, or from a file that ``training.pack`` made of that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import ImageFont

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest
from training.packed import FilePhotographs, FileSprites, PackedFile
from training.photographs import PhotographSource, Wallpapers
from training.splits import Split, split_of
from training.sprites import (
    OPENCLIPART,
    PACK,
    OpenClipart,
    PackedSprites,
    SpriteSource,
    decoded,
    drawings,
    pack_index,
    rendered_svg,
    shrunk,
    trimmed,
)

__all__ = [
    "OPENCLIPART",
    "PACK",
    "Assets",
    "OpenClipart",
    "PackedSprites",
    "assets_of",
    "decoded",
    "drawings",
    "rendered_svg",
    "trimmed",
]


@dataclass(frozen=True)
class Assets:
    """Everything a design is drawn from; a split sees only its own share.

    ``more`` photographs are trained on and belong to no design: those of dev and test, and so their
    scores, are the same wherever they are installed or not.
    """

    sprites: SpriteSource
    pack: Path = PACK
    more: PhotographSource | None = None

    @classmethod
    def bundled(cls) -> Assets:
        """The pack only: needs nothing that is not in the repository."""
        return cls(PackedSprites())

    @classmethod
    def best(cls, cache: Path | None = None) -> Assets:
        """openclipart-svg where it and rsvg-convert are installed, else the pack; wallpapers of
        Debian packages where they are installed."""
        sprites = OpenClipart(cache) if OpenClipart.is_installed() else PackedSprites()
        return cls(sprites, more=Wallpapers())

    @classmethod
    def packed(cls, path: Path) -> Assets:
        """From a file that ``training.pack`` wrote; raises ``UnreadableFile`` for any other.

        It holds drawings of train and dev; fonts and the pack's photographs are beside this file.
        """
        file = PackedFile(path)
        return cls(FileSprites(file), more=FilePhotographs(file))

    def sprite_names(self, split: Split) -> tuple[str, ...]:
        """Raise ``InvalidRequest`` where the source has none for ``split``."""
        names = tuple(name for name in self.sprites.names() if split_of(name) == split)
        if not names:
            raise InvalidRequest(
                f"{self.sprites.title} holds no clip art for the split {split!r}.",
                advice="Install Debian's openclipart-svg and librsvg2-bin.",
            )
        return names

    def sprite(self, name: str, side: int) -> U8 | None:
        """(h, w, 4) with its longest side ``side``; None where the drawing is not usable."""
        sprite = self.sprites.read(name)
        return None if sprite is None else shrunk(sprite, side)

    def photograph_names(self, split: Split) -> tuple[str, ...]:
        return self._names("photographs", split)

    def photograph(self, name: str) -> U8:
        """(h, w, 3)."""
        return decoded((self.pack / "photographs" / name).read_bytes(), "RGB")

    def training_photographs(self) -> list[U8]:
        """All of the train split, (h, w, 3) each."""
        found = [self.photograph(name) for name in self.photograph_names("train")]
        if self.more is not None:
            found += [self.more.read(name) for name in self.more.names()]
        return found

    def font_names(self, split: Split) -> tuple[str, ...]:
        return self._names("fonts", split)

    def font(self, name: str, size: float) -> ImageFont.FreeTypeFont:
        """The basic layout engine, since the other one is not in every build of Pillow."""
        path = self.pack / "fonts" / name
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)

    def family(self, name: str) -> str:
        """The family name of a font file, for live text."""
        return next(i["family"] for i in self._index["fonts"] if i["file"] == name)

    @cached_property
    def _index(self) -> dict[str, list[dict[str, str]]]:
        return pack_index(self.pack)

    def _names(self, kind: str, split: Split) -> tuple[str, ...]:
        return tuple(
            sorted(item["file"] for item in self._index[kind] if split_of(item["file"]) == split)
        )


def assets_of(name: str) -> Assets:
    """What a recipe is told to train from: "best", "pack" (the bundled one) or a packed file.

    Raises ``InvalidRequest`` for anything else, ``UnreadableFile`` for a file that is damaged or
    was made by something else.
    """
    if name == "best":
        return Assets.best()
    if name == "pack":
        return Assets.bundled()
    if not os.path.isfile(name):
        raise InvalidRequest(
            f"There are no assets {name!r}.",
            advice="Give 'best', 'pack' or a file made by python -m training.pack --out FILE.zip",
        )
    return Assets.packed(Path(name))
