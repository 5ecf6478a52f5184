"""Draw the three pictures of ``examples/``: a poster, a slide and an illustration.

    python -m training.examples [--photograph seeding_by_Clements_Engelhardt.jpg] [--out examples]

Needs Debian's openclipart-svg, librsvg2-bin, fonts-dejavu and fonts-liberation. The slide's
photograph is in Debian's lomiri-wallpapers-16.04 at full size; without it the pack's small copy is
used. Nothing is random: the same versions of these give the same pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from layerstudio.color import U8, to_float
from layerstudio.geometry import Bounds, Extent
from training.assets import PACK
from training.board import Board

_JPEG_QUALITY = 90
_WATER = 560.0  # the illustration's horizon
_BOLD = "liberation/LiberationSans-Bold.ttf"
_PLAIN = "liberation/LiberationSans-Regular.ttf"
_NARROW = "liberation/LiberationSansNarrow-Bold.ttf"
_SERIF_ITALIC = "dejavu/DejaVuSerif-Italic.ttf"
_SERIF_BOLD = "dejavu/DejaVuSerif-Bold.ttf"
_SANS_BOLD = "dejavu/DejaVuSans-Bold.ttf"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photograph", type=Path, default=PACK / "photographs" / "seeding.webp")
    parser.add_argument("--out", type=Path, default=Path("examples"))
    options = parser.parse_args()
    photograph = np.asarray(Image.open(options.photograph).convert("RGB"))
    options.out.mkdir(parents=True, exist_ok=True)
    Image.fromarray(poster()).save(options.out / "poster.png", optimize=True)
    Image.fromarray(slide(photograph)).save(
        options.out / "slide.jpg", quality=_JPEG_QUALITY, subsampling="4:2:0", optimize=True
    )
    Image.fromarray(illustration()).save(options.out / "illustration.png", optimize=True)


def poster() -> U8:
    """(1024, 1024, 3): a market's poster on a gradient, fruit with shadows, a translucent panel."""
    board = Board(Extent(1024, 1024))
    board.gradient(Bounds(0, 0, 1024, 1024), "#fff4d2", "#ff9d5c", tilt=0.4)
    green, deep = "#14532d", "#1c3d2a"
    board.text(72, 112, "OLD HARBOUR HALL PRESENTS", _BOLD, 28, green)
    board.text(64, 300, "CITRUS", _NARROW, 232, green)
    board.text(64, 492, "MARKET", _NARROW, 232, "#e2520f")
    board.text(74, 560, "Forty growers, one sunny Saturday", _SERIF_ITALIC, 33, deep)
    board.panel(Bounds(64, 690, 500, 262), "#ffffff", radius=28, opacity=0.82)
    board.panel(Bounds(96, 730, 8, 182), "#e2520f", radius=3)
    board.text(130, 768, "Saturday 13 June", _BOLD, 46, deep)
    board.text(130, 822, "9 am to 4 pm", _PLAIN, 36, deep)
    board.text(130, 868, "Quay Street 12", _PLAIN, 36, deep)
    board.text(130, 912, "Tastings all day, rain or shine", _SERIF_ITALIC, 22, "#8a3a10")
    _fruit(board)
    board.disc(898, 146, 90, green)
    board.text(898, 140, "FREE", _SANS_BOLD, 49, "#ffd43b", "ms")
    board.text(898, 186, "ENTRY", _SANS_BOLD, 34, "#ffffff", "ms")
    return board.pixels()


def _fruit(board: Board) -> None:
    fruit = "food/fruit/"
    board.clip_art(fruit + "rondelle_d_orange_01.svg", 852, 692, 420, turn=12, shadow=18)
    board.clip_art(fruit + "lime_half_ganson.svg", 624, 742, 196, turn=24, shadow=14)
    board.clip_art(fruit + "lemon_slice_ganson.svg", 878, 866, 268, turn=-22, shadow=16)
    board.clip_art(fruit + "lime_slice_ganson.svg", 690, 892, 196, turn=30, shadow=14)


def slide(photograph: U8) -> U8:
    """(720, 1280, 3): a photograph, a translucent panel, a list of three."""
    board = Board(Extent(1280, 720))
    board.picture[:] = to_float(_covering(photograph, board.extent))
    board.panel(Bounds(664, 64, 552, 592), "#fffdf6", radius=20, opacity=0.9, shadow=18)
    ink, green, amber = "#1f2a1c", "#3f7d20", "#f2a30f"
    board.panel(Bounds(712, 108, 214, 40), green, radius=18)
    board.text(819, 136, "CITY GARDENS", _BOLD, 22, "#ffffff", "ms")
    board.text(710, 222, "Let the", _SERIF_BOLD, 58, ink)
    board.text(710, 290, "meadow grow", _SERIF_BOLD, 58, ink)
    board.text(712, 338, "Three habits for a livelier lawn", _SERIF_ITALIC, 25, green)
    points = ("Mow the paths, leave the rest", "Sow native seed in autumn", "Count who comes back")
    for index, point in enumerate(points):
        y = 408 + 72 * index
        board.disc(738, y, 25, amber)
        board.text(738, y + 11, str(index + 1), _BOLD, 31, "#ffffff", "ms")
        board.text(784, y + 10, point, _PLAIN, 30, ink)
    board.text(712, 624, "Spring meeting, page 4", _PLAIN, 18, "#66705f")
    board.clip_art("animals/bugs/ladybug_01.svg", 1168, 150, 130, turn=-20, shadow=8)
    return board.pixels()


