import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.geometry import Bounds
from layerstudio.ops.gradient import best_shade, fit_linear, fit_plain, fit_radial
from layerstudio.ops.shade import Shade


def ramp(t, stops, colors):
    return np.stack([np.interp(t, stops, [c[i] for c in colors]) for i in range(3)], axis=2)


def linear(width, height, degrees, stops, colors):
    y, x = np.mgrid[:height, :width]
    t = np.cos(np.radians(degrees)) * x + np.sin(np.radians(degrees)) * y
    return ramp((t - t.min()) / np.ptp(t), stops, colors)


def radial(width, height, centre, aspect, radius, stops, colors):
    y, x = np.mgrid[:height, :width]
    return ramp(np.hypot(x - centre[0], aspect * (y - centre[1])) / radius, stops, colors)


def with_objects(picture, share, seed):
    rng = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    covered = np.zeros((height, width), dtype=bool)
    shown = np.rint(picture).astype(np.uint8)
    while covered.mean() < share:
        w, h = rng.integers(width // 14, width // 5), rng.integers(height // 14, height // 5)
        x, y = rng.integers(0, width - w), rng.integers(0, height - h)
        shown[y : y + h, x : x + w] = rng.integers(0, 256, 3)
        covered[y : y + h, x : x + w] = True
    return shown, covered


def error(shade: Shade, picture):
    return np.abs(shade.render(Bounds(0, 0, picture.shape[1], picture.shape[0])) - picture)


SUNSET = ((250, 90, 10), (250, 220, 60), (20, 60, 200))


def test_plain_is_exact_among_forty_percent_of_other_colours():
    shown, _ = with_objects(np.full((211, 307, 3), (12, 200, 77.0)), 0.4, 3)
    assert fit_plain(shown).colors == ((12.0, 200.0, 77.0),)


@pytest.mark.parametrize("degrees", [0.0, 17.3, 90.0, -62.9])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_linear_with_three_stops_under_objects(degrees, share):
    truth = linear(401, 300, degrees, (0, 0.4, 1), SUNSET)
    shown, _ = with_objects(truth, share, 5)
    shade = fit_linear(shown)
    off = abs(np.degrees(np.arctan2(shade.direction[1], shade.direction[0])) - degrees) % 180
    assert min(off, 180 - off) < 0.3
    assert error(shade, truth).mean() < 1.0


def test_faint_linear_gradient_under_objects():
    truth = linear(640, 480, 68.0, (0, 1), ((228, 230, 240), (250, 248, 245)))
    shown, _ = with_objects(truth, 0.3, 8)
    assert error(fit_linear(shown), truth).max() < 2.0


def test_linear_through_jpeg():
    truth = linear(512, 384, 30.0, (0, 1), SUNSET[:2])
    ok, data = cv2.imencode(".jpg", np.rint(truth).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 75])
    assert ok
    assert error(fit_linear(cv2.imdecode(data, cv2.IMREAD_COLOR)), truth).mean() < 1.0


@pytest.mark.parametrize(
    ("centre", "aspect"), [((150, 120), 1.0), ((300, 200), 1.6), ((-60, 90), 1.0)]
)
def test_radial_under_objects(centre, aspect):
    truth = radial(400, 301, centre, aspect, 420, (0, 0.5, 1), SUNSET)
    shown, _ = with_objects(truth, 0.25, 2)
    shade = fit_radial(shown)
    assert error(shade, truth).mean() < 1.0
    assert np.hypot(*np.subtract(shade.centre, centre)) < 0.1 * 400


def test_mask_leaves_pixels_out():
    truth = linear(200, 150, 10.0, (0, 1), SUNSET[:2])
    shown = np.rint(truth).astype(np.uint8)
    mask = np.zeros((150, 200), dtype=bool)
    mask[:40], shown[40:] = True, 7
    assert error(fit_linear(shown, mask), truth)[:40].max() < 2.0


def test_the_simplest_shade_that_fits_is_chosen():
    flat = np.full((90, 120, 3), 40, dtype=np.uint8)
    sloped = np.rint(linear(160, 120, 45.0, (0, 1), SUNSET[1:])).astype(np.uint8)
    round_ = np.rint(radial(160, 120, (70, 50), 1.0, 120, (0, 1), SUNSET[1:])).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    kinds = [best_shade(p, np.ones(p.shape[:2], bool), 2.5) for p in (flat, sloped, round_, noise)]
    assert [shade and shade.kind for shade in kinds] == ["plain", "linear", "radial", None]


def test_share_decides_how_many_pixels_may_differ():
    shown, covered = with_objects(linear(300, 200, 20.0, (0, 1), SUNSET[:2]), 0.2, 1)
    everywhere = np.ones(covered.shape, dtype=bool)
    assert best_shade(shown, everywhere, 2.0) is None
    assert best_shade(shown, everywhere, 2.0, share=0.6) is not None


def test_empty_mask_gives_no_shade():
    assert best_shade(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), bool), 2.0) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (3, 2), (2, 17)])
def test_tiny_and_thin_pictures_fit_something(shape):
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.uint8)
    for fit in (fit_plain, fit_linear, fit_radial):
        assert np.isfinite(fit(pixels).render(Bounds(0, 0, shape[1], shape[0]))).all()


@given(dx=st.integers(-50, 50), dy=st.integers(-50, 50), kind=st.sampled_from(["linear", "radial"]))
@settings(max_examples=30, deadline=None)
def test_moving_and_json_keep_the_picture(dx, dy, kind):
    shade = Shade(
        kind, (0.0, 30.0, 80.0), ((0, 0, 0), (9, 99, 200), (255, 1, 2)), (0.6, 0.8), (20, 9), 1.4
    )
    again = Shade.from_json(json.loads(json.dumps(shade.to_json())))
    here = shade.render(Bounds(0, 0, 40, 30))
    there = again.moved(dx, dy).render(Bounds(dx, dy, 40, 30))
    np.testing.assert_allclose(here, there, atol=3.0)  # table steps, at most 13 levels a pixel
