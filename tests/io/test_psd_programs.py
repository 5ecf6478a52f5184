"""Our files in other programs: the same picture as our own composite."""

import numpy as np
import pytest

from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Layer, Mask
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import psd
from layerstudio.io.external import READERS, render

CANVAS = Extent(211, 157)
IN_KRITA = pytest.mark.xdist_group("krita")  # two of them at a time block each other


def reader(name):
    found = next(reader for reader in READERS if reader.name == name)
    if not found.is_installed:
        pytest.skip(f"{name} is not installed")
    return found


def disc(place, color, dtype, softness=1.0):
    """(h, w, 4): an ellipse that fills ``place``, its colour drifting to the right."""
    y, x = np.mgrid[: place.height, : place.width]
    radius = np.hypot(
        (x + 0.5) / place.width * 2 - 1,
        (y + 0.5) / place.height * 2 - 1,
    )
    pixels = np.zeros((*place.extent.shape, 4))
    pixels[..., :3] = color
    pixels[..., 0] = np.clip(pixels[..., 0] + x / place.width * 0.3, 0, 1)
    edge = min(place.extent) / 2 / softness
    pixels[..., 3] = np.clip((1 - radius) * edge, 0, 1)
    return np.rint(pixels * np.iinfo(dtype).max).astype(dtype)


def a_disc(name, place, color, dtype, softness=1.0, **fields):
    return Layer(name, place, disc(place, color, dtype, softness), **fields)


def backdrop(dtype):
    """A gradient with a half and a fully transparent corner."""
    top = np.iinfo(dtype).max
    y, x = np.mgrid[: CANVAS.height, : CANVAS.width]
    pixels = np.full((*CANVAS.shape, 4), top // 3, dtype)
    pixels[..., 0] = x / CANVAS.width * top
    pixels[..., 1] = y / CANVAS.height * top
    pixels[..., 3] = top
    pixels[:40, :60, 3] = top // 2
    pixels[:20, :30, 3] = 0
    return Layer("Background", Bounds.full(CANVAS), pixels)


def ramp(place, dtype):
    """A mask that rises from 0 at the left to 1 at the right."""
    row = np.linspace(0, np.iinfo(dtype).max, place.width)
    return np.broadcast_to(np.rint(row), place.extent.shape).astype(dtype)


def plain_layers(dtype):
    """What every program understands."""
    top = np.iinfo(dtype).max
    held = Bounds(125, 70, 70, 60)
    masked = a_disc(
        "masked",
        Bounds(120, 60, 80, 80),
        (0.9, 0.9, 0.1),
        dtype,
        mask=Mask(held, ramp(held, dtype)),
    )
    white = np.full((20, 20, 4), top, dtype)
    return (
        backdrop(dtype),
        a_disc("レイヤー 🎨", Bounds(-20, 30, 81, 63), (0.9, 0.1, 0.1), dtype, 10, opacity=0.7,
               blend=BlendMode.MULTIPLY),
        Group("グループ", (a_disc("base", Bounds(60, 20, 90, 100), (0.1, 0.8, 0.2), dtype),
                       Group("inner", (masked,), blend=BlendMode.NORMAL))),
        Layer("hidden", Bounds(0, 0, 20, 20), white, visible=False),
        Layer("one pixel", Bounds(200, 150, 1, 1), white[:1, :1] // 2),
        Layer("empty", Bounds(5, 5, 0, 0), white[:0, :0]),
        Layer("far away", Bounds(500, -300, 20, 20), white),
        a_disc("screen", Bounds(150, -10, 90, 60), (0.5, 0.5, 1.0), dtype, blend=BlendMode.SCREEN),
    )  # fmt: skip


def rich_layers(dtype):
    """And what Krita 5.1 leaves out: clipping, masks and opacities of groups."""
    held = Bounds(70, 30, 70, 60)
    group = Group(
        "group",
        (
            a_disc("base", Bounds(60, 20, 90, 100), (0.1, 0.8, 0.2), dtype),
            a_disc("clipped", Bounds(80, 40, 90, 90), (0.1, 0.1, 0.9), dtype, clipped=True),
        ),
        mask=Mask(held, ramp(held, dtype), outside=1),
    )
    inner = a_disc("inner", Bounds(20, 90, 80, 60), (1.0, 0.5, 0.0), dtype)
    return (
        *plain_layers(dtype),
        group,
        Group("half", (inner, inner.moved(30, 10)), opacity=0.5, blend=BlendMode.NORMAL),
    )


@pytest.mark.parametrize(
    ("program", "layers", "dtype", "options"),
    [
        ("ImageMagick", rich_layers, np.uint8, {}),
        ("ImageMagick", rich_layers, np.uint16, {"compression": "zip"}),
        ("GIMP", rich_layers, np.uint8, {}),
        ("GIMP", rich_layers, np.uint16, {"compression": "zip"}),
        pytest.param("Krita", plain_layers, np.uint8, {"compression": "zip"}, marks=IN_KRITA),
        pytest.param("Krita", plain_layers, np.uint16, {}, marks=IN_KRITA),
        pytest.param("Krita", plain_layers, np.uint16, {"compression": "zip"}, marks=IN_KRITA),
    ],
)
def test_the_same_picture_elsewhere(tmp_path, program, layers, dtype, options):
    found = reader(program)
    document = Document(CANVAS, layers(dtype))
    path = tmp_path / "rich.psd"
    psd.write(document, path, **options)
    ours, theirs = composite(document), render(found, path, CANVAS)
    error = 255 * np.abs(premultiplied(ours) - premultiplied(theirs))
    # 8-bit programs round after every layer; ImageMagick sees the merged picture through white.
    assert error.max() <= 2.0
    assert error.mean() <= 0.4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_psb_in_imagemagick(tmp_path, dtype):
    found = reader("ImageMagick")
    document = Document(CANVAS, rich_layers(dtype))
    path = tmp_path / "rich.psb"
    psd.write(document, path)
    error = premultiplied(composite(document)) - premultiplied(render(found, path, CANVAS))
    assert np.abs(error).max() <= 2 / 255


def premultiplied(picture):
    return np.dstack([picture[..., :3] * picture[..., 3:], picture[..., 3]])
