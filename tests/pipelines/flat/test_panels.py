"""Panels come out whole: beneath text, beneath each other, with borders, veils and shadows."""

import numpy as np
import pytest
from drawn_pictures import Drawing, ellipse, on_canvas, polygon, ramp, rectangle, words

from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.background import find_background
from layerstudio.pipelines.flat.panels import find_panels

SHAPE = (203, 301)
FULL = Bounds(0, 0, SHAPE[1], SHAPE[0])
NAVY, CREAM, RED, ORANGE = (24, 40, 88), (250, 250, 244), (200, 30, 40), (240, 170, 40)
LEVEL = 1 / 255
SUNSET = ramp(SHAPE, (40, 40, 160), (250, 140, 60))


class Told:
    """A guide that says one thing of all regions, and that ``shown`` (h, w) is no shadow."""

    def __init__(self, answer, shown=None):
        self.answer = answer
        self.shown = np.zeros(SHAPE, bool) if shown is None else shown

    def is_panel(self, bounds, region):
        return self.answer

    def shaded(self, soft):
        return soft & ~self.shown


def panels_of(drawing, *, lossy=False, guide=None):
    """Elements, edges, and the backdrop they were laid on."""
    analysis = drawing.analysis(lossy=lossy)
    backdrop = find_background(analysis).render(FULL).copy()
    elements, edges = find_panels(analysis, backdrop, guide)
    return elements, edges, backdrop


def only_panels(drawing, **options):
    return [item for item in panels_of(drawing, **options)[0] if item.role is Role.SHAPE]


def alpha_error(element, truth):
    return float(np.abs(on_canvas(element, SHAPE) - truth).max())


CARDS = {
    "rectangle": rectangle(SHAPE, (30, 25, 200, 140)),
    "rectangle between pixels": rectangle(SHAPE, (30.5, 25.25, 200, 140)),
    "rounded rectangle": rectangle(SHAPE, (30, 25, 200, 140), 12),
    "pill": rectangle(SHAPE, (30, 50, 240, 90), 45),
    "ellipse": ellipse(SHAPE, 150, 100, 120, 78),
}
GROUNDS = [NAVY, ramp(SHAPE, (250, 210, 120), (90, 30, 90))]


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("ground", GROUNDS, ids=["plain", "gradient"])
def test_opaque_beneath_text(name, ground):
    colour = (20, 130, 140)
    drawing = Drawing(SHAPE, ground).lay(CARDS[name], colour)
    drawing.lay(words(SHAPE, (70, 75), "Garden Party", 24), CREAM)
    (panel,) = only_panels(drawing)
    assert panel.shape in name
    assert alpha_error(panel, drawing.layers[0]) <= 2 * LEVEL
    assert np.abs(panel.colour - colour)[panel.alpha > 0.9].max() <= 1.0


def test_a_gradient_fill():
    fill = ramp(SHAPE, (255, 240, 120), (220, 40, 90), (0.3, 1.0))
    drawing = Drawing(SHAPE, NAVY).lay(CARDS["rounded rectangle"], fill)
    drawing.lay(words(SHAPE, (50, 75), "Garden Party", 28), NAVY)
    (panel,) = only_panels(drawing)
    assert alpha_error(panel, drawing.layers[0]) <= 2 * LEVEL
    off = np.abs(panel.colour - fill[panel.bounds.slices])[panel.alpha > 0.9]
    assert off.max() <= 2.5


def test_compressed_panels_are_whole_inside_and_end_nearby():
    drawing = Drawing(SHAPE, NAVY).lay(CARDS["rounded rectangle"], CREAM)
    drawing.lay(words(SHAPE, (50, 75), "Garden Party", 28), RED)
    (panel,) = only_panels(drawing, lossy=True)
    alpha, truth = on_canvas(panel, SHAPE), drawing.layers[0]
    deep = rectangle(SHAPE, (33, 28, 194, 134), 12) == 1
    assert alpha[deep].min() >= 1 - 2 * LEVEL
    assert np.abs(alpha - truth).mean() <= 0.5 * LEVEL
    np.testing.assert_allclose(panel.mean_colour(), CREAM, atol=3)


@pytest.mark.parametrize(("width", "radius"), [(3, 0), (4, 10), (9, 16)])
def test_borders(width, radius):
    outer = rectangle(SHAPE, (40, 35, 180, 120), radius)
    box = (40 + width, 35 + width, 180 - 2 * width, 120 - 2 * width)
    inner = rectangle(SHAPE, box, max(0, radius - width))
    drawing = Drawing(SHAPE, CREAM).lay(outer, RED).lay(inner, (255, 225, 150))
    drawing.lay(words(SHAPE, (60, 75), "Border", 34), NAVY)
    (panel,) = only_panels(drawing)
    assert alpha_error(panel, outer) <= 3 * LEVEL
    colour = np.zeros((*SHAPE, 3), np.float32)
    colour[panel.bounds.slices] = panel.colour
    middle = 95
    np.testing.assert_allclose(colour[middle, 40 : 40 + width], [RED] * width, atol=2)
    np.testing.assert_allclose(colour[middle, 41 + width], (255, 225, 150), atol=2)


