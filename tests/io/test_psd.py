"""PSD and PSB that we write and read ourselves."""

from dataclasses import replace

import layered
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.color import to_depth
from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Provenance, Role
from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import psd, psd_channels, psd_unpack
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.psd_format import Compression

PLACE = Bounds(1, 2, 5, 4)


def a_layer(name="layer", place=PLACE, dtype=np.uint8, **fields):
    rng = np.random.default_rng(place.area)
    top = np.iinfo(dtype).max
    pixels = rng.integers(1, top, (*place.extent.shape, 4), dtype, endpoint=True)
    return Layer(name, place, pixels, **fields)


def reopened(document, path, **options):
    psd.write(document, path, **options)
    return psd.read(path, DEFAULT_LIMITS)


def as_stored(document):
    """What the format makes of a document: one depth, 8-bit opacities, layers without margins."""
    masks = [node.mask for _, node in document.walk() if node.mask]
    deep = document.dtype == np.uint16 or any(mask.pixels.dtype == np.uint16 for mask in masks)
    depth = np.dtype(np.uint16 if deep else np.uint8)

    def stored(node):
        mask = node.mask and replace(node.mask, pixels=to_depth(node.mask.pixels, depth))
        node = replace(node, mask=mask, opacity=round(node.opacity * 255) / 255)
        if isinstance(node, Group):
            return replace(node, children=tuple(map(stored, node.children)))
        node = node.cropped_to_content()
        place = Bounds(0, 0, 0, 0) if node.is_empty else node.bounds
        pixels = to_depth(node.pixels, depth).reshape(*place.extent.shape, 4)
        return replace(node, bounds=place, pixels=pixels)

    return replace(document, icc_profile=None, children=tuple(map(stored, document.children)))


@settings(max_examples=60, deadline=None)
@given(
    layered.documents(),
    st.sampled_from([".psd", ".psb"]),
    st.sampled_from(["rle", "zip"]),
)
def test_documents_come_back(tmp_path_factory, document, suffix, compression):
    path = tmp_path_factory.mktemp("psd") / f"document{suffix}"
    document = replace(document, icc_profile=None)
    if any("\0" in node.name for _, node in document.walk()):
        document = replace(document, children=())
    found = reopened(document, path, compression=compression)
    layered.assert_same(as_stored(document), found, hidden_colour=False)


@pytest.mark.parametrize("mode", [mode for mode in BlendMode if mode is not BlendMode.PASS_THROUGH])
def test_every_mode_on_layers_and_groups(tmp_path, mode):
    layer = a_layer(blend=mode)
    document = Document(Extent(9, 7), (layer, Group("group", (layer,), blend=mode)))
    found = reopened(document, tmp_path / "modes.psd")
    assert [node.blend for _, node in found.walk()] == [mode] * 3


def test_sixteen_bits_are_exact(tmp_path):
    ramp = np.arange(65536, dtype=np.uint16).reshape(128, 512)
    pixels = np.stack([ramp, ramp[::-1], ramp.T.reshape(128, 512), np.maximum(ramp, 1)], -1)
    document = Document(Extent(512, 128), (Layer("ramp", Bounds(0, 0, 512, 128), pixels),))
    for compression in ("rle", "zip"):
        found = reopened(document, tmp_path / "ramp.psd", compression=compression)
        assert np.array_equal(found.layers[0].pixels[..., 3], pixels[..., 3])
        assert np.array_equal(found.layers[0].pixels[..., :3], pixels[..., :3])


def test_a_deep_mask_makes_a_deep_file(tmp_path):
    mask = Mask(Bounds(2, 2, 3, 1), np.array([[1, 258, 65534]], np.uint16))
    found = reopened(Document(Extent(9, 7), (a_layer(mask=mask),)), tmp_path / "deep.psd")
    assert found.dtype == np.uint16
    assert found.layers[0].mask is not None
    assert found.layers[0].mask.pixels.tolist() == [[1, 258, 65534]]


@pytest.mark.parametrize(
    "name", ["レイヤー 🎨", "Ünïcödé", "a/b\\c", "ß\u0301", "👩‍🎨" * 3, " x ", ""]
)
def test_names(tmp_path, name):
    document = Document(Extent(9, 7), (a_layer(name), Group(name)))
    found = reopened(document, tmp_path / "names.psd")
    assert [node.name for _, node in found.walk()] == [name, name]


def test_overlong_names_are_cut_for_photoshop_and_whole_for_us(tmp_path):
    name = "🎨" * 200
    document = Document(Extent(9, 7), (a_layer(name),))
    path = tmp_path / "long.psd"
    notes = psd.write(document, path)
    assert len(notes) == 1 and "255" in notes[0]
    # 127 pairs of surrogates: an odd unit must not leave half a character.
    assert ("🎨" * 127).encode("utf-16-be") in path.read_bytes()
    assert ("🎨" * 128).encode("utf-16-be") not in path.read_bytes()
    assert psd.read(path, DEFAULT_LIMITS).layers[0].name == name


