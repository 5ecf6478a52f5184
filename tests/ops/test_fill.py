import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.ops.fill import FillKind, fill
from layerstudio.ops.fill_exemplar import fill_exemplar
from layerstudio.ops.fill_palette import fill_palette
from layerstudio.ops.fill_smooth import fill_smooth


def disc(shape, centre, radius):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(x - centre[0], y - centre[1]) < radius


def harmonic(width, height):
    """Real and imaginary parts of z, z^2 and z^3: solutions of Laplace's equation."""
    y, x = np.mgrid[:height, :width]
    z = (x - width / 2 + 1j * (y - height / 2)) / width
    return (128 + 200 * np.stack([z.imag, (z**2).real, (z**3).imag], axis=2)).astype(np.float32)


def waves(size):
    y, x = np.mgrid[:size, :size]
    wave = 128 + 100 * np.stack(
        [np.sin(x / 2.5) * np.sin(y / 3), np.sin((x + y) / 4), np.cos(x / 5)], axis=2
    )
    return np.rint(wave).astype(np.uint8)


@pytest.mark.parametrize(("width", "height", "radius"), [(320, 241, 90), (64, 91, 25), (33, 30, 9)])
def test_membrane_equals_the_analytic_solution(width, height, radius):
    truth = harmonic(width, height)
    hole = disc((height, width), (width * 0.45, height * 0.5), radius)
    broken = np.where(hole[..., None], 1e3, truth).astype(np.float32)
    np.testing.assert_allclose(fill_smooth(broken, hole), truth, atol=1.0)


def test_membrane_reaches_the_border_without_ringing():
    truth = np.broadcast_to(np.linspace(10, 240, 90, dtype=np.float32)[:, None, None], (90, 70, 3))
    hole = np.zeros((90, 70), dtype=bool)
    hole[30:60, 35:] = True
    np.testing.assert_allclose(fill_smooth(truth, hole), truth, atol=1.0)


@pytest.mark.parametrize("quality", [None, 80])
def test_palette_continues_a_straight_edge(quality):
    truth = np.full((120, 150, 3), (250, 240, 20), dtype=np.uint8)
    cv2.fillPoly(truth, [np.array([(0, 119), (149, 20), (149, 119)])], (20, 60, 200))
    shown, tolerance = truth, 2.0
    if quality:
        _, data = cv2.imencode(".jpg", truth, [cv2.IMWRITE_JPEG_QUALITY, quality])
        shown, tolerance = cv2.imdecode(data, cv2.IMREAD_COLOR), 8.0
    hole = disc(truth.shape, (75, 70), 28)
    filled = fill_palette(shown, hole, tolerance)
    wrong = np.abs(filled.astype(int) - truth).max(axis=2)[hole] > tolerance
    assert wrong.mean() < 0.03


def test_palette_is_exact_in_one_colour():
    truth = np.full((40, 50, 3), (3, 77, 201), dtype=np.uint8)
    hole = disc(truth.shape, (25, 20), 12)
    broken = np.where(hole[..., None], 0, truth).astype(np.uint8)
    np.testing.assert_array_equal(fill_palette(broken, hole), truth)


def test_exemplar_continues_a_periodic_texture():
    truth = waves(256)
    hole = disc(truth.shape, (130, 120), 38)
    broken = np.where(hole[..., None], 255, truth).astype(np.uint8)
    filled = fill_exemplar(broken, hole)
    by_membrane = np.abs(fill_smooth(broken, hole).astype(int) - truth)[hole].mean()
    assert np.abs(filled.astype(int) - truth)[hole].mean() < 0.35 * by_membrane


def test_exemplar_is_as_sharp_as_its_source_and_repeatable():
    rng = np.random.default_rng(0)
    grain = cv2.GaussianBlur(rng.normal(size=(330, 400, 3)).astype(np.float32), (0, 0), 1.2)
    truth = np.clip(128 + 120 * grain, 0, 255).astype(np.uint8)
    hole = disc(truth.shape, (200, 165), 45)
    filled = fill_exemplar(truth * ~hole[..., None], hole, seed=4)
    assert filled[hole].std() > 0.75 * truth[hole].std()
    np.testing.assert_array_equal(filled, fill_exemplar(truth * ~hole[..., None], hole, seed=4))


