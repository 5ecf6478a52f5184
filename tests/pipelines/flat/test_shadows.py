"""Soft shadows: found where the backdrop darkens, told by a few numbers, whole beneath things."""

import numpy as np
import pytest
from drawn_pictures import Drawing, ellipse, on_canvas, ramp, rectangle
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.drop_shadow import DropShadow
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.shadows import shadow_of, shadow_tint, soft_darkness

SHAPE = (173, 251)
PAPER = (232, 226, 214)
CASTERS = {
    "card": rectangle(SHAPE, (70, 45, 100, 70), 8),
    "disc": ellipse(SHAPE, 120, 80, 42),
}
NUMBERS = [(0, 6, 6, 0.4), (9, 9, 4, 0.6), (-7, 3, 8, 0.5)]


def shaded(caster, ground=PAPER, colour=(60, 120, 200), **shadow):
    """A picture of a caster with its shadow, and what ``shadow_of`` makes of it."""
    drawing = Drawing(SHAPE, ground)
    backdrop = drawing.shown.copy()
    if shadow:
        drawing.shade(caster, **shadow)
    return drawing.lay(caster, colour), backdrop


def found_in(drawing, backdrop, *, lossy=False, **options):
    caster = drawing.layers[-1]
    bounds = Bounds.of_mask(caster > 0)
    colour = np.zeros((*bounds.extent.shape, 3), np.float32)
    element = Element(Role.SHAPE, bounds, caster[bounds.slices], colour)
    analysis = drawing.analysis(lossy=lossy)
    soft = soft_darkness(analysis, backdrop)
    return shadow_of(analysis, backdrop, soft, element, caster > 0.02, **options), soft


def numbers_of(caster, alpha):
    """Offset, blur and opacity of a shadow from its moments, by no means of the code's own."""

    def moments(weight):
        y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
        total = weight.sum()
        mx, my = (weight * x).sum() / total, (weight * y).sum() / total
        spread = (weight * ((x - mx) ** 2 + (y - my) ** 2)).sum() / total / 2
        return mx, my, spread, total

    one, two = moments(caster.astype(np.float64)), moments(alpha.astype(np.float64))
    sigma = np.sqrt(max(0.0, two[2] - one[2]))
    return two[0] - one[0], two[1] - one[1], sigma, two[3] / one[3]


@pytest.mark.parametrize("name", CASTERS)
@pytest.mark.parametrize(("dx", "dy", "sigma", "opacity"), NUMBERS)
def test_the_numbers_of_a_shadow_are_recovered(name, dx, dy, sigma, opacity):
    caster = CASTERS[name]
    drawing, backdrop = shaded(caster, dx=dx, dy=dy, sigma=sigma, opacity=opacity)
    shadow, _ = found_in(drawing, backdrop, only_fitted=True)
    assert shadow is not None
    assert shadow.role is Role.SHADOW
    alpha = on_canvas(shadow, SHAPE)
    seen = numbers_of(caster, alpha)
    assert seen[:2] == pytest.approx((dx, dy), abs=1.0)
    assert seen[2] == pytest.approx(sigma, abs=1.0)
    assert seen[3] == pytest.approx(opacity, abs=0.1)
    assert np.abs(alpha - drawing.layers[0]).mean() <= 4 / 255


@pytest.mark.parametrize("name", CASTERS)
@pytest.mark.parametrize(("dx", "dy", "sigma", "opacity"), NUMBERS)
def test_what_shows_of_a_compressed_shadow_is_kept(name, dx, dy, sigma, opacity):
    drawing, backdrop = shaded(CASTERS[name], dx=dx, dy=dy, sigma=sigma, opacity=opacity)
    shadow, _ = found_in(drawing, backdrop, lossy=True)
    assert shadow is not None
    shows = CASTERS[name] == 0
    assert np.abs(on_canvas(shadow, SHAPE) - drawing.layers[0])[shows].mean() <= 0.01
    assert max(shadow.mean_colour()) <= 40


@given(
    dx=st.integers(-9, 9), dy=st.integers(5, 9), sigma=st.integers(4, 7), share=st.integers(4, 7)
)
@settings(max_examples=5, deadline=None)
def test_any_shadow_is_kept_and_goes_on_beneath_its_caster(dx, dy, sigma, share):
    caster = CASTERS["card"]
    drawing, backdrop = shaded(caster, dx=dx, dy=dy, sigma=sigma, opacity=share / 10)
    shadow, _ = found_in(drawing, backdrop)
    assert shadow is not None
    alpha, truth = on_canvas(shadow, SHAPE), drawing.layers[0]
    assert np.abs(alpha - truth)[caster == 0].mean() <= 0.01
    assert 0.6 * truth[caster == 1].mean() <= alpha[caster == 1].mean() <= 1.1 * share / 10


