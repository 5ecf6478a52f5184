"""Result files as bytes, to travel between machines."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import NamedTuple


class Packed(NamedTuple):
    """A file as it is, or a folder as a tar archive."""

    is_folder: bool
    data: bytes


def packed(path: Path) -> Packed:
    if not path.is_dir():
        return Packed(False, path.read_bytes())
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(path, arcname=".")
    return Packed(True, buffer.getvalue())


def unpacked(sent: Packed, path: Path) -> None:
    """Write what was packed at ``path``; nothing in an archive can leave the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not sent.is_folder:
        path.write_bytes(sent.data)
        return
    path.mkdir()
    with tarfile.open(fileobj=io.BytesIO(sent.data)) as archive:
        archive.extractall(path, filter="data")
