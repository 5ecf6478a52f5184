"""Documents for the formats of slides and web pages, and programs that draw those files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Role, TextContent
from layerstudio.geometry import Bounds, Extent

EXTENT = Extent(157, 111)
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


def picture(bounds: Bounds, seed: int, low: int = 0, dtype: type = np.uint8) -> np.ndarray:
    """Smooth colours, and alpha that falls from the middle; ``low`` is the least alpha."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : bounds.height, 0 : bounds.width].astype(np.float32)
    rgba = np.empty((*bounds.extent.shape, 4), np.float32)
    for channel in range(3):
        a, b, c = rng.uniform(0.02, 0.15), rng.uniform(0.02, 0.15), rng.uniform(0, 6)
        rgba[..., channel] = 0.5 + 0.5 * np.sin(a * x + b * y + c)
    reach = np.hypot(x / bounds.width - 0.5, y / bounds.height - 0.5)
    rgba[..., 3] = np.maximum(np.clip(1.6 - 3 * reach, 0, 1), low / 255)
    return np.rint(rgba * np.iinfo(dtype).max).astype(dtype)


def layer(
    name: str, bounds: Bounds, seed: int, low: int = 0, dtype: type = np.uint8, **fields
) -> Layer:
    return Layer(name, bounds, picture(bounds, seed, low, dtype), **fields)


def background(dtype: type = np.uint8) -> Layer:
    full = Bounds.full(EXTENT)
    return layer("Background", full, 1, 255, dtype=dtype, role=Role.BACKGROUND)


def mask(bounds: Bounds, outside: int = 0) -> Mask:
    ramp = np.linspace(0, 255, bounds.width).astype(np.uint8)
    return Mask(bounds, np.repeat(ramp[None], bounds.height, axis=0), outside)


def rich_document(dtype: type = np.uint8) -> Document:
    """Every feature: modes known and unknown to CSS, groups, masks, clipping, off-canvas parts."""
    group = Group(
        "Gruppe <b>",
        (
            layer("in group", Bounds(20, 15, 61, 47), 3, blend=BlendMode.MULTIPLY),
            layer("Überlappung 図", Bounds(45, 33, 50, 40), 4, opacity=0.6),
        ),
        opacity=0.7,
        blend=BlendMode.NORMAL,
        mask=mask(Bounds(18, 10, 70, 60), 1),
    )
    return Document(
        EXTENT,
        (
            background(dtype),
            layer('"quoted" & <script>', Bounds(-20, -13, 71, 55), 2, blend=BlendMode.SCREEN),
            group,
            layer("masked", Bounds(80, 50, 60, 50), 5, mask=mask(Bounds(90, 40, 30, 70))),
            layer("base", Bounds(60, 5, 43, 39), 6),
            layer("clipped", Bounds(70, 0, 50, 30), 7, clipped=True, blend=BlendMode.DIFFERENCE),
            layer("vivid", Bounds(9, 60, 61, 41), 8, blend=BlendMode.VIVID_LIGHT, opacity=0.8),
            layer("hidden", Bounds(0, 0, 157, 60), 9, 255, visible=False),
            Layer("empty", Bounds(5, 5, 0, 0), np.zeros((0, 0, 4), np.uint8)),
            layer("far away", Bounds(400, 300, 9, 9), 10),
            layer("dot", Bounds(150, 100, 1, 1), 11, 255),
        ),
        metadata={"title": "Title </script><b>&"},
    )


def text_layer(string: str = "Hello\nlayers", align: str = "left", size: int = 24) -> Layer:
    """Black DejaVu Sans with its true baseline, as a method that reads text would give it."""
    if not FONT.exists():
        pytest.skip("DejaVu Sans is not installed")
    font = ImageFont.truetype(str(FONT), size)
    image = Image.new("L", EXTENT)
    pen = ImageDraw.Draw(image)
    place = (17, 20) if align == "left" else (80, 20)
    anchor = {"left": "la", "center": "ma", "right": "ra"}[align]
    if "\n" not in string:
        pen.text(place, string, 255, font=font, anchor=anchor)
    else:
        pen.multiline_text(place, string, 255, font=font, anchor=anchor, align=align)
    alpha = np.asarray(image)
    box = Bounds.of_mask(alpha)
    pixels = np.zeros((*box.extent.shape, 4), np.uint8)
    pixels[..., 3] = alpha[box.slices]
    baseline = place[1] + font.getmetrics()[0]
    text = TextContent(string, "DejaVu Sans", size, (0, 0, 0), box, align=align, baseline=baseline)
    return Layer(string.split("\n")[0], box, pixels, role=Role.TEXT, text=text)


def white() -> Layer:
    pixels = np.full((*EXTENT.shape, 4), 255, np.uint8)
    return Layer("White", Bounds.full(EXTENT), pixels, role=Role.BACKGROUND)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of the boxes around what is dark in two pictures (h, w, 3 or 4)."""
    one, other = (Bounds.of_mask(picture[..., :3].max(axis=-1) < 128) for picture in (a, b))
    common = one.intersection(other).area
    return common / (one.area + other.area - common)


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def rendered(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGBA"))


def chromium_shot(address: str, extent: Extent, folder: Path, *options: str) -> np.ndarray:
    """A page as headless Chromium shows it, (h, w, 4)."""
    shot = folder / "shot.png"
    switches = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
        "--default-background-color=00000000",
    ]
    command = [
        program("chromium"),
        *switches,
        f"--user-data-dir={folder / 'profile'}",
        # The page is smaller than the window, and windows have a least size.
        f"--window-size={extent.width + 500},{extent.height + 300}",
        f"--screenshot={shot}",
        *options,
        address,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return rendered(shot)[: extent.height, : extent.width]


def difference(drawn: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of two straight pictures in 255ths, colour weighted by alpha."""
    assert drawn.shape == expected.shape, (drawn.shape, expected.shape)
    one, other = (picture.astype(np.float32) / 255 for picture in (drawn, expected))
    for picture_ in (one, other):
        picture_[..., :3] *= picture_[..., 3:]
    return round(float(np.abs(one - other).max() * 255), 3)
