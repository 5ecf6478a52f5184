"""Files that tests give to a studio."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from layerstudio.document import Document, Group, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import save
from layerstudio.io.png_codec import encode_png

SIZE = Extent(320, 210)


def layered_file(folder: Path, name: str = "layers.ora") -> Path:
    """White, a red box at (20, 30) of 90 x 60, and a group of a green and a blue box."""
    nodes = (
        _box("white", Bounds.full(SIZE), (255, 255, 255)),
        _box("red", Bounds(20, 30, 90, 60), (220, 30, 30)),
        Group(
            "boxes",
            (
                _box("green", Bounds(150, 40, 60, 80), (30, 160, 60)),
                _box("blue", Bounds(180, 100, 100, 70), (40, 60, 200)),
            ),
        ),
    )
    path = folder / name
    save(Document(SIZE, nodes), path)
    return path


def busy_picture(folder: Path, width: int = 3600, height: int = 3000) -> Path:
    """Many flat shapes, which keep a decomposer busy for ten seconds or more."""
    rng = np.random.default_rng(4)
    pixels = np.full((height, width, 4), 255, np.uint8)
    for _ in range(1800):
        x, y = rng.integers(0, width - 80), rng.integers(0, height - 80)
        w, h = rng.integers(20, 160, 2)
        pixels[y : y + h, x : x + w, :3] = rng.integers(0, 256, 3)
    path = folder / "busy.png"
    path.write_bytes(encode_png(pixels))
    return path


def png_of_size(width: int, height: int) -> bytes:
    """A sound PNG in black and white, small whatever its size."""
    row = b"\0" + bytes(-(-width // 8))
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _box(name: str, bounds: Bounds, colour: tuple[int, int, int]) -> Layer:
    pixels = np.empty((*bounds.extent.shape, 4), np.uint8)
    pixels[...] = (*colour, 255)
    return Layer(name, bounds, pixels)
