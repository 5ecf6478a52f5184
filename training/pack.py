"""Pack what designs are drawn from into one file, for training on a machine without network.

    nice python -m training.pack --out FILE.zip

Needs what ``Assets.best`` draws from: Debian's openclipart-svg and librsvg2-bin, and its packages
of wallpapers. Recipes then train from the file: ``python -m training.peel --assets FILE.zip``.
Drawings of train and dev are packed, those reserved for evaluation never; photographs of train
alone, each with its author and licence. Fonts and the bundled photographs are in the repository.

The same assets give the same bytes. All is packed without loss where the limit allows, so that
designs are to the bit those of ``Assets.best``; else photographs become smaller first, since the
network counts exactly equal neighbours and drawings have the most of those. Where that is not
enough, whole drawings are left out, the same share of each split.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import math
import os
import sys
import uuid
import zipfile
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest, LayerStudioError, UnreadableFile, UnwritableFile
from layerstudio.io.archive import add
from training.assets import Assets, OpenClipart
from training.packed import INDEX, Index, PackedPhotograph
from training.photographs import PHOTOGRAPH_SIDE, PhotographSource, Wallpapers, within
from training.splits import Split, split_of
from training.sprites import SpriteSource

LIMIT_MB = 60.0  # millions of bytes
_SPLITS: tuple[Split, ...] = ("train", "dev")
_PARTS = 1000  # the share of drawings that is packed is a whole number of these
_LEAST = 100  # of those parts; a file with fewer drawings is not worth its name
_SHOWN = 400  # drawings between two lines of progress
_ENTRY_BYTES = 30 + 46  # of a zip, besides twice its name (APPNOTE.TXT, 4.3.7 and 4.3.12)
_END_BYTES = 22  # of a zip (4.3.16)
_Pixels = TypeVar("_Pixels", U8, U8 | None)


@dataclass(frozen=True)
class Grade:
    """How photographs are packed: their longest side, and WebP's quality, None without loss."""

    side: int
    quality: int | None

    def __str__(self) -> str:
        how = "without loss" if self.quality is None else f"WebP quality {self.quality}"
        return f"{how}, up to {self.side} pixels"


# How far the share of equal neighbours in a photograph of a design is off, in the mean of 22
# photographs: .03 at quality 98, .16 at 85.
GRADES = (
    Grade(PHOTOGRAPH_SIDE, None),
    Grade(PHOTOGRAPH_SIDE, 98),
    Grade(PHOTOGRAPH_SIDE, 95),
    Grade(PHOTOGRAPH_SIDE, 90),
    Grade(PHOTOGRAPH_SIDE, 85),
    Grade(1000, 85),
    Grade(640, 85),
)


@dataclass(frozen=True)
class Packed:
    """What was packed, of how much: ``usable`` drawings and all of them, by split."""

    path: Path
    size: int
    limit: int
    drawings: dict[Split, int]
    usable: dict[Split, int]
    photographs: int
    grade: Grade

    def __str__(self) -> str:
        drawings = ", ".join(
            f"{self.drawings[split]} of {self.usable[split]} usable drawings of {split}"
            for split in _SPLITS
        )
        return (
            f"{self.path}: {self.size / 1e6:.1f} of at most {self.limit / 1e6:g} MB; {drawings}; "
            f"{self.photographs} photographs ({self.grade})."
        )


def main() -> None:
    options = _options()
    try:
        if not OpenClipart.is_installed():
            raise InvalidRequest(
                "The drawings of openclipart or rsvg-convert are missing.",
                advice="Install Debian's openclipart-svg and librsvg2-bin.",
            )
        wallpapers = Wallpapers()
        missing = wallpapers.missing()
        if missing:
            packages = ", ".join(sorted(set(missing.values())))
            print(f"{len(missing)} photographs are missing; they are in {packages}.")
        assets = Assets(OpenClipart(), more=wallpapers)
        print(pack(assets, Path(options.out), options.limit_mb, told=_tell))
    except LayerStudioError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing was written.")


