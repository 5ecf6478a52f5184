"""PSD files that others wrote, sound and damaged."""

import struct

import foreign_psd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from psd_tools import PSDImage
from psd_tools.constants import Resource, Tag
from psd_tools.psd.base import ByteElement, EmptyElement
from psd_tools.psd.image_resources import ImageResource

from layerstudio.color import to_float
from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Role
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import psd
from layerstudio.io.limits import DEFAULT_LIMITS


def read(path):
    return psd.read(path, DEFAULT_LIMITS)


def read_bytes(data, path):
    path.write_bytes(data)
    return read(path)


def color_of(document):
    """(h, w, 3) in [0, 1] of the lowest layer."""
    return to_float(document.layers[0].pixels)[..., :3]


@pytest.mark.parametrize(("depth", "tolerance"), [(8, 0), (16, 0)])
def test_rgb(tmp_path, depth, tolerance):
    file, samples = foreign_psd.layered("RGB", depth)
    document = read(foreign_psd.saved(file, tmp_path / "rgb.psd"))
    assert document.notes == ()
    assert np.abs(color_of(document) - samples).max() <= tolerance + 1e-6
    assert document.dtype == (np.uint8 if depth == 8 else np.uint16)


def test_linear_light_of_32_bits(tmp_path):
    file, samples = foreign_psd.layered("RGB", 32)
    document = read(foreign_psd.saved(file, tmp_path / "float.psd"))
    encoded = np.where(samples <= 0.0031308, samples * 12.92, 1.055 * samples ** (1 / 2.4) - 0.055)
    assert np.abs(color_of(document) - encoded).max() < 2e-5
    assert any("32 bits" in note for note in document.notes)


def test_floats_that_are_no_colours(tmp_path):
    file, samples = foreign_psd.layered("RGB", 32)
    samples[0, :4] = [[np.nan] * 3, [np.inf] * 3, [-np.inf] * 3, [7.0, -7.0, 1e38]]
    foreign_psd.replace_samples(file, file[0], samples.astype(np.float32))
    found = read(foreign_psd.saved(file, tmp_path / "wild.psd")).layers[0].pixels
    assert found[0, :4, :3].tolist() == [[0] * 3, [65535] * 3, [0] * 3, [65535, 0, 65535]]


@pytest.mark.parametrize("depth", [8, 16])
def test_greys(tmp_path, depth):
    file, samples = foreign_psd.layered("L", depth)
    document = read(foreign_psd.saved(file, tmp_path / "grey.psd"))
    assert np.abs(color_of(document) - samples).max() < 1e-6
    assert any("greyscale" in note for note in document.notes)


@pytest.mark.parametrize("depth", [8, 16])
def test_inks_without_a_profile(tmp_path, depth):
    file, light = foreign_psd.layered("CMYK", depth)
    document = read(foreign_psd.saved(file, tmp_path / "inks.psd"))
    assert np.abs(color_of(document) - light[..., :3] * light[..., 3:]).max() < 0.51 / 255
    assert any("CMYK" in note for note in document.notes)


@pytest.mark.parametrize("depth", [8, 16])
def test_lab_is_what_littlecms_makes_of_it(tmp_path, depth):
    file, samples = foreign_psd.layered("LAB", depth)
    # Muted colours: out of sRGB's gamut, clipping is a matter of taste.
    levels = np.rint(128 + (samples - 0.5) * 40).astype(int)
    # At 16 bits L counts to 65535, but a and b count in 256ths (seen in Photoshop's own red).
    unit = np.array([1, 1, 1] if depth == 8 else [257, 256, 256])
    foreign_psd.replace_samples(file, file[0], (levels * unit).astype(f"u{depth // 8}"))
    document = read(foreign_psd.saved(file, tmp_path / "lab.psd"))
    signed = levels - np.array([0, 128, 128])
    lab = Image.frombytes("LAB", (7, 5), signed.astype(np.int8).tobytes())
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"),
        ImageCms.createProfile("sRGB"),
        "LAB",
        "RGB",
        flags=ImageCms.Flags.NOOPTIMIZE,
    )
    expected = np.asarray(ImageCms.applyTransform(lab, transform)) / 255
    assert np.abs(color_of(document) - expected).max() < 1.1 / 255


