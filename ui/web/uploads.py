"""What a session has uploaded: files in its own folder, known by random ids.

A file lies in a folder of a random name, under a name made from the one that it came with, so that
errors can name it. What a file is follows from its content.
"""

from __future__ import annotations

import errno
import re
import secrets
import shutil
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from layerstudio.color import to_depth
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Extent
from layerstudio.io.limits import Limits
from layerstudio.io.names import file_stem
from layerstudio.io.picture import read_picture
from layerstudio.io.probe import probe
from layerstudio.picture import Picture
from layerstudio.ui.web.errors_json import NoRoom, NotFound, TooLarge
from layerstudio.ui.web.options import WebOptions
from layerstudio.viewing import png_bytes

_MOST_FILES = 32
_TOTAL = 4  # times the largest upload that all of a session may have together
_THUMB_SIDE = 320
_NAME_LENGTH = 120
# Names that no file made from a user's can have: those never begin with a dot.
_INCOMING, _THUMB = ".incoming", ".thumbnail"
# Decoding takes a multiple of a file's size in memory; one at a time is enough for a person.
_decoding = threading.Lock()


@dataclass(frozen=True)
class Upload:
    """A file of a session. ``name`` is what it was called, for showing only."""

    id: str
    path: Path
    name: str
    kind: Literal["picture", "document"]
    extent: Extent
    notes: tuple[str, ...] = ()

    def view(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "width": self.extent.width,
            "height": self.extent.height,
            "notes": list(self.notes),
            "thumb": f"/studio/upload/{self.id}.png",
        }


class Incoming:
    """A file that is being received; nothing of it stays unless it was finished."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.path = folder / _INCOMING
        self._most = most_bytes
        self._bytes = 0
        self._file = self.path.open("wb")

    def write(self, data: bytes) -> None:
        """Raises ``TooLarge`` over the limit and ``NoRoom`` on a full disk."""
        self._bytes += len(data)
        if self._bytes > self._most:
            raise TooLarge(
                f"The file has more than {self._most:,} bytes, the most that is taken.",
                advice="The studio can be started with a higher --max-upload.",
            )
        try:
            self._file.write(data)
        except OSError as error:
            raise _no_room(error) from error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:  # the rest of the buffer, on a full disk
            raise _no_room(error) from error

    def abandon(self) -> None:
        """Remove the file, unless it was taken."""
        with suppress(OSError):  # of what no longer fits on the disk
            self._file.close()
        if self.path.exists():
            shutil.rmtree(self.folder, ignore_errors=True)


class Uploads:
    """The files of one session. Thread-safe; the oldest go when there are too many."""

    def __init__(self, folder: Callable[[], Path], options: WebOptions) -> None:
        """``folder`` answers the session's folder, made when it is first asked for."""
        self._folder = folder
        self._options = options
        self._lock = threading.Lock()
        self._uploads: dict[str, Upload] = {}

    def get(self, upload_id: str) -> Upload:
        """Raises ``NotFound`` for what is no upload of this session."""
        with self._lock:
            found = self._uploads.get(upload_id)
        if found is None:
            raise NotFound("This upload is not there any more.", advice="Upload the file again.")
        return found

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """A place for a new file, which ``add`` takes; otherwise it is removed."""
        folder = self._folder() / f"upload-{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        incoming = Incoming(folder, self._options.max_upload_bytes)
        try:
            yield incoming
        finally:
            incoming.abandon()

    def add(self, incoming: Incoming, name: str) -> Upload:
        """Look into a complete file and keep it.

        Raises ``TooLarge`` for a canvas over the limit, before anything is decoded, and
        ``UnreadableFile`` for what is neither a picture nor a layered file.
        """
        incoming.close()
        self._folder()  # which a session that ended meanwhile does not have
        shown = shown_name(name)
        named = incoming.folder / file_stem(shown, set(), "picture")
        incoming.path.rename(named)
        try:
            upload = self._understood(named, shown)
        except BaseException:
            shutil.rmtree(incoming.folder, ignore_errors=True)
            raise
        with self._lock:
            self._uploads[upload.id] = upload
        self._make_room(upload)
        return upload

    def copy_of(self, path: Path, name: str) -> Upload:
        """A file of the package as an upload."""
        with self.incoming() as incoming:
            incoming.write(path.read_bytes())
            return self.add(incoming, name)

    def thumbnail(self, upload_id: str) -> bytes:
        """A PNG of at most 320 pixels a side; raises ``UnreadableFile`` for a broken document."""
        upload = self.get(upload_id)
        thumb = upload.path.with_name(_THUMB)
        if not thumb.exists():
            with _decoding:
                picture = read_picture(upload.path, self._options.limits)
                _write_thumbnail(picture, thumb)
        return thumb.read_bytes()

    def _understood(self, path: Path, shown: str) -> Upload:
        limits = self._options.limits
        with _decoding:
            found = probe(path, limits)
            _check_pixels(found.extent, limits, shown)
            final = path.rename(path.with_name(_stem(path) + found.suffix))
            upload = Upload(secrets.token_urlsafe(12), final, shown, found.kind, found.extent)
            if found.kind == "document":
                return upload
            # A document is read when it is opened; a picture is small enough to be sure now.
            picture = read_picture(final, limits)
            _write_thumbnail(picture, final.with_name(_THUMB))
        return Upload(
            upload.id, final, shown, "picture", picture.extent, notes=tuple(picture.notes)
        )

    def _make_room(self, newest: Upload) -> None:
        most = _TOTAL * self._options.max_upload_bytes
        with self._lock:
            sizes = {it.id: it.path.stat().st_size for it in self._uploads.values()}
            gone: list[Upload] = []
            for upload in list(self._uploads.values()):
                if len(self._uploads) <= _MOST_FILES and sum(sizes.values()) <= most:
                    break
                if upload is not newest:
                    gone.append(self._uploads.pop(upload.id))
                    del sizes[upload.id]
        for upload in gone:
            shutil.rmtree(upload.path.parent, ignore_errors=True)


def shown_name(name: str) -> str:
    """A file's name as it came, without folders, control and format characters, at most 120 long.

    It is text to show, which a page has to escape like all text; no path is made from it.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in unicodedata.normalize("NFC", last) if c.isprintable())
    return kept.strip()[-_NAME_LENGTH:] or "picture"


def _stem(path: Path) -> str:
    """The name without a suffix that looks like one: "No. 5" is whole."""
    suffix = path.suffix
    return path.stem if re.fullmatch(r"\.[A-Za-z0-9]{1,6}", suffix) else path.name


def _check_pixels(extent: Extent, limits: Limits, shown: str) -> None:
    if extent.pixel_count > limits.pixels:
        raise TooLarge(
            f"{shown!r} has {extent.pixel_count:,} pixels ({extent}), more than the limit of"
            f" {limits.pixels:,}.",
            advice="Make it smaller, or start the studio with a higher --max-pixels.",
        )
    if extent.pixel_count == 0:
        raise UnreadableFile(f"{shown!r} is broken: it has no pixels.")


def _write_thumbnail(picture: Picture, path: Path) -> None:
    image = Image.fromarray(to_depth(picture.pixels, np.dtype(np.uint8)))
    image.thumbnail((_THUMB_SIDE, _THUMB_SIDE))
    path.write_bytes(png_bytes(np.asarray(image)))


def _no_room(error: OSError) -> NoRoom:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom("The studio's disk is full.", advice="Make room and try again.")
    return NoRoom(f"The upload could not be stored: {error.strerror or error}.")
