import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from layered import documents
from PIL import Image, ImageCms

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import recipe, save
from layerstudio.io.png import read_recipe
from layerstudio.io.png_codec import decode_png

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def soft_disc(dtype=np.uint8):
    """A disc with a soft edge on transparency; odd sides."""
    y, x = np.mgrid[:61, :83]
    top = np.iinfo(dtype).max
    pixels = np.empty((61, 83, 4), dtype)
    pixels[..., 0] = x * (top // 83)
    pixels[..., 1] = y * (top // 61)
    pixels[..., 2] = top // 3
    pixels[..., 3] = np.clip(1.5 - np.hypot(x - 40, y - 30) / 20, 0, 1) * top
    layer = Layer("disc", Bounds(0, 0, 83, 61), pixels)
    return Document(Extent(83, 61), (layer,), icc_profile=SRGB, dpi=300)


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(documents())
def test_png_is_the_composite_with_the_recipe(tmp_path, document):
    data = save(document, tmp_path / "a.png").read_bytes()
    pixels, expected = decode_png(data), composite_pixels(document)
    assert pixels.dtype == expected.dtype
    shown = expected[..., 3] > 0
    assert np.array_equal(pixels[shown], expected[shown])
    assert np.array_equal(pixels[..., 3], expected[..., 3])
    assert read_recipe(data) == recipe.of(document)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pillow_reads_the_png(tmp_path, dtype):
    document = soft_disc(dtype)
    with Image.open(save(document, tmp_path / "a.png")) as image:
        image.load()
        assert image.info["icc_profile"] == SRGB
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.02)
        assert recipe.from_json(image.text["layerstudio"]) == recipe.of(document)
        if dtype == np.uint8:
            pixels = np.asarray(image)
            shown = pixels[..., 3] > 0
            assert np.array_equal(pixels[shown], document.layers[0].pixels[shown])


def test_webp_keeps_every_visible_pixel_and_bled_colour(tmp_path):
    document = soft_disc()
    with Image.open(save(document, tmp_path / "a.webp")) as image:
        pixels = np.asarray(image.convert("RGBA"))
        assert image.info["icc_profile"] == SRGB
        assert recipe.from_xmp(image.info["xmp"]) == recipe.of(document)
        assert image.getexif()[282] == 300
    expected = document.layers[0].pixels
    shown = expected[..., 3] > 0
    assert np.array_equal(pixels[shown], expected[shown])
    assert np.array_equal(pixels[..., 3], expected[..., 3])
    assert (pixels[~shown][:, 2] > 80).all(), "colour under alpha 0 was dropped"


def test_webp_says_what_it_cannot_hold(tmp_path):
    from layerstudio.io.files import save_with_notes

    (note,) = save_with_notes(soft_disc(np.uint16), tmp_path / "a.webp")
    assert "16-bit" in note
    with pytest.raises(InvalidRequest, match=r"16,383"):
        save(Document(Extent(16384, 1)), tmp_path / "b.webp")
    assert not (tmp_path / "b.webp").exists()


def test_a_picture_can_be_read_from_memory_by_strangers(tmp_path):
    """The PNG that we write of 16-bit RGBA, which Pillow cannot write, is a sound PNG."""
    data = save(soft_disc(np.uint16), tmp_path / "a.png").read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