def pack(
    assets: Assets,
    target: Path,
    limit_mb: float = LIMIT_MB,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Packed:
    """Write drawings and more photographs of ``assets`` to ``target``, of at most ``limit_mb``.

    ``told`` hears how many drawings are read, of how many. Raises ``InvalidRequest`` where the
    limit is too small, ``UnreadableFile`` for a source that is broken, ``UnwritableFile`` where the
    target cannot be written; a target that was there is then as before.
    """
    if not (math.isfinite(limit_mb) and limit_mb > 0):
        raise InvalidRequest(f"A limit of {limit_mb:g} MB is none.", advice="Give a number over 0.")
    limit = int(limit_mb * 1e6)
    _check(target)
    drawings = _read_drawings(assets.sprites, told)
    contents, grade = _fitted(assets, drawings, limit)
    size = _written(contents.members, target)
    kept = {name for name, member in contents.index.sprites.items() if member is not None}
    usable = {name for name, data in drawings.items() if data is not None}
    return Packed(
        target, size, limit, _by_split(kept), _by_split(usable),
        len(contents.index.photographs), grade,
    )  # fmt: skip


@dataclass(frozen=True)
class _Contents:
    """``members`` are all entries of the file, the index among them."""

    index: Index
    members: dict[str, bytes]

    @property
    def size(self) -> int:
        """In bytes, of the file."""
        entries = (
            _ENTRY_BYTES + 2 * len(name.encode()) + len(data) for name, data in self.members.items()
        )
        return sum(entries) + _END_BYTES


def _fitted(
    assets: Assets, drawings: dict[str, bytes | None], limit: int
) -> tuple[_Contents, Grade]:
    """The best grade of photographs with all drawings, else the lowest with as many as fit."""
    grade, photographs = GRADES[0], {}
    for grade in GRADES:
        photographs = _read_photographs(assets.more, grade)
        contents = _contents(assets, drawings, photographs)
        if contents.size <= limit:
            return contents, grade

    def size(parts: int) -> int:
        return _contents(assets, _share(drawings, parts), photographs).size

    parts = bisect_right(range(_PARTS + 1), limit, key=size) - 1
    if parts < _LEAST:
        raise InvalidRequest(
            f"Too few drawings fit into {limit / 1e6:g} MB.",
            advice=f"Give a limit of at least {math.ceil(size(_LEAST) / 1e4) / 100:g} MB.",
        )
    return _contents(assets, _share(drawings, parts), photographs), grade


def _share(drawings: dict[str, bytes | None], parts: int) -> dict[str, bytes | None]:
    """``parts`` thousandths of the drawings of each split, the same ones every time, in order.

    Which ones goes by the SHA-1 of the word "pack" and the name: splits go by that of the name
    alone, so that the two say nothing of each other.
    """
    kept: set[str] = set()
    for split in _SPLITS:
        names = sorted((name for name in drawings if split_of(name) == split), key=_order)
        kept.update(names[: math.ceil(len(names) * parts / _PARTS)])
    return {name: data for name, data in drawings.items() if name in kept}


def _order(name: str) -> str:
    return hashlib.sha1(f"pack {name}".encode()).hexdigest()


def _contents(
    assets: Assets, drawings: dict[str, bytes | None], photographs: dict[str, bytes]
) -> _Contents:
    members: dict[str, bytes] = {}
    sprites: dict[str, str | None] = {}
    for name, data in drawings.items():
        sprites[name] = None
        if data is not None:
            sprites[name] = f"sprites/{len(members):05}.webp"
            members[f"sprites/{len(members):05}.webp"] = data
    known: dict[str, PackedPhotograph] = {}
    for number, (name, data) in enumerate(photographs.items()):
        assert assets.more is not None
        member = f"photographs/{number:03}.webp"
        known[name] = PackedPhotograph(member, assets.more.credit(name))
        members[member] = data
    index = Index(assets.sprites.title, "public domain", sprites, known)
    return _Contents(index, {INDEX: index.text().encode(), **members})


def _read_drawings(
    source: SpriteSource, told: Callable[[int, int], None]
) -> dict[str, bytes | None]:
    """Lossless WebP of each drawing of train and dev, by name in order; None where not usable."""
    names = [name for name in source.names() if split_of(name) in _SPLITS]
    found: dict[str, bytes | None] = {}
    for name in names:
        pixels = _read(source.read, name)
        found[name] = None if pixels is None else _webp(pixels, None)
        told(len(found), len(names))
    return found


def _read_photographs(source: PhotographSource | None, grade: Grade) -> dict[str, bytes]:
    """WebP of each, by name in order."""
    if source is None:
        return {}
    read = ((name, _read(source.read, name)) for name in source.names())
    return {name: _webp(within(pixels, grade.side), grade.quality) for name, pixels in read}


def _read(read: Callable[[str], _Pixels], name: str) -> _Pixels:
    try:
        return read(name)
    except OSError as error:
        raise UnreadableFile(f"{name!r} cannot be read: {error}.") from error


def _webp(pixels: U8, quality: int | None) -> bytes:
    """Without loss, colours of clear pixels too, where ``quality`` is None."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if quality is None:
        image.save(buffer, "WEBP", lossless=True, quality=75, method=4, exact=True)
    else:
        image.save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def _check(target: Path) -> None:
    """Before the minutes that reading takes."""
    folder = target.parent
    try:
        if not folder.is_dir():
            raise UnwritableFile(f"The folder {str(folder)!r} does not exist.")
        if target.exists() and not target.is_file():
            raise UnwritableFile(f"{str(target)!r} is there and is no file.")
        if not os.access(folder, os.W_OK):
            raise UnwritableFile(f"The folder {str(folder)!r} cannot be written to.")
    except OSError as error:
        raise UnwritableFile(
            f"{str(target)!r} could not be written: {error.strerror or error}."
        ) from error


def _written(members: dict[str, bytes], target: Path) -> int:
    """The size of the file, written beside ``target`` and renamed."""
    partial = target.with_name(f".{uuid.uuid4().hex[:12]}.part")
    try:
        with zipfile.ZipFile(partial, "w") as archive:
            for name, data in members.items():
                add(archive, name, data)
        size = partial.stat().st_size
        partial.replace(target)
    except OSError as error:
        raise UnwritableFile(
            f"{str(target)!r} could not be written: {error.strerror or error}."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return size


def _by_split(names: set[str]) -> dict[Split, int]:
    return {split: sum(split_of(name) == split for name in names) for split in _SPLITS}


def _tell(done: int, total: int) -> None:
    if done % _SHOWN == 0 or done == total:
        print(f"{done} of {total} drawings read", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Pack drawings and photographs for training.")
    parser.add_argument("--out", required=True, metavar="FILE.zip")
    parser.add_argument("--limit-mb", type=float, default=LIMIT_MB, help="millions of bytes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