def test_a_grey_profile_is_applied_and_an_rgb_profile_kept(tmp_path):
    file, _ = foreign_psd.layered("RGB")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    key = Resource.ICC_PROFILE
    file.image_resources[key] = ImageResource(key=key, data=profile)
    assert read(foreign_psd.saved(file, tmp_path / "rgb.psd")).icc_profile == profile
    grey, _ = foreign_psd.layered("L")
    grey.image_resources[key] = ImageResource(key=key, data=profile)
    assert read(foreign_psd.saved(grey, tmp_path / "grey.psd")).icc_profile is None


@pytest.mark.parametrize("kind", ["bitmap", "indexed", "duotone", "multichannel", "grey", "rgb"])
def test_files_without_layers(tmp_path, kind):
    ramp = bytes(range(6))
    palette = bytes(range(256)) + bytes(reversed(range(256))) + bytes(256)
    mode, count, data, depth, table, expected = {
        "bitmap": (0, 1, bytes([0b10100000, 0b01000000]), 1, b"", [[0, 255, 0], [255, 0, 255]]),
        "indexed": (2, 1, ramp, 8, palette, None),
        "duotone": (8, 1, ramp, 8, b"ink", [[0, 1, 2], [3, 4, 5]]),
        "multichannel": (7, 3, ramp * 3, 8, b"", [[0, 1, 2], [3, 4, 5]]),
        "grey": (1, 1, ramp, 8, b"", [[0, 1, 2], [3, 4, 5]]),
        "rgb": (3, 3, ramp * 3, 8, b"", [[0, 1, 2], [3, 4, 5]]),
    }[kind]
    data = foreign_psd.flat(mode, (3, 2, data, count), depth=depth, palette=table)
    document = read_bytes(data, tmp_path / "flat.psd")
    assert [(layer.name, layer.role) for layer in document.layers] == [
        ("Background", Role.BACKGROUND)
    ]
    pixels = document.layers[0].pixels
    assert (pixels[..., 3] == 255).all()
    if expected is None:
        assert pixels[1, 2].tolist() == [5, 250, 0, 255]
    else:
        assert pixels[..., 0].tolist() == pixels[..., 2].tolist() == expected


def test_colours_of_one_bit_are_damage(tmp_path):
    file, _ = foreign_psd.layered("RGB")
    path = foreign_psd.saved(file, tmp_path / "thin.psd")
    data = bytearray(path.read_bytes())
    data[23] = 1  # the low byte of the header's depth
    with pytest.raises(UnreadableFile, match="damaged"):
        read_bytes(bytes(data), path)


def test_a_missing_palette_is_damage(tmp_path):
    data = foreign_psd.flat(2, (3, 2, bytes(6), 1))
    with pytest.raises(UnreadableFile, match="palette"):
        read_bytes(data, tmp_path / "flat.psd")


def test_what_cannot_be_represented_is_listed(tmp_path):
    file = PSDImage.new("RGBA", (7, 5))
    base = file.create_pixel_layer(Image.new("RGBA", (4, 4), (9, 9, 9, 255)), name="base")
    curves = file.create_pixel_layer(Image.new("RGBA", (4, 4)), name="Curves 1")
    foreign_psd.add_block(curves, Tag.INVERT, EmptyElement())
    loose = file.create_pixel_layer(Image.new("RGBA", (2, 2), (1, 2, 3, 255)), name="loose")
    loose.clipping = True
    foreign_psd.solid_fill(file, 255, 128, 0)
    foreign_psd.add_block(base, Tag.VECTOR_MASK_SETTING1, foreign_psd.vector_mask())
    document = read(foreign_psd.saved(file, tmp_path / "rich.psd"))
    assert [layer.name for layer in document.layers] == ["base", "loose", "fill"]
    assert document.notes == (
        "The vector mask of 'base' was left out.",
        "Layer 'Curves 1' is an adjustment layer; it was left out.",
        "Fill layer 'fill' was opened as pixels of its colour.",
    )
    assert not document.layers[1].clipped  # its base is gone
    fill = document.layers[2]
    assert fill.bounds == (0, 0, 7, 5)
    assert (fill.pixels == (255, 128, 0, 255)).all()


