"""Detail given back to soft layers: never away from the picture, never where nothing is missing."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.color import to_float
from layerstudio.composite import composite, composite_pixels
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops import high_frequencies
from layerstudio.ops.high_frequencies import restore_detail, transferable


def layer(name, place, pixels):
    return Layer(name, Bounds(*place), pixels)


EXTENT = Extent(53, 37)


def stack_of(seed, extent=EXTENT, depth=np.uint8):
    """A picture and three layers that do not quite make it: random colours and alphas, hard and
    soft, the upper two on parts of the canvas."""
    rng = np.random.default_rng(seed)
    full = np.iinfo(depth).max
    picture = rng.integers(0, full, (*extent.shape, 4), endpoint=True).astype(depth)
    picture[..., 3] = full
    places = [(0, 0, *extent), (5, 3, 31, 29), (20, 9, 33, 28)]
    layers = []
    for index, place in enumerate(places):
        pixels = rng.integers(0, full, (place[3], place[2], 4), endpoint=True).astype(depth)
        soft = rng.choice([0, full // 3, full], pixels.shape[:2])
        pixels[..., 3] = soft if index else full
        layers.append(layer(str(index), place, pixels))
    return picture, layers


def distance(layers, picture):
    """(h, w, 3): how far the composite is from the picture, in [0, 1]."""
    extent = Extent.of(picture)
    return np.abs(composite(Document(extent, tuple(layers)))[..., :3] - to_float(picture[..., :3]))


@given(seed=st.integers(0, 2**31), depth=st.sampled_from([np.uint8, np.uint16]))
@settings(max_examples=30, deadline=None)
def test_recomposition_only_comes_nearer(seed, depth):
    picture, layers = stack_of(seed, depth=depth)
    restored = restore_detail(layers, picture)
    before, after = distance(layers, picture), distance(restored, picture)
    rounding = 0.5 / np.iinfo(depth).max + 1e-6
    assert (after <= before + rounding).all()
    assert after.mean() < 0.6 * before.mean()
    for old, new in zip(layers, restored, strict=True):
        assert new.bounds == old.bounds
        assert np.array_equal(new.pixels[..., 3], old.pixels[..., 3])


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_what_shows_alone_is_the_picture_and_what_is_hidden_stays(seed):
    picture, layers = stack_of(seed)
    ground, middle, top = restore_detail(layers, picture)
    canvas = [np.zeros((37, 53), np.float32) for _ in layers]
    for alpha, one in zip(canvas, layers, strict=True):
        alpha[one.bounds.slices] = one.pixels[..., 3] / 255
    bare = (canvas[1] == 0) & (canvas[2] == 0)
    assert np.array_equal(ground.pixels[bare], picture[bare])
    opaque = top.pixels[..., 3] == 255
    assert np.array_equal(top.pixels[opaque], picture[top.bounds.slices][opaque])
    hidden = (canvas[1] == 1) | (canvas[2] == 1)
    assert np.array_equal(ground.pixels[hidden], layers[0].pixels[hidden])
    nothing = middle.pixels[..., 3] == 0
    assert np.array_equal(middle.pixels[nothing], layers[1].pixels[nothing])


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_identity_where_nothing_is_missing(seed):
    _, layers = stack_of(seed)
    picture = composite_pixels(Document(EXTENT, tuple(layers)))
    for old, new in zip(layers, restore_detail(layers, picture), strict=True):
        assert np.array_equal(old.pixels, new.pixels)


@given(
    seed=st.integers(0, 2**31), levels=st.integers(1, 4), size=st.tuples(*[st.integers(1, 40)] * 2)
)
@settings(max_examples=50, deadline=None)
def test_the_fine_part_never_rings(seed, levels, size):
    rng = np.random.default_rng(seed)
    residual = rng.normal(0, 0.3, (*size, 3)).astype(np.float32)
    known = rng.random(size) < rng.random()
    part = transferable(residual, known, levels)
    assert not part[~known].any()
    assert (np.abs(residual - part) <= np.abs(residual) + 1e-7).all()
    assert not transferable(np.zeros_like(residual), known, levels).any()


def test_the_coarse_part_stays():
    """A wrong tint is not detail, whatever the shape of the place where it is."""
    known = np.zeros((80, 90), bool)
    known[20:60, 30:45] = True
    cv2.circle(canvas := np.zeros((80, 90), np.uint8), (60, 40), 17, 1, 3)
    known |= canvas > 0
    tint = np.broadcast_to(np.float32([0.2, -0.1, 0.05]), (80, 90, 3))
    assert np.abs(transferable(np.ascontiguousarray(tint), known)).max() < 1e-5
    checks = (np.indices((80, 90)).sum(0) % 2 * 0.2 - 0.1).astype(np.float32)
    fine = transferable(np.repeat(checks[..., None], 3, axis=2), known)
    assert np.abs(fine[known]).mean() > 0.08


def test_bands_join(monkeypatch):
    picture, layers = stack_of(1, Extent(53, 37))
    whole = restore_detail(layers, picture)
    monkeypatch.setattr(high_frequencies, "_BAND_ROWS", 8)
    for one, other in zip(whole, restore_detail(layers, picture), strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels).max() <= 1


def test_clear_pictures_and_kept_layers_are_left_alone():
    picture, layers = stack_of(2)
    picture[:10, ..., 3] = 200
    ground, middle, top = restore_detail(layers, picture, kept=(False, True, False))
    assert np.array_equal(ground.pixels[:10], layers[0].pixels[:10])
    assert np.array_equal(middle.pixels, layers[1].pixels)
    assert not np.array_equal(top.pixels, layers[2].pixels)


def test_soft_plates_get_sharper():
    """A rendered truth of which both plates were blurred, as an autoencoder would."""
    rng = np.random.default_rng(8)
    extent = Extent(121, 97)
    plates = [cv2.GaussianBlur(rng.random((97, 121, 3), np.float32), (0, 0), 0.8) for _ in range(2)]
    alpha = cv2.GaussianBlur(np.float32(np.indices((97, 121))[1] > 60), (0, 0), 8)
    picture = plates[0] * (1 - alpha[..., None]) + plates[1] * alpha[..., None]
    picture = np.dstack([np.rint(picture * 255), np.full((97, 121), 255)]).astype(np.uint8)

    def psnr(pixels, truth, visible):
        off = (pixels[..., :3] / 255 - truth)[visible]
        return -10 * np.log10(np.mean(off**2))

    soft = []
    for index, (plate, cover) in enumerate(zip(plates, (np.ones_like(alpha), alpha), strict=True)):
        blurred = cv2.GaussianBlur(plate, (0, 0), 1.5)
        pixels = np.rint(np.dstack([blurred, cover]) * 255).astype(np.uint8)
        soft.append(layer(str(index), (0, 0, *extent), pixels))
    sharp = restore_detail(soft, picture)
    for index, (low, high) in enumerate([(0.05, 0.6), (0.4, 0.95)]):
        band = (alpha > low) & (alpha < high)
        before = psnr(soft[index].pixels, plates[index], band)
        after = psnr(sharp[index].pixels, plates[index], band)
        assert after > before + 1.5, (index, before, after)


@pytest.mark.parametrize("extent", [Extent(1, 1), Extent(1, 9), Extent(7, 1)])
def test_slivers(extent):
    picture, _ = stack_of(0, extent=Extent(53, 37))
    picture = picture[: extent.height, : extent.width]
    ground = layer("g", (0, 0, *extent), np.full((*extent.shape, 4), 255, np.uint8))
    (restored,) = restore_detail([ground], picture)
    assert np.array_equal(restored.pixels, picture)