@pytest.mark.parametrize("upper_last", [True, False])
def test_what_another_panel_hides_is_completed(upper_last):
    one, two = rectangle(SHAPE, (20, 20, 160, 110)), rectangle(SHAPE, (120, 80, 160, 100))
    first, second = [(one, (30, 120, 90)), (two, ORANGE)][:: 1 if upper_last else -1]
    drawing = Drawing(SHAPE, CREAM).lay(*first).lay(*second)
    drawing.lay(ellipse(SHAPE, 60, 60, 14), NAVY)
    drawing.lay(words(SHAPE, (190, 140), "Front", 24), NAVY)
    panels = only_panels(drawing)
    assert len(panels) == 2
    for panel, truth, (_, colour) in zip(panels, drawing.layers, (first, second), strict=False):
        assert alpha_error(panel, truth) <= 2 * LEVEL
        np.testing.assert_allclose(panel.mean_colour(), colour, atol=0.5)


@pytest.mark.parametrize(
    ("colour", "opacity"),
    [((255, 255, 255), 0.3), ((255, 255, 255), 0.6), ((230, 250, 190), 0.85), ((10, 60, 40), 0.85)],
)
@pytest.mark.parametrize("lossy", [False, True], ids=["png", "jpeg"])
def test_a_veil_over_a_gradient(colour, opacity, lossy):
    card = rectangle(SHAPE, (40, 40, 220, 110), 14)
    drawing = Drawing(SHAPE, SUNSET).lay(card, colour, opacity)
    drawing.lay(words(SHAPE, (60, 75), "Glass", 36), (250, 240, 20))
    (panel,) = only_panels(drawing, lossy=lossy)
    deep = on_canvas(panel, SHAPE)[50:140, 60:240]
    assert np.abs(deep - opacity).max() <= 0.03
    assert np.abs(np.subtract(panel.mean_colour(), colour)).max() <= 8


def test_a_veil_over_two_plain_colours():
    card = rectangle(SHAPE, (40, 70, 200, 110), 10)
    drawing = Drawing(SHAPE, (30, 60, 150)).lay(ellipse(SHAPE, 200, 60, 70), ORANGE)
    drawing.lay(card, CREAM, 0.55).lay(words(SHAPE, (62, 120), "Two worlds", 24), (20, 20, 30))
    disc, panel = only_panels(drawing)
    assert disc.shape == "disc"
    assert alpha_error(panel, drawing.layers[1]) <= 0.03
    np.testing.assert_allclose(panel.mean_colour(), CREAM, atol=8)


@pytest.mark.parametrize("lossy", [False, True], ids=["png", "jpeg"])
def test_the_shadow_lies_beneath_its_panel(lossy):
    card = rectangle(SHAPE, (50, 40, 200, 110), 10)
    drawing = Drawing(SHAPE, (236, 238, 244)).shade(card, dx=3, dy=8, sigma=7, opacity=0.45)
    drawing.lay(card, (255, 255, 255)).lay(words(SHAPE, (75, 80), "Shadow", 32), NAVY)
    shadow, panel = panels_of(drawing, lossy=lossy)[0]
    assert [shadow.role, panel.role] == [Role.SHADOW, Role.SHAPE]
    assert np.abs(on_canvas(shadow, SHAPE) - drawing.layers[0]).mean() <= 3 * LEVEL
    assert max(shadow.mean_colour()) <= 12
    assert np.abs(on_canvas(panel, SHAPE) - card).mean() <= 0.3 * LEVEL


def test_a_button_lies_on_its_card():
    drawing = Drawing(SHAPE, NAVY).lay(rectangle(SHAPE, (30, 25, 230, 150), 12), CREAM)
    drawing.lay(rectangle(SHAPE, (60, 110, 120, 36), 18), RED)
    drawing.lay(words(SHAPE, (50, 45), "Sign up today", 24), NAVY)
    drawing.lay(words(SHAPE, (88, 117), "Join now", 16), CREAM)
    elements, edges, backdrop = panels_of(drawing)
    assert len(elements) == 2
    for panel, truth in zip(elements, drawing.layers, strict=False):
        assert alpha_error(panel, truth) <= 2 * LEVEL
    np.testing.assert_allclose(backdrop[128, 80], RED, atol=1)
    assert edges[110, 100] and edges[25, 100]
    assert not edges[128, 120] and not edges[5, 5]


