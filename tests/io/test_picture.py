"""Reading pictures: every kind keeps what it holds, every bad file ends in one sentence."""

import contextlib
import io
import os
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms, ImageOps

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer
from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.limits import Limits
from layerstudio.io.picture import read_picture

RNG = np.random.default_rng(7)
NOISE8 = RNG.integers(0, 256, (13, 7, 4), dtype=np.uint8)
NOISE16 = RNG.integers(0, 65536, (13, 7, 4), dtype=np.uint16)
SIDES = st.integers(1, 9)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def picture8(kind: str, **options) -> bytes:
    return encoded(Image.fromarray(NOISE8[..., :3]), kind, **options)


def flat_cmyk_profile(rgb_at_no_ink=(255, 255, 255), rgb_at_full=(0, 0, 128)) -> bytes:
    """An ICC v2 output profile of one 2-point lookup table: Lab = white without ink, else dark."""
    corners = b"".join(bytes((255 - 60 * bin(corner).count("1"), 128, 128)) for corner in range(16))
    identity = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + matrix + identity * 4 + corners + identity * 3
    text = b"Test inks\0"
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags, table, offset = [lut, desc, white], b"", 128 + 4 + 3 * 12
    for name, data in zip((b"A2B0", b"desc", b"wtpt"), tags, strict=True):
        table += name + struct.pack(">II", offset, len(data))
        offset += len(data) + -len(data) % 4
    body = struct.pack(">I", 3) + table + b"".join(d + bytes(-len(d) % 4) for d in tags)
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + body


def _alpha_of(array: np.ndarray) -> np.ndarray:
    return array[..., -1] if array.shape[2] in (2, 4) else np.full_like(array[..., 0], 65535)