@pytest.mark.parametrize("depth", [8, 16])
def test_special_blending_is_listed(tmp_path, depth):
    file, _ = foreign_psd.layered("RGB", depth)
    above = file.create_pixel_layer(Image.new("RGB", (4, 4)), name="above")
    assert not read(foreign_psd.saved(file, tmp_path / "plain.psd")).notes
    above._record.blending_ranges.channel_ranges[0][1] = (0, 0x80FF)
    foreign_psd.add_block(above, Tag.KNOCKOUT_SETTING, ByteElement(1))
    document = read(foreign_psd.saved(file, tmp_path / "blend-if.psd"))
    assert document.notes == ("The blend-if and knockout of 'above' was left out.",)


def test_fill_opacity_counts_as_opacity(tmp_path):
    file = PSDImage.new("RGBA", (7, 5))
    layer = file.create_pixel_layer(Image.new("RGBA", (4, 4), (9, 9, 9, 255)), opacity=128)
    layer.fill_opacity = 51
    found = read(foreign_psd.saved(file, tmp_path / "fill.psd")).layers[0]
    assert found.opacity == pytest.approx(128 / 255 / 5)


@pytest.mark.parametrize("data", [b"", b"8BPS", b"hello " * 99, b"8BPS" + bytes(999)])
def test_what_is_no_psd_at_all(tmp_path, data):
    with pytest.raises(UnreadableFile):
        read_bytes(data, tmp_path / "no.psd")


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "missing.psd", tmp_path):
        with pytest.raises(UnreadableFile, match="could not be read"):
            read(path)


def test_a_canvas_of_300_000_squared_is_refused_at_once(tmp_path):
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 2, 3, 300_000, 300_000, 8, 3)
    with pytest.raises(UnreadableFile, match="limit"):
        read_bytes(header + bytes(64), tmp_path / "bomb.psb")


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    """Valid files, small and with every kind of section, and a place for damaged copies."""
    folder = tmp_path_factory.mktemp("victims")
    rng = np.random.default_rng(8)
    files = []
    for dtype in (np.uint8, np.uint16):
        pixels = rng.integers(0, np.iinfo(dtype).max, (6, 5, 4), dtype)
        mask = Mask(Bounds(1, 1, 3, 3), pixels[:3, :3, 0], 1)
        layer = Layer("layer", Bounds(1, -1, 5, 6), pixels, mask=mask, blend=BlendMode.SCREEN)
        for suffix in ("psd", "psb"):
            path = folder / f"{pixels.dtype}.{suffix}"
            psd.write(Document(Extent(8, 7), (layer, Group("g", (layer,), mask=mask))), path)
            files.append(path.read_bytes())
    foreign, _ = foreign_psd.layered("CMYK")
    foreign_psd.solid_fill(foreign, 1, 2, 3)
    files.append(foreign_psd.saved(foreign, folder / "foreign.psd").read_bytes())
    return files, folder / "damaged.psd"


def assert_opens_or_says_why(data, path):
    path.write_bytes(data)
    try:
        document = read(path)
    except UnreadableFile:
        return
    assert document.extent.pixel_count <= DEFAULT_LIMITS.pixels


def test_truncated_files(victims):
    files, path = victims
    for data in files:
        for end in range(0, len(data), max(1, len(data) // 97)):
            assert_opens_or_says_why(data[:end], path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_flipped_bytes(victims, data):
    files, path = victims
    damaged = bytearray(data.draw(st.sampled_from(files)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.sampled_from([0, 1, 127, 128, 255, damaged[place] ^ 4]))
    assert_opens_or_says_why(bytes(damaged), path)
