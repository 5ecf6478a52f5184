"""The method ``palette``: solid colours that recompose, and can be repainted."""

from dataclasses import replace

import numpy as np
import pytest

from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Role
from layerstudio.errors import Cancelled, InvalidRequest
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.picture import Picture
from layerstudio.pipelines.api import decompose
from layerstudio.pipelines.split import split
from layerstudio.progress import CancelToken
from layerstudio.requests import DecomposeRequest
from tests.pipelines.colours.colour_pictures import flat_drawing, opaque, pictures

PICTURES = pictures()
FOUR = "#ffffff,#e02020,#2040c0,#101010"


def request(layers="auto", exact=True, **chosen):
    return DecomposeRequest(method="palette", layers=layers, exact=exact, settings=chosen)


def solid_levels(layer):
    seen = layer.pixels[layer.pixels[..., 3] > 0][:, :3]
    return np.unique(seen, axis=0).tolist()


@pytest.mark.parametrize("remainder", ["linear-light", "normal"])
@pytest.mark.parametrize("name", PICTURES)
def test_it_recomposes_within_a_level(name, remainder):
    picture = PICTURES[name]
    document = decompose(picture, request(remainder=remainder))
    assert recomposition_error(document, picture.pixels).max_error <= 1 / 255 + 1e-6
    assert document.children


@pytest.mark.parametrize("name", PICTURES)
def test_added_layers_recompose_exactly(name):
    picture = PICTURES[name]
    document = decompose(picture, request(stack="add"))
    assert recomposition_error(document, picture.pixels).max_error <= 0.5 / 255
    if len(document.layers) > 1:
        assert {layer.blend for layer in document.layers[1:]} == {BlendMode.LINEAR_DODGE}


def test_layers_are_solid_named_and_have_roles():
    document = decompose(PICTURES["drawing"], request())
    *layers, rest = document.layers
    assert rest.name == "Remainder" or not rest.pixels.size
    assert layers[0].role is Role.BACKGROUND
    assert {layer.role for layer in layers[1:]} == {Role.FLAT_COLOUR}
    assert all(len(solid_levels(layer)) == 1 for layer in layers)
    assert layers[0].name.startswith("Cream")
    assert len({layer.name for layer in document.layers}) == len(document.layers)


def test_a_given_palette_is_kept_in_its_order():
    document = decompose(PICTURES["noise"], request(colours=FOUR))
    found = [solid_levels(layer) for layer in document.layers[:4]]
    assert found == [[[255, 255, 255]], [[224, 32, 32]], [[32, 64, 192]], [[16, 16, 16]]]


def test_known_alphas_are_found():
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:60, :80] / 80
    palette = np.array([[255, 255, 255], [224, 32, 32], [32, 64, 192], [16, 16, 16]]) / 255
    alphas = [np.ones_like(xs)]
    rgb = np.ones((60, 80, 3)) * palette[0]
    for colour in palette[1:]:
        x, y = rng.random(2)
        alphas.append(np.exp(-((xs - x) ** 2 + (ys - y * 0.7) ** 2) / 0.05))
        rgb += alphas[-1][..., None] * (colour - rgb)
    document = decompose(Picture(opaque(rgb)), request(colours=FOUR))
    for layer, alpha in list(zip(document.layers, alphas, strict=False))[1:4]:
        wide = np.zeros(alpha.shape)
        wide[layer.bounds.slices] = layer.pixels[..., 3] / 255
        assert np.corrcoef(wide.ravel(), alpha.ravel())[0, 1] > 0.95


def test_repainting_a_layer_recolours_the_picture():
    document = decompose(PICTURES["drawing"], request(colours="#f5ebd1,#cc3329,#000000,#ffffff"))
    red = next(index for index, layer in enumerate(document.layers) if layer.name == "Red")
    layer = document.layers[red]
    pixels = layer.pixels.copy()
    pixels[..., :3] = (30, 90, 200)
    changed = composite(document.replaced((red,), replace(layer, pixels=pixels)))
    before = composite(document)
    inside = before[..., 0] - before[..., 2] > 0.4
    assert np.all(changed[inside][:, 2] > changed[inside][:, 0])
    corner = np.s_[:4, :4]
    np.testing.assert_allclose(changed[corner], before[corner], atol=2 / 255)


def test_the_raw_answer_has_no_remainder_and_is_measured():
    document = decompose(PICTURES["noise"], request(layers=5, exact=False))
    assert [layer.name for layer in document.layers].count("Remainder") == 0
    assert float(document.metadata["recomposition_max_error"]) > 2 / 255


def test_the_number_of_colours():
    picture = PICTURES["noise"]
    assert len(decompose(picture, request(layers=1)).layers) == 1
    for wanted in (3, 6):
        layers = decompose(picture, request(layers=wanted, exact=False)).layers
        assert len(layers) == wanted
    document = decompose(PICTURES["greys"], request(layers=5))
    assert any("5 colours were asked for, and there are 2" in note for note in document.notes)


@pytest.mark.parametrize(("order", "first"), [("light-to-dark", 0), ("dark-to-light", -1)])
def test_the_order_can_be_chosen(order, first):
    layers = decompose(PICTURES["noise"], request(layers=4, exact=False, order=order)).layers
    light = [sum(solid_levels(layer)[0]) for layer in layers]
    assert max(light) == light[first]


@pytest.mark.parametrize(
    "chosen",
    [
        {"colours": "#12"},
        {"colours": "red"},
        {"colours": "#fff,#ffffff"},
        {"colours": FOUR, "layers": 3},
        {"order": "sideways"},
    ],
)
def test_what_makes_no_sense_is_refused(chosen):
    layers = chosen.pop("layers", "auto")
    with pytest.raises(InvalidRequest):
        decompose(PICTURES["drawing"], request(layers, **chosen))


def test_guides_are_ignored_with_a_note():
    guided = replace(request(), points=((3, 3),))
    for settings in ({}, {"stack": "add"}):
        document = decompose(PICTURES["drawing"], replace(guided, settings=settings))
        assert any("takes no points" in note for note in document.notes)


def test_a_cancelled_run_ends_and_progress_rises():
    token = CancelToken()
    fractions: list[float] = []

    def watch(report):
        fractions.append(report.fraction)
        if len(fractions) == 3:
            token.cancel()

    with pytest.raises(Cancelled):
        decompose(PICTURES["noise"], request(), progress=watch, cancel=token)
    assert fractions == sorted(fractions)


def test_the_same_picture_gives_the_same_document_and_a_split_nests():
    picture = Picture(opaque(flat_drawing(31, 37)))
    one, two = (decompose(picture, request()) for _ in range(2))
    for left, right in zip(one.layers, two.layers, strict=True):
        assert left.bounds == right.bounds
        assert np.array_equal(left.pixels, right.pixels)
    flat = Document(picture.extent, decompose(picture, request(layers=1)).children)
    nested = split(flat, (0,), method="palette")
    assert isinstance(nested.children[0], Group)
    assert recomposition_error(nested, picture.pixels).max_error <= 1 / 255 + 1e-6
