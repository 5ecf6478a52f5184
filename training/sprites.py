"""Sprites: single things cut out of their surroundings, by the file name of their drawing.

They come from the pack beside this file, or in their full variety from Debian's package
openclipart-svg, rendered by ``rsvg-convert``.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image

from layerstudio.color import U8, premultiply, to_float, to_u8, unpremultiply
from layerstudio.geometry import Bounds
from training.zips import SharedZip

PACK = Path(__file__).parent / "pack"
OPENCLIPART = Path("/usr/share/openclipart/svg")
SPRITE_SIDE = 288  # longest side of a stored sprite; designs only ever shrink it

# Folders that hold single things seen from outside. The others are icons of one set, flags,
# signs and maps, which look alike or fill their whole frame.
_FOLDERS = (
    *("animals", "buildings", "containers", "decorations", "education", "electronics", "food"),
    *("office", "people", "plants", "recreation", "science", "tools", "transportation"),
)
_NOT_INSIDE = ("roadsigns", "aiga-symbols", "cards", "weapons", "hummers", "pantyhose", "religion")
_MAX_SVG_BYTES = 300_000  # larger ones are traced photographs that take seconds to render


class SpriteSource(Protocol):
    """Cut-out pictures by file name."""

    title: str

    def names(self) -> tuple[str, ...]:
        """All file names, sorted."""
        ...

    def read(self, name: str) -> U8 | None:
        """(h, w, 4) straight alpha, trimmed to its content; None where it is not usable."""
        ...


class PackedSprites:
    """The sprites of the bundled pack."""

    title = "the bundled pack"

    def __init__(self, folder: Path = PACK) -> None:
        self._zip = SharedZip(folder / "sprites.zip")
        self._members = {item["file"]: item["member"] for item in pack_index(folder)["sprites"]}

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._members))

    def read(self, name: str) -> U8 | None:
        return decoded(self._zip.read(self._members[name]), "RGBA")


class OpenClipart:
    """Debian's openclipart-svg; renderings are kept in a cache folder."""

    title = "openclipart-svg"

    def __init__(self, cache: Path | None = None, root: Path = OPENCLIPART) -> None:
        self._cache = cache or _default_cache()
        self._files = drawings(root)

    @staticmethod
    def is_installed(root: Path = OPENCLIPART) -> bool:
        return root.is_dir() and shutil.which("rsvg-convert") is not None

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._files))

    def read(self, name: str) -> U8 | None:
        kept = self._cache / f"{hashlib.sha1(name.encode()).hexdigest()}.png"
        if not kept.exists():
            _store(kept, rendered_svg(self._files[name]))
        data = kept.read_bytes()
        sprite = trimmed(decoded(data, "RGBA")) if data else None
        return sprite if sprite is not None and is_good_sprite(sprite) else None


def rendered_svg(path: Path) -> bytes:
    """PNG of a drawing at ``SPRITE_SIDE``; empty bytes where rsvg-convert cannot draw it."""
    side = str(SPRITE_SIDE)
    command = ["rsvg-convert", "--keep-aspect-ratio", "-w", side, "-h", side, str(path)]
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=True).stdout
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return b""


def trimmed(sprite: U8) -> U8 | None:
    """Without the transparent rows and columns around it; None where nothing is left."""
    seen = sprite[..., 3] > 0
    if not seen.any():
        return None
    return sprite[Bounds.of_mask(seen).slices]


def is_good_sprite(sprite: U8) -> bool:
    """A thing cut out of its surroundings: large, mostly opaque, not a full frame, not a speck."""
    height, width = sprite.shape[:2]
    opaque = float((sprite[..., 3] > 250).mean())
    seen = float((sprite[..., 3] > 0).mean())
    if min(height, width) < 90 or not 0.25 <= opaque <= 0.93 or opaque < 0.8 * seen:
        return False
    parts, _, stats, _ = cv2.connectedComponentsWithStats((sprite[..., 3] > 20).astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    return parts <= 7 and areas.max() >= 0.9 * areas.sum()


def shrunk(sprite: U8, side: int) -> U8:
    """Resampled so that the longest side is ``side``, never enlarged."""
    height, width = sprite.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return sprite
    small = cv2.resize(premultiply(to_float(sprite)), size, interpolation=cv2.INTER_AREA)
    return to_u8(unpremultiply(small.astype(np.float32, copy=False)))


def drawings(root: Path = OPENCLIPART) -> dict[str, Path]:
    """openclipart-svg's cut-out drawings by file name."""
    found: dict[str, Path] = {}
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*.svg")):
            inside = path.relative_to(root).parts
            if path.stat().st_size <= _MAX_SVG_BYTES and not set(inside) & set(_NOT_INSIDE):
                found.setdefault(path.name, path)
    return found


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "layerstudio" / "sprites"


def _store(path: Path, data: bytes) -> None:
    """Written beside its place and renamed, so that a parallel run never reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)


def decoded(data: bytes, mode: str) -> U8:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert(mode))


@lru_cache(maxsize=4)
def pack_index(folder: Path) -> dict[str, list[dict[str, str]]]:
    return json.loads((folder / "index.json").read_text(encoding="utf-8"))
