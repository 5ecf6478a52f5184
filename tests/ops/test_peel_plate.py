"""Plates settled by what surrounds their holes, and mattes made to say what they mean."""

import cv2
import numpy as np
import pytest

from layerstudio.ops.peel_matte import snapped, soft, without_dips, without_specks
from layerstudio.ops.peel_plate import settled
from layerstudio.ops.shade import Shade
from layerstudio.ops.steady_colour import steadied

H, W = 91, 133


def hole() -> np.ndarray:
    holes = np.zeros((H, W), bool)
    holes[30:62, 40:91] = True
    return holes


def made_up(truth: np.ndarray, holes: np.ndarray, seed: int = 0) -> np.ndarray:
    """The truth a few levels off, as an inpainting network gives it."""
    noise = np.random.default_rng(seed).integers(-8, 9, truth.shape)
    filled = np.clip(truth.astype(int) + noise * holes[..., None], 0, 255)
    return filled.astype(np.uint8)


def jpeg(rgb: np.ndarray, quality: int = 75) -> np.ndarray:
    _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def ramp() -> np.ndarray:
    across = np.linspace(40, 220, W)[None, :, None]
    return np.rint(np.broadcast_to(across * [1.0, 0.6, 0.3], (H, W, 3))).astype(np.uint8)


def plain() -> np.ndarray:
    return np.full((H, W, 3), (230, 120, 40), np.uint8)


def halves() -> np.ndarray:
    rgb = plain()
    rgb[:, 66:] = (20, 60, 200)
    return rgb


@pytest.mark.parametrize("truth", [plain(), ramp(), halves()], ids=["plain", "ramp", "halves"])
@pytest.mark.parametrize("noise", [0, 2], ids=["clean", "jpeg"])
def test_flat_ground_and_gradients_go_on_behind(truth, noise):
    holes = hole()
    rgb = jpeg(truth) if noise else truth
    filled = np.where(holes[..., None], made_up(truth, holes), rgb)
    plate = settled(rgb, filled, holes, noise=noise)
    assert np.array_equal(plate.explained, holes)
    assert np.array_equal(plate.rgb[~holes], rgb[~holes])
    off = np.abs(plate.rgb[holes].astype(int) - truth[holes])
    assert np.mean(off.max(axis=1) > 2 + noise) <= 0.04  # JPEG gives an edge colours of its own
    assert np.abs(filled[holes].astype(int) - truth[holes]).max() == 8


def test_a_gradient_of_the_whole_picture_goes_on_beneath_what_touches_the_hole():
    truth, holes = ramp(), hole()
    truth[62:, :] = (0, 0, 0)  # a bar along the lower edge of the hole
    plate = settled(truth, made_up(truth, holes), holes)
    assert plate.explained.all() == holes.all() and plate.explained[45, 60]
    assert np.abs(plate.rgb[holes].astype(int) - truth[holes]).max() <= 3


def test_a_texture_stays_as_the_network_made_it():
    rng = np.random.default_rng(3)
    rgb = cv2.GaussianBlur(rng.integers(0, 256, (H, W, 3)).astype(np.float32), (0, 0), 1.2)
    rgb = np.clip(rgb * 2 - 128, 0, 255).astype(np.uint8)
    filled = made_up(rgb, hole())
    plate = settled(rgb, filled, hole())
    assert not plate.explained.any() and np.array_equal(plate.rgb, filled)


def test_a_shade_that_is_known_is_used_before_others():
    shade = Shade("plain", (0.0,), ((230.0, 120.0, 40.0),))
    plate = settled(plain(), made_up(plain(), hole()), hole(), shades=[shade])
    assert np.array_equal(plate.rgb, plain())


def test_a_hole_without_surroundings_stays():
    everything = np.ones((H, W), bool)
    plate = settled(plain(), made_up(plain(), everything), everything)
    assert not plate.explained.any()


def test_sigmoids_reach_zero_and_one():
    alpha = np.array([[0.004, 0.03, 0.5, 0.94, 0.96, 1.2]])
    assert snapped(alpha).tolist()[0] == pytest.approx([0, 0.03, 0.5, 0.94, 1, 1])


def test_specks_and_haze_are_no_things():
    alpha = np.zeros((60, 90), np.float32)
    alpha[5:25, 5:30] = 1
    alpha[40:43, 40:43] = 1  # nine pixels
    alpha[30:55, 60:85] = 0.06
    kept = without_specks(alpha)
    assert (kept[5:25, 5:30] == 1).all() and kept.sum() == 500


def test_doubt_inside_a_solid_thing_is_no_hole_and_its_edge_no_doubt():
    alpha = np.zeros((80, 80), np.float32)
    cv2.circle(alpha, (40, 40), 30, 1.0, -1)
    alpha[38:42, 38:42] = 0.7
    alpha[9, 30:50] = 0.5
    filled = without_dips(alpha, 3)
    assert (filled[38:42, 38:42] == 1).all() and (filled[9, 30:50] == 0.5).all()
    assert not soft(filled, 3)[9, 35:45].any()


def test_a_blur_is_soft_but_for_its_core():
    alpha = np.zeros((90, 90), np.float32)
    cv2.circle(alpha, (45, 45), 15, 1.0, -1)
    alpha = snapped(cv2.GaussianBlur(alpha, (0, 0), 9))
    assert soft(alpha, 2)[(alpha > 0.1) & (alpha < 0.9)].mean() > 0.95


def test_colours_of_a_faint_shadow_are_calm_even_where_the_picture_is_made_up():
    rng = np.random.default_rng(0)
    plate = np.full((60, 80, 3), 200, np.float32)
    alpha = np.zeros((60, 80), np.float32)
    cv2.circle(alpha, (40, 30), 18, 0.4, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 3)
    image = np.rint(plate * (1 - alpha[..., None]) + rng.normal(0, 0.8, plate.shape))
    made = np.zeros((60, 80), bool)
    made[20:40, 30:50] = True
    image[made] = 200  # the network did not know of the shadow
    image = image.astype(np.float32)
    weight = np.maximum(alpha, 1e-6)[..., None]
    own = np.clip((image - (1 - alpha[..., None]) * plate) / weight, 0, 255).astype(np.float32)
    there = alpha > 0.03
    calm = steadied(image, plate, alpha, own, 2.0, made)
    assert own[there].mean() > 40 and np.abs(calm[there]).mean() < 8
    assert calm[made].max() < 20
