"""A PNG per layer and a ``manifest.json``, in a folder or a zip: LayerStudio's own format.

Everything that a document holds comes back exactly. Layers are cropped to their bounds, file
names follow the layers' names, numbered from the bottom; ``composite.png`` shows the whole.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer, Mask, Node
from layerstudio.errors import UnreadableFile
from layerstudio.io import manifest
from layerstudio.io.archive import FolderShelf, Shelf, add, in_threads, open_zip
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.names import file_stem
from layerstudio.io.png_codec import decode_gray_png, decode_png, encode_png, png_extent
from layerstudio.ops.bleed import bleed as bleed_colour

MANIFEST = "manifest.json"
COMPOSITE = "composite.png"


@dataclass(frozen=True)
class _Job:
    name: str
    pixels: NDArray


def write(document: Document, path: Path, *, bleed: bool = False) -> tuple[str, ...]:
    """Write a zip where ``path`` ends in ``.zip``, else a folder; nothing is lost.

    ``bleed`` spreads colour under alpha 0 for programs that resample the PNGs (game engines,
    page layout); without it even invisible colour is kept.
    """
    jobs = _Jobs()
    data = manifest.describe(document, jobs.store, composite=COMPOSITE)
    files = _encoded(document, jobs.jobs, bleed)
    text = manifest.dumps(data, indent=1).encode()
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            add(archive, MANIFEST, text, packed=True)
            _write_all(files, partial(add, archive))
    else:
        path.mkdir()
        (path / MANIFEST).write_bytes(text)
        _write_all(files, lambda name, content: _write_below(path, name, content))
    return ()


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Read what ``write`` wrote; raises ``UnreadableFile`` for anything else."""
    if path.is_dir():
        return _read_shelf(FolderShelf(path, limits), limits)
    with open_zip(path, limits) as shelf:
        return _read_shelf(shelf, limits)


class _Jobs:
    """Gives every array a file name and remembers it."""

    def __init__(self) -> None:
        self.jobs: list[_Job] = []
        self._taken: set[str] = set()

    def store(self, node: Node, mask: Mask | None) -> str:
        if mask is not None:
            folder, pixels, name = "masks", mask.pixels, f"{node.name} mask"
        else:
            assert isinstance(node, Layer), node
            folder, pixels, name = "layers", node.pixels, node.name
        stem = file_stem(f"{len(self.jobs) + 1:03d} {name}", self._taken)
        self.jobs.append(_Job(f"{folder}/{stem}.png", pixels))
        return self.jobs[-1].name


def _encoded(document: Document, jobs: list[_Job], bleed: bool) -> Iterator[tuple[str, bytes]]:
    icc, dpi = document.icc_profile, document.dpi

    def encode(job: _Job) -> tuple[str, bytes]:
        if job.pixels.ndim == 2:
            return job.name, encode_png(job.pixels, dpi=dpi)
        pixels = bleed_colour(job.pixels) if bleed else job.pixels
        return job.name, encode_png(pixels, icc=icc, dpi=dpi)

    yield COMPOSITE, encode_png(bleed_colour(composite_pixels(document)), icc=icc, dpi=dpi)
    yield from in_threads(encode, jobs)


def _write_all(files: Iterator[tuple[str, bytes]], put: Callable[[str, bytes], Any]) -> None:
    for name, content in files:
        put(name, content)


def _write_below(root: Path, name: str, content: bytes) -> None:
    target = root / name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)


def _read_shelf(shelf: Shelf, limits: Limits) -> Document:
    text = shelf.read(MANIFEST)
    limits.check_text(text, MANIFEST)
    data = manifest.loads(text)
    if data is None:
        raise UnreadableFile(f"{MANIFEST} does not describe a layered picture.")
    return restore(data, shelf, limits)


def restore(data: dict[str, Any], shelf: Shelf, limits: Limits) -> Document:
    """The document of a manifest whose references are PNGs on ``shelf``."""
    wanted = manifest.references(data, limits)

    def decode(item: manifest.Reference) -> NDArray:
        content = shelf.read(str(item.ref))
        extent = png_extent(content)
        if extent != item.extent:
            raise UnreadableFile(f"{str(item.ref)[:200]!r} is {extent} pixels, not {item.extent}.")
        return (decode_gray_png if item.is_mask else decode_png)(content, limits)

    arrays = dict(zip((item.ref for item in wanted), in_threads(decode, wanted), strict=True))
    return manifest.restore(data, arrays)