class TestKeepsWhatIsThere:
    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
    def test_alpha(self, kind):
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        picture = read_picture(encoded(Image.fromarray(NOISE8), kind, **options))
        assert np.array_equal(picture.pixels, NOISE8)
        assert not picture.lossy

    @given(
        hnp.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)))
    )
    def test_16_bit_png(self, array):
        if array.shape[2] == 2:  # imagecodecs writes grey and alpha, which reads back as such
            expected = np.dstack([array[..., :1]] * 3 + [array[..., 1:]])
        else:
            expected = read_picture(array).pixels
        picture = read_picture(imagecodecs.png_encode(np.ascontiguousarray(array)))
        assert np.array_equal(picture.pixels, expected)

    @pytest.mark.parametrize("channels", [1, 3, 4])
    @pytest.mark.parametrize("planar", ["contig", "separate"])
    def test_16_bit_tiff(self, channels, planar):
        array = NOISE16[..., :channels].squeeze()
        options = {} if channels == 1 else {"photometric": "rgb"}
        if channels > 1 and planar == "separate":
            options["planarconfig"] = "separate"
            data = tiff(np.moveaxis(array, -1, 0).copy(), **options)
        else:
            data = tiff(array, compression="zlib", **options)
        picture = read_picture(data)
        assert np.array_equal(picture.pixels, read_picture(array).pixels)

    def test_premultiplied_tiff_becomes_straight(self):
        alpha = np.full((3, 5, 1), 32768, np.uint16)
        premul = np.dstack([alpha // 2] * 3 + [alpha])
        picture = read_picture(tiff(premul, photometric="rgb", extrasamples=["assocalpha"]))
        assert abs(int(picture.pixels[0, 0, 0]) - 32768) <= 1

    def test_float_tiff_and_its_range(self):
        ramp = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
        picture = read_picture(tiff(ramp))
        assert np.array_equal(picture.pixels[..., 0], np.rint(ramp * 65535))
        scaled = read_picture(tiff(ramp * 255))
        assert np.abs(scaled.pixels.astype(int) - picture.pixels).max() <= 1
        assert "0 to 255" in scaled.notes[0]

    def test_profile_and_resolution(self):
        picture = read_picture(picture8("PNG", icc_profile=SRGB, dpi=(300, 300)))
        assert picture.icc_profile == SRGB
        assert picture.dpi == pytest.approx(300, abs=0.05)

    def test_broken_profile_is_left_out_with_a_note(self):
        picture = read_picture(picture8("PNG", icc_profile=b"nonsense" * 40))
        assert picture.icc_profile is None
        assert "profile" in picture.notes[0]

    def test_jpeg_is_lossy_and_source_is_kept(self, tmp_path):
        path = tmp_path / "übung.png"  # mislabelled: content decides
        path.write_bytes(picture8("JPEG"))
        picture = read_picture(path)
        assert picture.lossy
        assert picture.source == str(path)
        assert read_picture(picture8("WEBP")).lossy

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation_is_applied(self, orientation):
        image = Image.fromarray(NOISE8[..., :3])
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = read_picture(encoded(image, "PNG", exif=exif))
        image.getexif()[0x0112] = orientation
        assert np.array_equal(picture.pixels[..., :3], np.array(ImageOps.exif_transpose(image)))

    def test_exif_orientation_of_16_bit_tiff(self):
        data = tiff(NOISE16[..., :3], photometric="rgb", extratags=[(274, 3, 1, 6, True)])
        assert np.array_equal(read_picture(data).pixels[..., :3], np.rot90(NOISE16[..., :3], -1))

    @pytest.mark.parametrize("extent", [(1, 1), (20_000, 10), (10, 20_000)])
    def test_extreme_sizes(self, extent):
        picture = read_picture(encoded(Image.new("RGB", extent, (1, 2, 3)), "PNG"))
        assert picture.extent == extent
        assert (picture.pixels == (1, 2, 3, 255)).all()


class TestModes:
    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "La", "RGBa"])
    def test_every_pillow_mode_shows_the_same_picture(self, mode):
        image = Image.new("RGBA", (5, 3), (255, 255, 255, 255)).convert(
            "RGB" if mode == "1" else "RGBA"
        )
        image = image.convert({"La": "LA", "RGBa": "RGBA", "PA": "LA"}.get(mode, mode)).convert(
            mode
        )
        assert (read_picture(image).pixels == 255).all()

    def test_palette_with_transparency(self):
        image = Image.new("P", (4, 2), 0)
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        pixels = read_picture(encoded(image, "PNG", transparency=1)).pixels
        assert tuple(pixels[0, 0]) == (10, 20, 30, 255)
        assert pixels[0, 1, 3] == 0

    def test_one_bit(self):
        array = NOISE8[..., 0] > 127
        picture = read_picture(encoded(Image.fromarray(array), "PNG"))
        assert np.array_equal(picture.pixels[..., 0] == 255, array)

    def test_cmyk_through_its_profile(self):
        image = Image.new("CMYK", (3, 2), (0, 0, 0, 255))
        managed = read_picture(encoded(image, "TIFF", icc_profile=flat_cmyk_profile()))
        plain = read_picture(encoded(image, "TIFF"))
        assert tuple(plain.pixels[0, 0]) == (0, 0, 0, 255)
        assert 150 < managed.pixels[0, 0, 0] < 220  # this profile's black ink is a light grey
        assert managed.icc_profile is None
        assert "Test inks" in managed.notes[0]
        assert "approximate" in plain.notes[0]

    def test_grey_profile_is_applied_at_both_depths(self):
        profile = _grey_profile(gamma=1.0)
        image = Image.fromarray(np.full((3, 4), 55, np.uint8))
        shallow = read_picture(encoded(image, "PNG", icc_profile=profile)).pixels[0, 0, 0]
        linear = 55 / 255
        expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
        assert shallow == pytest.approx(expected, abs=1.5)
        deep = read_picture(
            tiff(
                np.full((3, 4), 55 * 257, np.uint16),
                extratags=[(34675, 7, len(profile), profile, True)],
            )
        )
        assert deep.pixels[0, 0, 0] / 257 == pytest.approx(expected, abs=1.5)
        assert deep.icc_profile is None

    def test_animation_gives_its_first_frame_and_a_note(self):
        frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue")]
        picture = read_picture(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        assert tuple(picture.pixels[0, 0]) == (255, 0, 0, 255)
        assert "2 pictures" in picture.notes[0]


def _grey_profile(gamma: float) -> bytes:
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    table = b"kTRC" + struct.pack(">II", 156, 16) + b"wtpt" + struct.pack(">II", 172, 20)
    body = struct.pack(">I", 2) + table + curve + white
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02400000, b"mntr", b"GRAY", b"XYZ "
    )
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + body


class TestArrays:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
    @pytest.mark.parametrize("shape", [(3, 5), (3, 5, 1), (3, 5, 2), (3, 5, 3), (3, 5, 4)])
    def test_shapes_and_types(self, shape, dtype):
        array = (RNG.random(shape) > 0.5).astype(dtype)
        picture = read_picture(array)
        assert picture.pixels.shape == (3, 5, 4)
        if len(shape) == 2 or shape[2] in (1, 3):
            assert (picture.pixels[..., 3] == np.iinfo(picture.pixels.dtype).max).all()

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros(5),
            np.zeros((2, 2, 5)),
            np.zeros((0, 4, 3), np.uint8),
            np.full((2, 2), 7.0),
            np.full((2, 2), np.nan),
            np.zeros((2, 2), np.int64),
        ],
    )
    def test_useless_arrays(self, array):
        with pytest.raises(InvalidRequest):
            read_picture(array)


def _png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IHDR" + header
    idat = b"IDAT" + zlib.compress(bytes(100))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (body, idat, b"IEND")
    )