def test_names_that_no_program_could_show(tmp_path):
    document = Document(Extent(9, 7), (a_layer("a\0b\0"), a_layer("half \ud83c pair")))
    found = reopened(document, tmp_path / "odd.psd")
    assert [layer.name for layer in found.layers] == ["a b ", "half ? pair"]


def test_what_made_it_travels_inside(tmp_path):
    layer = a_layer(role=Role.TEXT, provenance=Provenance("flat", seed=3), locked=True)
    document = Document(
        Extent(9, 7), (layer,), dpi=299.5, request={"task": "decompose"}, metadata={"author": "Ä"}
    )
    found = reopened(document, tmp_path / "made.psd")
    assert (found.request, found.dpi) == ({"task": "decompose"}, 299.5)
    assert found.layers[0].provenance == Provenance("flat", seed=3)
    assert (found.layers[0].role, found.layers[0].locked) == (Role.TEXT, True)


def test_icc_profile_travels(tmp_path):
    profile = bytes(16) + b"RGB " + bytes(range(101))
    document = Document(Extent(9, 7), (a_layer(),), icc_profile=profile)
    assert reopened(document, tmp_path / "icc.psd").icc_profile == profile


def test_equal_documents_make_equal_files(tmp_path):
    document = Document(Extent(9, 7), (a_layer(), Group("g", (a_layer("b"),))))
    psd.write(document, tmp_path / "a.psd")
    psd.write(document, tmp_path / "b.psd")
    assert (tmp_path / "a.psd").read_bytes() == (tmp_path / "b.psd").read_bytes()


def test_invisible_colour_is_bled_from_its_neighbours(tmp_path):
    pixels = np.zeros((5, 5, 4), np.uint8)
    pixels[0, 0] = pixels[4, 4] = (200, 100, 50, 255)
    document = Document(Extent(5, 5), (Layer("dots", Bounds(0, 0, 5, 5), pixels),))
    found = reopened(document, tmp_path / "bled.psd").layers[0].pixels
    assert (found[..., :3] == (200, 100, 50)).all()


def test_wide_pictures_need_psb(tmp_path):
    wide = Document(Extent(30_001, 3), (a_layer(place=Bounds(29_990, 0, 11, 3)),))
    with pytest.raises(InvalidRequest, match=r"\.psb"):
        psd.write(wide, tmp_path / "wide.psd")
    assert not (tmp_path / "wide.psd").exists()
    found = reopened(wide, tmp_path / "wide.psb")
    layered.assert_same(as_stored(wide), found)


def test_rows_too_long_for_the_table_of_a_psd(tmp_path):
    """A layer may be wider than its canvas; 16-bit noise of 40,000 pixels packs to over 64 KiB."""
    wide = a_layer(place=Bounds(-5, 0, 40_000, 2), dtype=np.uint16)
    document = Document(Extent(9, 7), (wide,))
    layered.assert_same(document, reopened(document, tmp_path / "rows.psd", compression="rle"))


def test_layers_beyond_every_horizon_are_refused(tmp_path):
    with pytest.raises(InvalidRequest, match="far off"):
        psd.write(Document(Extent(9, 7), (a_layer().moved(2**31, 0),)), tmp_path / "far.psd")


def test_an_unknown_compression_is_refused(tmp_path):
    with pytest.raises(InvalidRequest, match="rle, zip"):
        psd.write(Document(Extent(1, 1)), tmp_path / "x.psd", compression="lzw")


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(pixels=62), "9 x 7"),
        (Limits(total_pixels=19), "19"),
        (Limits(nodes=1), "layers"),
        (Limits(depth=1), "nests"),
        (Limits(file_bytes=100), "bytes"),
    ],
)
def test_limits(tmp_path, limits, what):
    path = tmp_path / "limits.psd"
    psd.write(Document(Extent(9, 7), (Group("g", (a_layer(),)),)), path)
    with pytest.raises(UnreadableFile, match=what):
        psd.read(path, limits)


planes = st.tuples(
    st.integers(0, 40), st.integers(0, 300), st.sampled_from([1, 3, 255]), st.integers(0, 9999)
)


@given(planes, st.sampled_from([np.uint8, np.uint16]), st.sampled_from([1, 2]))
def test_planes_come_back(shape_and_noise, dtype, version):
    height, width, levels, seed = shape_and_noise
    rng = np.random.default_rng(seed)
    plane = (rng.integers(0, levels, (height, width)) * 251).astype(dtype)
    for compression in (Compression.RLE, Compression.ZIP):
        data = psd_channels.encode(plane, compression, version)
        found = psd_unpack.decode(data[2:], data[1], plane.shape, plane.itemsize * 8, version)
        assert found.dtype == dtype
        assert np.array_equal(found, plane)


def test_a_bomb_is_refused_before_it_is_unpacked():
    for compression in (Compression.RLE, Compression.ZIP, Compression.RAW):
        with pytest.raises(UnreadableFile, match="bytes"):
            psd_unpack.decode(b"x" * 1000, compression, (100_000, 100_000), 8, 1)