def picture_of(kind, height=120, width=160):
    y, x = np.mgrid[:height, :width]
    if kind is FillKind.PLAIN:
        return np.full((height, width, 3), (200, 30, 90), dtype=np.uint8)
    if kind is FillKind.PALETTE:
        return np.where((x < 78)[..., None], (10, 20, 30), (240, 230, 0)).astype(np.uint8)
    if kind is FillKind.GRADIENT:
        return np.rint(np.stack([x + y, 255 - 0.5 * (x + y), 0 * x + 99], axis=2) * 0.9).astype(
            np.uint8
        )
    if kind is FillKind.SMOOTH:
        bumps = [np.sin(x / 17) + np.cos(y / 13), np.sin(x / 23 + y / 19), np.cos(x / 29 - y / 15)]
        return np.rint(128 + 50 * np.stack(bumps, axis=2)).astype(np.uint8)
    return waves(160)[:height]


@pytest.mark.parametrize("kind", list(FillKind))
def test_surroundings_choose_the_kind(kind):
    truth = picture_of(kind)
    hole = disc(truth.shape, (80, 60), 24)
    broken = np.where(hole[..., None], (255, 0, 255), truth).astype(np.uint8)
    filled = fill(broken, hole)
    assert [region.kind for region in filled.regions] == [kind]
    assert np.abs(filled.image.astype(int) - truth)[hole].mean() < 25
    if kind in (FillKind.PLAIN, FillKind.GRADIENT):
        np.testing.assert_allclose(filled.image.astype(int), truth, atol=2)


def test_each_hole_has_its_own_kind_and_formula():
    truth = np.concatenate([picture_of(FillKind.GRADIENT), picture_of(FillKind.EXEMPLAR)])
    hole = disc(truth.shape, (90, 50), 22) | disc(truth.shape, (60, 185), 20)
    filled = fill(np.where(hole[..., None], 9, truth).astype(np.uint8), hole)
    upper, lower = sorted(filled.regions, key=lambda region: region.bounds.y)
    assert (upper.kind, lower.kind) == (FillKind.GRADIENT, FillKind.EXEMPLAR)
    assert upper.shade is not None
    shown = upper.shade.render(upper.bounds)
    np.testing.assert_allclose(shown, truth[upper.bounds.slices], atol=2.5)


@given(data=st.data(), height=st.integers(1, 40), width=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_pixels_outside_the_hole_stay(data, height, width):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    if data.draw(st.booleans()):
        image = cv2.blur(image, (9, 9)).reshape(image.shape)
    hole = cv2.blur(rng.random((height, width)), (5, 5)).reshape(height, width)
    hole = hole > data.draw(st.sampled_from([0.0, 0.4, 0.5, 0.55, 2.0]))
    for filled in (
        fill(image, hole).image,
        fill_smooth(image, hole),
        fill_palette(image, hole),
        fill_exemplar(image, hole),
    ):
        np.testing.assert_array_equal(filled[~hole], image[~hole])


def test_a_hole_over_everything_takes_the_usual_colour():
    image = np.full((30, 40, 3), (9, 140, 200), dtype=np.uint8)
    image[:5, :5] = 0
    everything = np.ones((30, 40), dtype=bool)
    for filled in (fill(image, everything).image, fill_palette(image, everything)):
        assert (filled == (9, 140, 200)).all()


def test_no_hole_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    filled = fill(image, np.zeros((20, 30), dtype=bool))
    assert filled.regions == ()
    np.testing.assert_array_equal(filled.image, image)


def test_holes_filled_side_by_side_are_the_same_every_time():
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.integers(0, 256, (171, 243, 3)).astype(np.float32), (0, 0), 2)
    image = np.clip(128 + 4 * (image - 128), 0, 255).astype(np.uint8)
    hole = np.zeros(image.shape[:2], bool)
    for y, x in ((12, 15), (20, 150), (110, 30), (105, 170)):
        hole[y : y + 40, x : x + 45] = True
    first, *others = (fill(image, hole, seed=5) for _ in range(4))
    assert len(first.regions) == 4
    assert all(region.kind is FillKind.EXEMPLAR for region in first.regions)
    for other in others:
        assert (other.image == first.image).all() and other.regions == first.regions
    assert (first.image[~hole] == image[~hole]).all()
