"""Small pictures of every kind that the colour methods have to take apart."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from layerstudio.io.picture import read_picture
from layerstudio.picture import Picture


def flat_drawing(height=45, width=61):
    """Cream with a red disc that is half in shade and has a soft highlight; (h, w, 3) in [0, 1]."""
    ys, xs = np.mgrid[:height, :width].astype(np.float64)
    far = np.hypot(xs - 0.5 * width, ys - 0.5 * height)
    disc = np.clip(0.33 * height - far + 0.5, 0, 1)[..., None]
    rgb = np.array([0.96, 0.92, 0.82]) * (1 - disc) + np.array([0.8, 0.2, 0.16]) * disc
    shade = (0.5 * np.clip((ys - 0.5 * height) / 6, 0, 1))[..., None]
    rgb = rgb * (1 - shade) + shade * rgb * np.array([0.2, 0.15, 0.35])
    glow = 0.6 * np.exp(-((xs - 0.42 * width) ** 2 + (ys - 0.38 * height) ** 2) / 18)[..., None]
    return 1 - (1 - rgb) * (1 - glow)


def opaque(rgb, dtype=np.uint8):
    full = np.iinfo(dtype).max
    levels = np.rint(rgb * full).astype(dtype)
    return np.dstack([levels, np.full(levels.shape[:2], full, dtype)])


def jpeg(rgb) -> Picture:
    stream = io.BytesIO()
    Image.fromarray(opaque(rgb)[..., :3]).save(stream, "JPEG", quality=80)
    stream.seek(0)
    return read_picture(stream.getvalue())


def with_holes():
    pixels = opaque(flat_drawing())
    pixels[:, :20, 3] = 0
    pixels[:, 20:35, 3] = np.arange(15) * 17
    return pixels


def pictures() -> dict[str, Picture]:
    drawing = flat_drawing()
    noise = np.random.default_rng(0).random((13, 17, 3))
    clear = opaque(drawing)
    clear[..., 3] = 0
    greys = np.repeat(np.linspace(0, 1, 40)[None, :, None], 9, axis=0).repeat(3, axis=2)
    arrays = {
        "drawing": opaque(drawing),
        "16 bits": opaque(drawing, np.uint16),
        "alpha": with_holes(),
        "one pixel": opaque(np.full((1, 1, 3), 0.3)),
        "constant": opaque(np.full((7, 5, 3), 0.6)),
        "transparent": clear,
        "two colours": opaque(np.repeat([[[0.1, 0.2, 0.9], [1, 0.8, 0]]], 6, axis=0)),
        "greys": opaque(greys),
        "noise": opaque(noise),
        "one row": opaque(drawing[20:21]),
    }
    return {name: Picture(pixels) for name, pixels in arrays.items()} | {"jpeg": jpeg(drawing)}