def test_drawings_are_no_panels():
    drawing = Drawing(SHAPE, CREAM)
    for x, colour in ((70, (255, 210, 40)), (220, ORANGE)):
        drawing.lay(ellipse(SHAPE, x, 100, 38), (20, 20, 20)).lay(
            ellipse(SHAPE, x, 100, 35), colour
        )
    for x in (58, 82):
        drawing.lay(ellipse(SHAPE, x, 90, 5), (20, 20, 20))
    drawing.lay(rectangle(SHAPE, (54, 112, 32, 5), 2), (20, 20, 20))
    drawing.lay(rectangle(SHAPE, (184, 98, 72, 4)), (20, 20, 20))
    drawing.lay(rectangle(SHAPE, (218, 64, 4, 72)), (20, 20, 20))
    elements, edges, backdrop = panels_of(drawing)
    assert elements == []
    assert not edges.any()
    np.testing.assert_allclose(backdrop, np.broadcast_to(np.float32(CREAM), backdrop.shape))


def test_a_bare_ground_has_none():
    assert panels_of(Drawing(SHAPE, SUNSET))[0] == []


@pytest.mark.parametrize("thickness", [1, 2])
def test_a_hairline_around_a_card_belongs_to_the_card(thickness):
    drawing = Drawing(SHAPE, NAVY)
    drawing.lay(rectangle(SHAPE, (40, 35, 180, 120)), RED)
    inside = (40 + thickness, 35 + thickness, 180 - 2 * thickness, 120 - 2 * thickness)
    drawing.lay(rectangle(SHAPE, inside), CREAM)
    drawing.lay(words(SHAPE, (70, 80), "Hello card", 24), NAVY)
    (card,) = only_panels(drawing)
    assert card.bounds == Bounds(40, 35, 180, 120)
    assert card.alpha.min() > 0.99
    assert np.abs(card.colour[60, 0] - RED).max() <= 2
    assert np.abs(card.colour[60, thickness] - CREAM).max() <= 2


@pytest.mark.parametrize("veil_on_top", [True, False])
def test_a_veil_over_a_plain_card_is_told_from_a_card_over_it(veil_on_top):
    card, pane = rectangle(SHAPE, (120, 20, 120, 90)), rectangle(SHAPE, (50, 60, 160, 110))
    drawing = Drawing(SHAPE, (30, 60, 150))
    for coverage, colour in (
        [(card, ORANGE), (pane * 0.55, CREAM)]
        if veil_on_top
        else [(pane * 0.55, CREAM), (card, ORANGE)]
    ):
        drawing.lay(coverage, colour)
    lower, upper = only_panels(drawing)
    assert upper.bounds == (Bounds(50, 60, 160, 110) if veil_on_top else Bounds(120, 20, 120, 90))
    assert lower.alpha.min() > 0.99
    if veil_on_top:
        assert abs(float(upper.alpha.max()) - 0.55) < 0.03
        assert np.abs(upper.mean_colour() - np.array(CREAM)).max() < 8


def ribbon():
    """A badge with notched ends, which drawings have too."""
    notched = [(60, 80), (240, 80), (222, 100), (240, 120), (60, 120), (78, 100)]
    return polygon(SHAPE, notched)


def test_a_guide_tells_panels_that_the_rules_leave_and_leaves_what_they_take():
    drawing = Drawing(SHAPE, CREAM).lay(ribbon(), RED)
    assert only_panels(drawing) == []
    (badge,) = only_panels(drawing, guide=Told(True))
    assert alpha_error(badge, ribbon()) <= 0.5
    assert np.abs(np.subtract(badge.mean_colour(), RED)).max() <= 2
    card = Drawing(SHAPE, CREAM).lay(CARDS["rectangle"], RED)
    card.lay(words(SHAPE, (60, 70), "Harbour", 30), CREAM)
    assert len(only_panels(card)) == 1 and only_panels(card, guide=Told(False)) == []


def test_a_told_panel_of_any_smooth_colour_is_whole_beneath_its_letters():
    fill = (SUNSET * 0.5 + ramp(SHAPE, (10, 120, 40), (70, 20, 160), (1.0, -0.6)) * 0.5) ** 1.05
    drawing = Drawing(SHAPE, CREAM).lay(CARDS["rectangle"], fill)
    drawing.lay(words(SHAPE, (60, 70), "Harbour", 30), CREAM)
    (card,) = only_panels(drawing, guide=Told(True))
    seen = on_canvas(card, SHAPE) > 0.99
    whole = np.zeros((*SHAPE, 3), np.float32)
    whole[card.bounds.slices] = card.colour
    assert np.abs(whole - fill)[seen].max() <= 6


def test_a_thin_ring_is_no_panel_whoever_says_so():
    ring = rectangle(SHAPE, (30, 25, 200, 140)) - rectangle(SHAPE, (35, 30, 190, 130))
    drawing = Drawing(SHAPE, CREAM).lay(ring, RED)
    assert only_panels(drawing, guide=Told(True)) == []


def test_a_dark_veil_is_no_shadow_where_a_guide_sees_a_panel():
    ground = ramp(SHAPE, (200, 170, 130), (240, 215, 180), (0.6, 1.0))
    card = CARDS["rounded rectangle"]
    drawing = Drawing(SHAPE, ground).lay(card * 0.5, (120, 130, 60))
    (veil,) = only_panels(drawing, guide=Told(None, card > 0.5))
    assert abs(float(veil.alpha.max()) - 0.5) <= 0.06
