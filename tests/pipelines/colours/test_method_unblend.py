"""The method ``unblend``: layers with real blend modes that recompose."""

import numpy as np
import pytest

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
BASES = np.array([[0.96, 0.92, 0.82], [0.8, 0.2, 0.16]])


def request(layers="auto", exact=True, **chosen):
    return DecomposeRequest(method="unblend", layers=layers, exact=exact, settings=chosen)


def alpha_of(document, name):
    layer = next(layer for layer in document.layers if layer.name == name)
    alpha = np.zeros(document.extent.shape)
    alpha[layer.bounds.slices] = layer.pixels[..., 3] / 255
    return alpha


@pytest.mark.parametrize("name", PICTURES)
def test_it_recomposes_within_a_level(name):
    picture = PICTURES[name]
    document = decompose(picture, request())
    assert recomposition_error(document, picture.pixels).max_error <= 1 / 255 + 1e-6
    assert document.children


@pytest.mark.parametrize("mode", ["overlay", "color-dodge", "difference", "soft-light", "add"])
def test_other_modes_recompose_too(mode):
    picture = PICTURES["drawing"]
    document = decompose(picture, request(modes=f"normal,normal,{mode}"))
    assert recomposition_error(document, picture.pixels).max_error <= 1 / 255 + 1e-6


def test_the_usual_layers_have_their_modes_and_roles():
    document = decompose(PICTURES["drawing"], request(layers=4))
    by_name = {layer.name: layer for layer in document.layers}
    assert (by_name["Shade"].blend, by_name["Shade"].role) == (BlendMode.MULTIPLY, Role.SHADOW)
    assert (by_name["Light"].blend, by_name["Light"].role) == (BlendMode.SCREEN, Role.HIGHLIGHT)
    assert document.layers[0].role is Role.BACKGROUND
    assert by_name["Red"].role is Role.FLAT_COLOUR


def test_known_shade_and_colours_are_recovered():
    """The drawing is two colours, a multiplied shade of 50 % and a screened light."""
    document = decompose(
        PICTURES["drawing"],
        request(
            modes="normal,normal,multiply,screen",
            colours="#f5ebd1,#cc3329,#332659,#ffffff",
            spread="4",
            smoothing=0,
        ),
    )
    height, width = 45, 61
    ys, xs = np.mgrid[:height, :width].astype(float)
    disc = np.clip(0.33 * height - np.hypot(xs - 0.5 * width, ys - 0.5 * height) + 0.5, 0, 1)
    shade = 0.5 * np.clip((ys - 0.5 * height) / 6, 0, 1)
    assert np.corrcoef(alpha_of(document, "Red").ravel(), disc.ravel())[0, 1] > 0.95
    found = alpha_of(document, "Shade")
    assert np.abs(found - shade).mean() < 0.06
    assert np.corrcoef(found.ravel(), shade.ravel())[0, 1] > 0.95


def test_colours_given_are_the_bases_of_the_usual_layers():
    document = decompose(PICTURES["drawing"], request(colours="#f5ebd1,auto"))
    first = document.layers[0].pixels[..., :3].reshape(-1, 3)
    assert np.abs(np.median(first, axis=0) - (245, 235, 209)).max() <= 6
    assert [layer.name for layer in document.layers[2:4]] == ["Shade", "Light"]


def test_fewer_layers():
    picture = PICTURES["drawing"]
    assert len(decompose(picture, request(layers=1)).layers) == 1
    names = [layer.name for layer in decompose(picture, request(layers=2, exact=False)).layers]
    assert names[-1] == "Shade"
    assert len(names) == 2


def test_smoothing_follows_edges():
    noisy = flat_drawing() + np.random.default_rng(0).normal(0, 0.02, (45, 61, 3))
    picture = Picture(opaque(np.clip(noisy, 0, 1)))
    rough, smooth = (
        alpha_of(decompose(picture, request(layers=4, smoothing=share)), "Shade")
        for share in (0.0, 0.06)
    )
    assert np.abs(np.diff(smooth, axis=1)).mean() < np.abs(np.diff(rough, axis=1)).mean()


@pytest.mark.parametrize(
    "chosen",
    [
        {"modes": "multiply,normal"},
        {"modes": "normal,hue"},
        {"modes": "normal,hard-mix"},
        {"modes": "normal,screen", "colours": "#fff"},
        {"modes": "normal,screen", "layers": 3},
        {"modes": "normal,screen", "spread": "3,4,5"},
        {"spread": "much"},
        {"spread": "0"},
        {"modes": ",".join(["normal"] * 13)},
    ],
)
def test_what_makes_no_sense_is_refused(chosen):
    layers = chosen.pop("layers", "auto")
    with pytest.raises(InvalidRequest):
        decompose(PICTURES["drawing"], request(layers, **chosen))


def test_a_cancelled_run_ends():
    token = CancelToken()

    def watch(report):
        if report.stage == "alphas":
            token.cancel()

    with pytest.raises(Cancelled):
        decompose(PICTURES["noise"], request(), progress=watch, cancel=token)


def test_the_same_picture_gives_the_same_document_and_a_split_nests():
    picture = PICTURES["drawing"]
    one, two = (decompose(picture, request()) for _ in range(2))
    for left, right in zip(one.layers, two.layers, strict=True):
        assert np.array_equal(left.pixels, right.pixels)
    flat = Document(picture.extent, decompose(picture, request(layers=1)).children)
    nested = split(flat, (0,), method="unblend")
    assert isinstance(nested.children[0], Group)
    assert recomposition_error(nested, picture.pixels).max_error <= 1 / 255 + 1e-6
