import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from layerstudio.errors import UnreadableFile
from layerstudio.io.limits import Limits
from layerstudio.io.png_codec import decode_gray_png, decode_png, encode_png, png_icc, png_text


@st.composite
def pictures(draw):
    """Noise, rows or columns: each makes another filter win."""
    height, width = draw(st.integers(1, 90)), draw(st.integers(1, 40))
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    channels = draw(st.sampled_from([(), (4,)]))
    shape = draw(st.sampled_from([(height, width), (height, 1), (1, width)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    values = rng.integers(0, np.iinfo(dtype).max, (*shape, *channels), dtype, endpoint=True)
    return np.ascontiguousarray(np.broadcast_to(values, (height, width, *channels)))


@settings(deadline=None)
@given(pictures())
def test_pictures_come_back(pixels):
    data = encode_png(pixels, icc=b"profile", dpi=300, text={"key": "ü <&>"})
    decoded = decode_gray_png(data) if pixels.ndim == 2 else decode_png(data)
    assert decoded.dtype == pixels.dtype and np.array_equal(decoded, pixels)
    assert png_icc(data) == b"profile" and png_text(data) == {"key": "ü <&>"}


@settings(deadline=None)
@given(pictures().filter(lambda pixels: pixels.dtype == np.uint8))
def test_pillow_reads_the_same(pixels):
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA"])
def test_every_kind_of_png_becomes_rgba(mode):
    image = Image.effect_noise((9, 7), 90).convert("RGB").convert(mode)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    assert np.array_equal(decode_png(stream.getvalue()), np.asarray(image.convert("RGBA")))


def test_a_cut_png_is_refused_wherever_it_is_cut():
    data = encode_png(np.random.default_rng(0).integers(0, 255, (30, 20, 4), np.uint8))
    for size in range(len(data) - 12):  # the last 12 bytes say only that nothing follows
        with pytest.raises(UnreadableFile):
            decode_png(data[:size])


def test_a_size_beyond_the_limit_is_not_decoded():
    data = bytearray(encode_png(np.zeros((3, 3, 4), np.uint8)))
    data[16:24] = b"\0\3\0\0\0\3\0\0"
    with pytest.raises(UnreadableFile, match="limit"):
        decode_png(bytes(data))
    with pytest.raises(UnreadableFile, match="limit"):
        decode_png(encode_png(np.zeros((3, 3, 4), np.uint8)), Limits(pixels=8))