def test_on_a_gradient():
    ground = ramp(SHAPE, (255, 220, 150), (150, 200, 230), (0.5, 0.8))
    drawing, backdrop = shaded(CASTERS["disc"], ground, dx=4, dy=8, sigma=6, opacity=0.5)
    shadow, _ = found_in(drawing, backdrop)
    assert np.abs(on_canvas(shadow, SHAPE) - drawing.layers[0]).mean() <= 2 / 255


def test_a_tint_is_measured():
    tint = (70, 20, 10)
    drawing, backdrop = shaded(CASTERS["card"], dx=3, dy=9, sigma=5, opacity=0.8, tint=tint)
    shadow, _ = found_in(drawing, backdrop)
    shown = np.broadcast_to(np.float32(PAPER), (*SHAPE, 3)).copy()
    view = shown[shadow.bounds.slices]
    view += shadow.alpha[..., None] * (shadow.colour - view)
    outside = drawing.layers[-1] < 0.01
    assert np.quantile(np.abs(shown - drawing.shown)[outside], 0.99) <= 2.5
    red, green, blue = shadow.mean_colour()
    assert red > green + 20 and red > blue + 20


def test_the_tint_explains_the_darkness():
    rng = np.random.default_rng(2)
    under = rng.uniform(150, 255, (500, 3)).astype(np.float32)
    alpha = rng.uniform(0, 0.7, (500, 1)).astype(np.float32)
    image = under + alpha * (np.float32((40, 10, 60)) - under)
    np.testing.assert_allclose(shadow_tint(image, under), (40, 10, 60), atol=12)
    np.testing.assert_allclose(shadow_tint(under * (1 - alpha), under), (0, 0, 0), atol=1)


@pytest.mark.parametrize("name", CASTERS)
@pytest.mark.parametrize("lossy", [False, True], ids=["png", "jpeg"])
def test_none_where_there_is_none(name, lossy):
    drawing, backdrop = shaded(CASTERS[name])
    shadow, soft = found_in(drawing, backdrop, lossy=lossy)
    assert shadow is None
    assert soft.mean() < 0.002


def test_a_glow_is_no_shadow():
    drawing = Drawing(SHAPE, (60, 50, 70))
    backdrop = drawing.shown.copy()
    drawing.lay(DropShadow(0, 0, 7, 0.8).cast(CASTERS["disc"]), (255, 240, 180))
    shadow, soft = found_in(drawing.lay(CASTERS["disc"], (30, 90, 200)), backdrop)
    assert shadow is None
    assert not soft.any()


def test_a_dark_shape_is_no_shadow():
    drawing = Drawing(SHAPE, PAPER)
    backdrop = drawing.shown.copy()
    drawing.lay(rectangle(SHAPE, (40, 40, 90, 60)), (90, 90, 95))
    drawing.lay(rectangle(SHAPE, (140, 100, 80, 2)), (20, 20, 20))
    assert not soft_darkness(drawing.analysis(), backdrop).any()


def test_a_darker_disc_with_antialiased_edges_is_no_shadow():
    drawing = Drawing(SHAPE, PAPER)
    backdrop = drawing.shown.copy()
    drawing.lay(ellipse(SHAPE, 120, 80, 52, 48), np.float32(PAPER) * 0.88)
    assert soft_darkness(drawing.analysis(), backdrop).mean() < 0.01


def test_a_far_caster_gets_no_shadow():
    drawing, backdrop = shaded(CASTERS["disc"], dx=4, dy=8, sigma=5, opacity=0.5)
    drawing.lay(rectangle(SHAPE, (2, 2, 24, 20)), (200, 40, 40))
    shadow, soft = found_in(drawing, backdrop)
    assert soft.any()
    assert shadow is None


def test_a_shadow_is_the_moved_blurred_caster():
    caster = CASTERS["card"]
    cast = DropShadow(5, -3, 6, 0.5).cast(caster)
    assert numbers_of(caster, cast) == pytest.approx((5, -3, 6, 0.5), abs=0.1)
    np.testing.assert_allclose(DropShadow(0, 0, 0, 1.0).cast(caster), caster, atol=1e-6)
