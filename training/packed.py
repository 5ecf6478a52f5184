"""Reads what ``training.pack`` wrote: sprites and photographs in one file.

The file is a zip of WebP pictures, none compressed again, and ``index.json``:

    {"format": ..., "source": ..., "licence": ...,
     "sprites": {drawing: member or null},
     "photographs": {name: {member, author, licence, package}}}

Drawings that are no usable sprite are listed with null, so that a seed draws the same design from
the file as from its source.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from layerstudio.color import U8
from layerstudio.errors import UnreadableFile
from training.photographs import Credit
from training.splits import split_of
from training.zips import SharedZip

INDEX = "index.json"
FORMAT = "layerstudio training assets 1"
_MOST_INDEX = 16 * 2**20  # bytes
_MOST_SIDE = 4096  # pixels of a picture's longest side
_ADVICE = "Make it again: python -m training.pack --out FILE.zip"
_BAD_FILE = (
    *(OSError, EOFError, ValueError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
_BAD_INDEX = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
_BAD_PICTURE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


@dataclass(frozen=True)
class PackedPhotograph:
    member: str
    credit: Credit


@dataclass(frozen=True)
class Index:
    """``sprites`` maps drawings to entries of the file, or to None where one is not usable."""

    source: str
    licence: str
    sprites: dict[str, str | None]
    photographs: dict[str, PackedPhotograph]

    def text(self) -> str:
        photographs = {
            name: {"member": item.member, **asdict(item.credit)}
            for name, item in self.photographs.items()
        }
        parts = {
            "format": FORMAT, "source": self.source, "licence": self.licence,
            "sprites": self.sprites, "photographs": photographs,
        }  # fmt: skip
        return json.dumps(parts, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def of(cls, text: bytes) -> Index:
        """Raises one of ``_BAD_INDEX`` for what ``text()`` did not make."""
        parts = json.loads(text)
        if parts["format"] != FORMAT:
            raise ValueError("another format")
        photographs = {
            name: PackedPhotograph(
                item["member"], Credit(item["author"], item["licence"], item["package"])
            )
            for name, item in parts["photographs"].items()
        }
        return cls(parts["source"], parts["licence"], dict(parts["sprites"]), photographs)

    @property
    def members(self) -> set[str]:
        sprites = {member for member in self.sprites.values() if member is not None}
        return sprites | {item.member for item in self.photographs.values()}


class PackedFile:
    """A packed file; workers may share it.

    Raises ``UnreadableFile`` for one that is missing, damaged, of another kind, or that holds
    reserved clip art or a photograph that is not of the train split.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip = SharedZip(path)
        try:
            entries = self._zip.entries
        except _BAD_FILE as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise UnreadableFile(
                f"{str(path)!r} is no packed file: {why}.", advice=_ADVICE
            ) from error
        if INDEX not in entries or entries[INDEX].file_size > _MOST_INDEX:
            raise UnreadableFile(f"{str(path)!r} has no index of sprites.", advice=_ADVICE)
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise UnreadableFile(f"{str(path)!r} was packed by something else.", advice=_ADVICE)
        try:
            self.index = Index.of(self._bytes(INDEX))
            missing = not self.index.members <= set(entries)
        except _BAD_INDEX as error:
            raise UnreadableFile(
                f"{str(path)!r} has an index that cannot be read.", advice=_ADVICE
            ) from error
        if missing:
            raise UnreadableFile(f"{str(path)!r} lacks pictures of its index.", advice=_ADVICE)
        self._refuse(name for name in self.index.sprites if split_of(name) == "test")
        self._refuse(name for name in self.index.photographs if split_of(name) != "train")

    def _refuse(self, reserved: Iterable[str]) -> None:
        name = next(iter(reserved), None)
        if name is not None:
            raise UnreadableFile(
                f"{str(self.path)!r} holds {name!r}, which must not be trained on.", advice=_ADVICE
            )

    def pixels(self, member: str, mode: str) -> U8:
        """(h, w, channels of ``mode``); raises ``UnreadableFile`` for a damaged picture."""
        data = self._bytes(member)
        try:
            with Image.open(io.BytesIO(data)) as image:
                if max(image.size) > _MOST_SIDE:
                    raise ValueError("too large")
                return np.asarray(image.convert(mode))
        except _BAD_PICTURE as error:
            raise self._damaged(member, error) from error

    def _bytes(self, member: str) -> bytes:
        try:
            return self._zip.read(member)
        except (*_BAD_FILE, KeyError) as error:
            raise self._damaged(member, error) from error

    def _damaged(self, member: str, error: Exception) -> UnreadableFile:
        return UnreadableFile(
            f"The entry {member!r} of {str(self.path)!r} is damaged: {error}.", advice=_ADVICE
        )


class FileSprites:
    """The sprites of a packed file."""

    def __init__(self, file: PackedFile) -> None:
        self._file = file
        self._names = tuple(sorted(file.index.sprites))
        self.title = f"the packed file {file.path.name!r}"

    def names(self) -> tuple[str, ...]:
        return self._names

    def read(self, name: str) -> U8 | None:
        member = self._file.index.sprites[name]
        return None if member is None else self._file.pixels(member, "RGBA")


class FilePhotographs:
    """The photographs of a packed file."""

    def __init__(self, file: PackedFile) -> None:
        self._file = file

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._file.index.photographs))

    def read(self, name: str) -> U8:
        return self._file.pixels(self._file.index.photographs[name].member, "RGB")

    def credit(self, name: str) -> Credit:
        return self._file.index.photographs[name].credit
