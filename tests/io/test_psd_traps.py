"""Every trap of psd-tools 1.26 that made us write PSD ourselves, sprung on our files.

psd-tools reads them here, as it is no part of how they were written.
"""

import io

import layered
import numpy as np
import pytest
from PIL import Image
from psd_tools import PSDImage
from psd_tools.constants import Resource

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Group, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import psd, recipe


@pytest.fixture
def document():
    """Half of the canvas is transparent, so that transparency must survive."""
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (11, 17, 4), np.uint8)
    pixels[:, :6, 3] = 0
    pixels[:, 12:, 3] = 255
    layer = Layer("レイヤー 🎨", Bounds(0, 0, 17, 11), pixels)
    return Document(Extent(17, 11), (Group("グ", (layer,)),), dpi=150.0, icc_profile=None)


def opened(document, path):
    psd.write(document, path)
    return PSDImage.open(path)


def test_names_outside_macroman_and_over_255_characters(tmp_path, document):
    """psd-tools: UnicodeEncodeError at save, struct.error for long names."""
    file = opened(document, tmp_path / "names.psd")
    assert [layer.name for layer in file.descendants()] == ["グ", "レイヤー 🎨"]
    long = Document(Extent(3, 3), (Group("ж" * 300),))
    assert opened(long, tmp_path / "long.psd")[0].name == "ж" * 255


def test_alpha_is_transparency_and_not_a_mask(tmp_path, document):
    """psd-tools: a document of mode RGB turns it into a mask, which GIMP then shows."""
    layer = next(iter(opened(document, tmp_path / "alpha.psd").descendants(include_clip=True)))[0]
    assert not layer.has_mask()
    found = layer.numpy()[..., 3] * 255
    assert np.array_equal(np.rint(found), document.layers[0].pixels[:, 6:, 3])


@pytest.mark.parametrize("suffix", [".psd", ".psb"])
def test_the_flattened_picture_has_its_transparency(tmp_path, document, suffix):
    """psd-tools: a positive layer count leaves the fourth merged channel unflagged."""
    file = opened(document, tmp_path / f"flat{suffix}")
    preview = np.rint(file.numpy() * 255)
    expected = composite_pixels(document).astype(int)
    assert preview.shape == expected.shape
    assert np.array_equal(preview[..., 3], expected[..., 3])
    # Stored mixed with white, colour keeps half a level, so premultiplied it is off by one at most.
    weight = expected[..., 3:] / 255
    assert np.abs((preview - expected)[..., :3] * weight).max() <= 1


def test_the_flattened_picture_is_packed(tmp_path):
    """psd-tools: stored raw at four bytes per pixel."""
    path = tmp_path / "plain.psd"
    pixels = np.full((700, 900, 4), 255, np.uint8)
    psd.write(Document(Extent(900, 700), (Layer("plain", Bounds(0, 0, 900, 700), pixels),)), path)
    assert path.stat().st_size < 900 * 700 / 4


def test_wide_psb(tmp_path):
    """psd-tools: save, ``numpy`` and ``topil`` refuse an edge over 30,000 pixels even for PSB,
    and the header must say PSB before the first layer is made."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(1, 256, (3, 30_001, 4), np.uint8)
    layer = Layer("wide", Bounds(0, 0, 30_001, 3), pixels)
    file = opened(Document(Extent(30_001, 3), (layer,)), tmp_path / "wide.psb")
    assert file.version == 2
    alpha, *colors = [channel.get_data(30_001, 3, 8, 2) for channel in file[0]._channels]
    assert b"".join([*colors, alpha]) == np.moveaxis(pixels, -1, 0).tobytes()


def test_profile_resolution_recipe_and_thumbnail(tmp_path, document):
    """psd-tools: no argument writes any of them."""
    resources = opened(document, tmp_path / "resources.psd").image_resources
    assert resources.get_data(Resource.RESOLUTION_INFO).horizontal == 150 * 65536
    assert resources.get_data(Resource.ICC_PROFILE)[36:40] == b"acsp"
    found = recipe.from_xmp(resources.get_data(Resource.XMP_METADATA))
    assert found is not None and found.nodes
    thumbnail = Image.open(io.BytesIO(resources.get_data(Resource.THUMBNAIL_RESOURCE).data))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (17, 11))


def test_thumbnail_of_a_large_picture_is_small(tmp_path):
    pixels = np.zeros((300, 1000, 4), np.uint8)
    pixels[...] = (255, 0, 0, 255)
    large = Document(Extent(1000, 300), (Layer("red", Bounds(0, 0, 1000, 300), pixels),))
    thumbnail = opened(large, tmp_path / "large.psd").thumbnail()
    assert thumbnail is not None and thumbnail.size == (160, 48)
    red, green, blue = np.asarray(thumbnail.convert("RGB"))[20, 80].tolist()
    assert red > 240 and green < 15 and blue < 15


def test_locks_clipping_masks_and_offsets(tmp_path):
    rng = np.random.default_rng(2)
    pixels = rng.integers(1, 256, (4, 6, 4), np.uint8)
    mask = layered.Mask(Bounds(-1, 2, 3, 2), np.array([[0, 9, 255], [1, 2, 3]], np.uint8), 1, False)
    base = Layer("base", Bounds(-3, -2, 6, 4), pixels, locked=True, mask=mask, visible=False)
    top = Layer("top", Bounds(40, 50, 6, 4), pixels, opacity=0.5, clipped=True)
    found = opened(Document(Extent(9, 9), (base, top)), tmp_path / "parts.psd")
    assert [layer.bbox for layer in found] == [(-3, -2, 3, 2), (40, 50, 46, 54)]
    assert found[0].locks is not None and found[0].locks.complete
    assert not found[0].visible
    assert (found[0].mask.bbox, found[0].mask.background_color) == ((-1, 2, 2, 4), 255)
    assert found[0].mask.disabled
    assert np.array_equal(np.asarray(found[0].mask.topil()), mask.pixels)
    assert (found[1].opacity, found[1].clipping) == (128, True)
