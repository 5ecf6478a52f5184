"""A board to lay out a picture on by hand: panels, soft shadows, clip art and lines of text.

Places are in pixels of the picture, colours "#rrggbb".
"""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from layerstudio.color import F32, U8, premultiply, to_float, to_u8, unpremultiply
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from training.assets import OPENCLIPART
from training.shapes import rounded_alpha, shadow_alpha
from training.splits import split_of

FONTS = Path("/usr/share/fonts/truetype")
_OVERSAMPLING = 4  # polygons and clip art are drawn this much larger, then reduced


class Board:
    """``picture`` (h, w, 3) float32 in [0, 1] is what has been painted so far."""

    def __init__(self, extent: Extent) -> None:
        self.extent = extent
        self.picture = np.zeros((*extent.shape, 3), np.float32)

    def pixels(self) -> U8:
        return to_u8(self.picture)

    def paint(self, alpha: F32, color: F32 | str, x: float, y: float) -> None:
        """``color``, one or (h, w, 3), with coverage ``alpha`` (h, w), its corner at (x, y)."""
        fill = rgb(color) if isinstance(color, str) else color
        where = Bounds(round(x), round(y), alpha.shape[1], alpha.shape[0])
        seen = where.clamped(self.extent)
        if seen.is_empty:
            return
        part = seen.relative_to(where).slices
        under = self.picture[seen.slices]
        above = fill if fill.ndim == 1 else fill[part]
        under += (above - under) * alpha[part][..., None]

    def gradient(self, box: Bounds, top: str, bottom: str, tilt: float = 0.0) -> None:
        """A linear gradient in ``box``: downwards, and with ``tilt`` 1 just as much to the right.

        Colours are interpolated in sRGB, as design programs do.
        """
        rows, columns = np.mgrid[: box.height, : box.width].astype(np.float32)
        along = rows / max(1, box.height - 1) + tilt * columns / max(1, box.width - 1)
        along = (along / (1 + tilt))[..., None]
        fill = rgb(top) * (1 - along) + rgb(bottom) * along
        self.paint(np.ones(box.extent.shape, np.float32), fill, box.x, box.y)

    def panel(
        self, box: Bounds, color: str, *, radius: float = 0, opacity: float = 1, shadow: float = 0
    ) -> None:
        """A rectangle with round corners; ``shadow`` is the sigma of one beneath it, 0 for none."""
        alpha = rounded_alpha(box.width - 2, box.height - 2, radius)
        if shadow:
            self.shadow(alpha, box.x, box.y, shadow, 0.3)
        self.paint(alpha * np.float32(opacity), color, box.x, box.y)

    def disc(self, x: float, y: float, radius: float, color: str, opacity: float = 1) -> None:
        side = round(2 * radius) + 2
        box = Bounds(round(x - side / 2), round(y - side / 2), side, side)
        self.panel(box, color, radius=radius, opacity=opacity)

    def polygon(self, corners: list[tuple[float, float]], color: str, opacity: float = 1) -> None:
        size = (self.extent.width * _OVERSAMPLING, self.extent.height * _OVERSAMPLING)
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).polygon(
            [(x * _OVERSAMPLING, y * _OVERSAMPLING) for x, y in corners], 255
        )
        alpha = np.asarray(mask.reduce(_OVERSAMPLING))
        self.paint(to_float(alpha) * np.float32(opacity), color, 0, 0)

    def shadow(self, silhouette: F32, x: float, y: float, sigma: float, strength: float) -> None:
        """A soft black shadow that falls down by its own softness."""
        alpha, margin = shadow_alpha(silhouette, sigma, strength)
        self.paint(alpha, "#000000", x - margin, y - margin + sigma)

    def clip_art(
        self, name: str, x: float, y: float, height: int, *, turn: float = 0, shadow: float = 0
    ) -> None:
        """A drawing centred at (x, y), ``height`` pixels high before it is turned (degrees)."""
        art = to_float(drawing(name, height, turn))
        left, top = x - art.shape[1] / 2, y - art.shape[0] / 2
        if shadow:
            self.shadow(art[..., 3], left, top, shadow, 0.35)
        self.paint(art[..., 3], art[..., :3], left, top)

    def text(
        self, x: float, y: float, string: str, font: str, size: int, color: str, anchor: str = "ls"
    ) -> None:
        """One line; ``anchor`` as Pillow's: (x, y) is by default the left end of the baseline."""
        face = ImageFont.truetype(FONTS / font, size, layout_engine=ImageFont.Layout.BASIC)
        mask = Image.new("L", self.extent)
        ImageDraw.Draw(mask).text((x, y), string, 255, face, anchor=anchor)
        self.paint(to_float(np.asarray(mask)), color, 0, 0)


def rgb(color: str) -> F32:
    """(3,) in [0, 1]."""
    return to_float(np.array(ImageColor.getrgb(color), np.uint8))


def drawing(name: str, height: int, turn: float) -> U8:
    """(h, w, 4) of a file below openclipart's folder, trimmed, ``height`` high, then turned.

    Raises ``InvalidRequest`` for a drawing that is reserved for evaluation.
    """
    path = OPENCLIPART / name
    if split_of(path.name) == "test":
        raise InvalidRequest(f"{path.name} is reserved for evaluation.")
    large = _trimmed(_rendered(path, 2 * _OVERSAMPLING * height))
    scale = _OVERSAMPLING * height / large.shape[0]
    size = (round(large.shape[1] * scale), _OVERSAMPLING * height)
    turned_premul = _turned(_resized(premultiply(to_float(large)), *size), turn)
    height, width = (side // _OVERSAMPLING for side in turned_premul.shape[:2])
    return to_u8(unpremultiply(_resized(turned_premul, width, height)))


def _resized(premul: F32, width: int, height: int) -> F32:
    return np.asarray(cv2.resize(premul, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _rendered(path: Path, height: int) -> U8:
    command = ["rsvg-convert", "--keep-aspect-ratio", "-h", str(height), str(path)]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def _trimmed(art: U8) -> U8:
    return art[Bounds.of_mask(art[..., 3] > 0).slices]


def _turned(premul: F32, degrees: float) -> F32:
    """Anticlockwise about the middle, in a frame large enough."""
    if degrees == 0:
        return premul
    height, width = premul.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = int(width * cos + height * sin) + 2, int(width * sin + height * cos) + 2
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return np.asarray(cv2.warpAffine(premul, matrix, size, flags=cv2.INTER_LINEAR), np.float32)