def _covering(photograph: U8, extent: Extent) -> U8:
    """The middle of ``photograph`` (h, w, 3), resampled to fill ``extent``."""
    height, width = photograph.shape[:2]
    scale = max(extent.width / width, extent.height / height)
    size = (max(extent.width, round(width * scale)), max(extent.height, round(height * scale)))
    smaller = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(photograph, size, interpolation=smaller)
    x, y = (size[0] - extent.width) // 2, (size[1] - extent.height) // 2
    return scaled[Bounds(x, y, *extent).slices].astype(np.uint8, copy=False)


def illustration() -> U8:
    """(900, 1200, 3): a bay in flat colours."""
    board = Board(Extent(1200, 900))
    board.gradient(Bounds(0, 0, 1200, 560), "#8ad0ef", "#fff1d2")
    board.disc(770, 452, 92, "#ffe27a")
    for x, y, size in ((170, 150, 1.0), (560, 96, 0.7), (1010, 300, 0.85)):
        _cloud(board, x, y, size)
    board.polygon(_ridge(((0, 130), (260, 176), (520, 90), (800, 0))), "#a9cbbd")
    board.polygon(_ridge(((500, 0), (800, 84), (1020, 168), (1200, 120))), "#86b39f")
    board.gradient(Bounds(0, 560, 1200, 340), "#4fb3cf", "#15597f")
    for index, width in enumerate((190, 130, 170, 90, 60)):
        y = 574 + 24 * index
        left = 770 - width // 2 + (14 if index % 2 else -10)
        board.panel(Bounds(left, y, width, 9), "#fff3b0", radius=3.4, opacity=0.7)
    _boats(board)
    _headland(board)
    board.clip_art("transportation/pallone_aerestatico_arch_01.svg", 985, 190, 250)
    for x, y, height in ((420, 250, 26), (476, 282, 18), (664, 236, 22)):
        board.clip_art("animals/birds/seagull_nicu_buculei_01.svg", x, y, height)
    return board.pixels()


def _cloud(board: Board, x: float, y: float, size: float) -> None:
    """One flat shape, a little translucent: three discs with a common foot."""
    part = Board(board.extent)
    for dx, dy, radius in ((-62, 0, 34), (-12, -26, 50), (54, -6, 40)):
        part.disc(x + dx * size, y + dy * size, radius * size, "#ffffff")
    part.panel(Bounds.from_edges(*_rounded(x, y, size, -62, -20, 54, 34)), "#ffffff")
    board.paint(part.picture[..., 0] * np.float32(0.85), "#ffffff", 0, 0)


def _rounded(x: float, y: float, size: float, *edges: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = edges
    return (round(x + left * size), round(y + top * size),
            round(x + right * size), round(y + bottom * size))  # fmt: skip


def _ridge(tops: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    """A hill's outline through ``tops`` (x, height above the water), smooth."""
    xs, heights = zip(*tops, strict=True)
    across = np.linspace(xs[0], xs[-1], 200)
    knots = np.interp(across, xs, heights)
    smooth = cv2.GaussianBlur(knots[None], (0, 0), 14, borderType=cv2.BORDER_REPLICATE)[0]
    outline = [(float(x), float(_WATER - h)) for x, h in zip(across, smooth, strict=True)]
    return [(xs[0], _WATER + 2), *outline, (xs[-1], _WATER + 2)]


def _boats(board: Board) -> None:
    boats = "transportation/boating/"
    board.clip_art(boats + "boat_jarno_vasamaa1.svg", 520, 526, 104)
    board.panel(Bounds(826, 800, 230, 16), "#ffffff", radius=6.5, opacity=0.3)
    board.clip_art(boats + "boat_jarno_vasamaa_.svg", 930, 640, 336)


def _headland(board: Board) -> None:
    """The near shore: rocks, grass, the lighthouse and its trees."""
    board.polygon(_shore(560, 60), "#56655a")
    board.polygon(_shore(470, 0), "#6fae5c")
    board.clip_art("transportation/lighthouse_matthew_gates_.svg", 210, 462, 430)
    evergreen = "plants/trees/evergreen/simple_evergreen_with_highlights_01.svg"
    for x, y, height in ((66, 590, 210), (338, 648, 170), (122, 716, 260)):
        board.clip_art(evergreen, x, y, height)


def _shore(reach: float, lower: float) -> list[tuple[float, float]]:
    """The quarter of a flat ellipse that falls off to the right, closed at the picture's corner."""
    angles = np.linspace(-np.pi / 2, 0, 80)
    curve = [(float(reach * np.cos(a)), float(902 + (290 - lower) * np.sin(a))) for a in angles]
    return [(0.0, 902.0), *curve]


if __name__ == "__main__":
    main()
