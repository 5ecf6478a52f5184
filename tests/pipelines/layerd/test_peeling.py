"""The loop on posters whose layers are known, beside the published one on the same answers."""

import cv2
import numpy as np
import pytest
from known_mattes import canvases, in_turn, knowing_networks, on_canvas

from layerstudio.color import to_u8
from layerstudio.composite import composite
from layerstudio.document import Document, Layer, Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.metrics import layerd as metric
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.layerd.peeling import Peeling, peel
from layerstudio.pipelines.layerd.published import Published, peel_as_published
from layerstudio.progress import CancelToken

EXTENT = Extent(401, 303)


def layer(name: str, mask: np.ndarray, colour, role: Role = Role.OBJECT) -> Layer:
    """One colour, or a picture, in an antialiased ``mask`` (h, w) of the canvas in [0, 1]."""
    pixels = np.empty((*mask.shape, 4), np.uint8)
    pixels[..., :3] = colour
    pixels[..., 3] = np.rint(255 * mask)
    return Layer(name, Bounds.full(EXTENT), pixels, role=role).cropped_to_content()


def drawn(draw) -> np.ndarray:
    """What ``draw`` paints in white, antialiased by drawing four times as large."""
    large = np.zeros((4 * EXTENT.height, 4 * EXTENT.width), np.uint8)
    draw(large)
    small = cv2.resize(large, tuple(EXTENT), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def text(words: str, x: int, y: int, size: float) -> np.ndarray:
    face = cv2.FONT_HERSHEY_DUPLEX
    return drawn(lambda a: cv2.putText(a, words, (4 * x, 4 * y), face, 4 * size, 255, 10))


def poster(ground) -> Document:
    """Ground, a card, on it a title and a disc, and a star-like shape over the card's edge."""
    everywhere = np.ones(EXTENT.shape, np.float32)
    card = drawn(lambda a: cv2.rectangle(a, (240, 160), (1240, 1000), 255, -1))
    disc = drawn(lambda a: cv2.circle(a, (480, 700), 170, 255, -1))
    corners = np.array([[1100, 500], [1500, 620], [1300, 900], [1040, 800]])
    shape = drawn(lambda a: cv2.fillPoly(a, [corners], 255))
    return Document(
        EXTENT,
        (
            layer("ground", everywhere, ground, Role.BACKGROUND),
            layer("card", card, (250, 244, 225)),
            layer("title", text("Summer sale", 80, 80, 1.1), (30, 50, 90), Role.TEXT),
            layer("disc", disc, (210, 60, 50)),
            layer("shape", shape, (40, 130, 90)),
        ),
    )


def plain() -> np.ndarray:
    return np.full((*EXTENT.shape, 3), (60, 120, 190), np.uint8)


def ramp() -> np.ndarray:
    down = np.linspace(0, 1, EXTENT.height)[:, None, None]
    values = (1 - down) * [240, 200, 80] + down * [150, 60, 120]
    return np.broadcast_to(np.rint(values), (*EXTENT.shape, 3)).astype(np.uint8)


def flattened(document: Document) -> np.ndarray:
    return np.ascontiguousarray(to_u8(composite(document))[..., :3])


def stack(elements: list[Element]) -> list[np.ndarray]:
    layers = [Layer("x", one.bounds, one.pixels()) for one in elements]
    return [on_canvas(one, EXTENT) for one in layers]


def untouched(rgb: np.ndarray, holes: np.ndarray) -> np.ndarray:
    return rgb


def jpeg(rgb: np.ndarray) -> np.ndarray:
    _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


@pytest.fixture(scope="module", params=["plain", "ramp", "jpeg"])
def both(request):
    """The poster, its picture, what was found, and the published loop's layers."""
    document = poster(ramp() if request.param == "ramp" else plain())
    rgb = flattened(document)
    lossy = request.param == "jpeg"
    rgb = jpeg(rgb) if lossy else rgb
    found = peel(rgb, *knowing_networks(document), lossy=lossy)
    published = peel_as_published(rgb, *knowing_networks(document), Published(peels=9))
    return document, rgb, found, published, lossy


def test_the_layers_are_the_true_ones_in_their_order(both):
    document, _, found, _, _ = both
    roles = [one.role for one in found.elements]
    assert found.peels == 2
    assert roles == [Role.BACKGROUND, Role.OBJECT, Role.OBJECT, Role.OBJECT, Role.TEXT]
    by_place = {one.bounds.intersection(true.bounds).area / true.bounds.area: true.name
                for one, true in [(found.elements[1], document.layers[1])]}  # fmt: skip
    assert max(by_place) > 0.97
    names = [nearest(one, document) for one in found.elements[1:]]
    assert names[0] == "card" and set(names[1:3]) == {"disc", "shape"} and names[3] == "title"


def nearest(element: Element, document: Document) -> str:
    def overlap(layer: Layer) -> float:
        common = element.bounds.intersection(layer.bounds).area
        return common / max(element.bounds.area, layer.bounds.area)

    return max(document.layers[1:], key=overlap).name


def test_it_is_closer_to_the_truth_than_the_published_loop(both):
    document, _, found, published, lossy = both
    truth = canvases(document)
    ours = metric.evaluate(stack(found.elements), truth).at(0)
    theirs = metric.evaluate(published, truth).at(0)
    assert ours.alpha_iou > 0.98 and ours.alpha_iou > theirs.alpha_iou + 0.01
    assert ours.rgb_l1 < (0.03 if lossy else 0.01) and ours.rgb_l1 < 0.7 * theirs.rgb_l1


def test_plates_are_clean_where_things_were(both):
    document, _, found, _, lossy = both
    ground = document.layers[0].pixels[..., :3].astype(int)
    off = np.abs(np.rint(found.elements[0].colour) - ground)
    assert off.max() <= (18 if lossy else 3) and np.mean(off) < (2 if lossy else 0.5)
    card, true = found.elements[1], document.layers[1]
    common = card.bounds.intersection(true.bounds).padded(-3)
    shown = card.colour[common.relative_to(card.bounds).slices]
    assert np.abs(shown - (250, 244, 225)).max() <= (16 if lossy else 3)


def test_alpha_is_whole_inside_and_nearly_right_on_edges(both):
    document, _, found, _, lossy = both
    disc = next(one for one in found.elements if nearest(one, document) == "disc")
    true = np.zeros(EXTENT.shape, np.float32)
    layer = document.layers[3]
    true[layer.bounds.slices] = layer.pixels[..., 3] / 255
    alpha = np.zeros(EXTENT.shape, np.float32)
    alpha[disc.bounds.slices] = disc.alpha
    assert (alpha[cv2.erode(true, np.ones((7, 7))) == 1] == 1).all()
    edge = (true > 0) & (true < 1)
    assert np.abs(alpha - true)[edge].mean() < (0.12 if lossy else 0.03)


def test_a_line_of_letters_is_one_layer_that_knows_its_ink(both):
    found = both[2]
    (title,) = [one for one in found.elements if one.role is Role.TEXT]
    assert title.block is not None and len(title.block.lines) == 1
    ink = title.colour[title.alpha > 0.9].mean(axis=0)
    assert np.abs(ink - (30, 50, 90)).max() < 14


def test_peels_as_they_are(both):
    document, rgb, _, _, lossy = both
    options = Peeling(grouping="peels")
    found = peel(rgb, *knowing_networks(document), options, lossy=lossy)
    assert len(found.elements) == 3 and found.peels == 2


def test_it_goes_on_until_nothing_is_found_and_no_further_than_told():
    document, rgb = tower(), flattened(tower())
    found = peel(rgb, *knowing_networks(document))
    assert found.peels == 5 and len(found.elements) == 6
    sizes = [one.bounds.area for one in found.elements]
    assert sizes == sorted(sizes, reverse=True)
    some = peel(rgb, *knowing_networks(document), Peeling(peels=2))
    assert some.peels == 2 and len(some.elements) == 3


def tower() -> Document:
    """Discs on discs: five peels, which three would not reach the end of."""
    layers = [layer("ground", np.ones(EXTENT.shape), (240, 240, 230), Role.BACKGROUND)]
    for index, colour in enumerate(
        [(30, 60, 160), (230, 190, 60), (180, 40, 60), (90, 160, 80), (20, 20, 30)]
    ):
        radius = 4 * (140 - 25 * index)
        layers.append(
            layer(
                f"{index}", drawn(lambda a, r=radius: cv2.circle(a, (800, 600), r, 255, -1)), colour
            )
        )
    return Document(EXTENT, tuple(layers))


def test_boxes_say_what_is_peeled_and_are_one_layer_each():
    document = poster(plain())
    boxes = (Bounds(70, 45, 240, 45), Bounds(75, 130, 90, 90), Bounds(370, 5, 20, 20))
    found = peel(flattened(document), *knowing_networks(document), Peeling(boxes=boxes))
    assert found.empty == (2,) and len(found.elements) == 3
    _, title, disc = found.elements
    assert boxes[0].contains(title.bounds) and boxes[1].contains(disc.bounds)


def test_a_matte_of_everything_leaves_the_picture():
    rgb = flattened(poster(plain()))
    everything = np.ones(EXTENT.shape, np.float32)
    found = peel(rgb, in_turn([everything]), untouched)
    assert found.peels == 0 and np.array_equal(found.elements[0].pixels()[..., :3], rgb)


def test_a_matte_of_what_cannot_be_seen_ends_the_loop():
    rgb = plain()
    alpha = np.zeros(EXTENT.shape, np.float32)
    alpha[100:160, 100:200] = 1
    calls = []
    found = peel(rgb, lambda seen: calls.append(1) or alpha, untouched)
    assert found.peels == 0 and len(calls) == 1


def test_a_shadow_is_a_layer_of_its_own_and_stays_soft():
    blur = cv2.GaussianBlur(drawn(lambda a: cv2.circle(a, (800, 640), 260, 255, -1)), (0, 0), 9)
    card = drawn(lambda a: cv2.circle(a, (740, 560), 260, 255, -1))
    ground = layer("ground", np.ones(EXTENT.shape), (230, 230, 220), Role.BACKGROUND)
    document = Document(
        EXTENT,
        (ground, layer("shadow", 0.45 * blur, (0, 0, 0)), layer("card", card, (200, 60, 60))),
    )
    found = peel(flattened(document), *knowing_networks(document))
    _, shadow, _ = found.elements
    truth = document.layers[1]
    common = shadow.bounds.intersection(truth.bounds)
    true = truth.pixels[common.relative_to(truth.bounds).slices][..., 3] / 255
    alpha = shadow.alpha[common.relative_to(shadow.bounds).slices]
    assert common.area > 0.8 * truth.bounds.area and np.abs(alpha - true).mean() < 0.03
    assert shadow.colour[shadow.alpha > 0.2].mean() < 40


def test_progress_goes_forward_and_names_the_peels():
    seen = []
    document = poster(plain())
    peel(flattened(document), *knowing_networks(document), progress=seen.append)
    fractions = [report.fraction for report in seen]
    assert fractions == sorted(fractions) and fractions[-1] < 1
    assert [r.stage for r in seen][:4] == ["matte 1", "hidden parts 1", "plate 1", "layers 1"]


@pytest.mark.parametrize("shape", [(1, 90), (77, 1), (2, 2)])
def test_pictures_of_a_line(shape):
    rgb = np.zeros((*shape, 3), np.uint8)
    rgb[..., 0] = np.arange(rgb[..., 0].size).reshape(shape) % 250
    alpha = np.zeros(shape, np.float32)
    alpha[: shape[0] // 2 + 1, : shape[1] // 2] = 1
    found = peel(rgb, in_turn([alpha]), untouched, cancel=CancelToken())
    assert found.elements[0].bounds.extent.shape == shape