BAD = {
    "empty": (b"", "empty"),
    "text": ("Grüße\n".encode() * 50, "text file"),
    "byte-order-mark": (b"\xef\xbb\xbf<svg xmlns='x'/>", "SVG"),
    "pdf": (b"%PDF-1.7\n\xff", "PDF"),
    "web page": (b"<!DOCTYPE html><html></html>", "web page"),
    "noise": (bytes(RNG.integers(0, 256, 999, dtype=np.uint8)), "not a picture"),
    "zeros": (bytes(1000), "not a picture"),
    "bomb": (_png_header(60_000, 60_000), "more"),
    "too wide": (_png_header(300_001, 1), "300,000"),
    "short": (_png_header(64, 64), "broken"),
}


class TestBadFiles:
    @pytest.mark.parametrize("name", BAD)
    def test_one_sentence(self, name, tmp_path):
        data, expected = BAD[name]
        path = tmp_path / "bad.png"
        path.write_bytes(data)
        for source in (path, data):
            with pytest.raises(UnreadableFile, match=expected) as caught:
                read_picture(source)
            assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("share", [0.15, 0.5, 0.9])
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "AVIF"])
    def test_truncated(self, kind, share):
        noise = Image.fromarray(RNG.integers(0, 256, (90, 70, 3), dtype=np.uint8))
        data = encoded(noise, kind)
        with pytest.raises(UnreadableFile):
            read_picture(data[: int(len(data) * share)])

    @pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
    def test_truncated_16_bit(self, share):
        for data in (imagecodecs.png_encode(NOISE16), tiff(NOISE16, photometric="rgb")):
            with pytest.raises(UnreadableFile):
                read_picture(data[: int(len(data) * share)])

    @settings(deadline=None)
    @given(st.data())
    def test_flipped_bytes_never_raise_anything_else(self, data):
        kind = data.draw(st.sampled_from(["PNG", "JPEG", "TIFF", "WEBP", "GIF"]))
        broken = bytearray(picture8(kind))
        for _ in range(data.draw(st.integers(1, 8))):
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(UnreadableFile):
            read_picture(bytes(broken), Limits(pixels=100_000))

    def test_limit_is_settable(self):
        data = picture8("PNG")
        with pytest.raises(UnreadableFile, match="--max-pixels"):
            read_picture(data, Limits(pixels=90))
        assert read_picture(data, Limits(pixels=91)).extent == (7, 13)
        with pytest.raises(UnreadableFile, match="--max-pixels"):
            read_picture(Image.new("RGB", (10, 10)), Limits(pixels=99))

    def test_places_that_hold_no_file(self, tmp_path):
        for source, expected in [
            (tmp_path, "folder"),
            (tmp_path / "missing.png", "does not exist"),
            ("https://example.org/a.png", "address"),
            ("data:image/png;base64,AAAA", "address"),
            ("a\0b.png", "does not exist"),
            ("x" * 5000, "could not be read"),
            ("/dev/zero", "device"),
        ]:
            with pytest.raises(UnreadableFile, match=expected):
                read_picture(source)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_permission(self, tmp_path):
        path = tmp_path / "locked.png"
        path.write_bytes(picture8("PNG"))
        path.chmod(0)
        with pytest.raises(UnreadableFile, match="Permission"):
            read_picture(path)

    def test_pillows_own_limit_is_left_alone(self):
        before = Image.MAX_IMAGE_PIXELS
        read_picture(picture8("PNG"))
        assert before == Image.MAX_IMAGE_PIXELS


class TestLayeredFiles:
    @pytest.mark.parametrize(
        ("suffix", "name"), [(".psd", "flat.png"), (".ora", "a.ora"), (".zip", "b.zip")]
    )
    def test_are_flattened_whatever_their_name(self, suffix, name, tmp_path):
        below = Layer("below", Bounds(0, 0, 7, 13), NOISE8)
        above = Layer("above", Bounds(2, 3, 7, 13), NOISE8, opacity=0.4)
        document = Document(Extent(7, 13), (below, above), dpi=144)
        path = document.save(tmp_path / f"layers{suffix}").rename(tmp_path / name)
        picture = read_picture(path)
        assert np.abs(picture.pixels.astype(int) - composite_pixels(document)).max() <= 1
        assert picture.dpi == pytest.approx(144, abs=0.1)
        assert "flattened" in picture.notes[-1]

    def test_broken_ones_are_one_sentence(self, tmp_path):
        for start in (b"8BPS\0\1", b"PK\x03\x04"):
            path = tmp_path / "broken.png"
            path.write_bytes(start + bytes(RNG.integers(0, 256, 200, dtype=np.uint8)))
            with pytest.raises(UnreadableFile):
                read_picture(path)
