"""Layouts by rule on many random designs, and single rules by example."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.errors import Cancelled, InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.layout.areas import areas_of, grid, picture_cells
from layerstudio.pipelines.multilayer.layout.captions import TextRank, pieces_of, quoted_texts
from layerstudio.pipelines.multilayer.layout.plan import LayerRole, LayoutPlan, overlap_score
from layerstudio.pipelines.multilayer.layout.planners import planner_for
from layerstudio.pipelines.multilayer.layout.planning import PlanRequest
from layerstudio.progress import CancelToken

POSTER = (
    'title "Summer Jazz Night"',
    'subtitle "Live at the harbour"',
    '"Saturday 12 August, doors open at 19:00, free entry for everyone under 18"',
    'button "Get tickets"',
    "a saxophone player",
    "panel behind the text",
    "a golden star",
)
PORTRAIT = Extent(768, 1024)
OVERLAP_GOAL = 0.1


def planned(captions=POSTER, extent=PORTRAIT, **options) -> LayoutPlan:
    request = PlanRequest(prompt="a jazz poster", extent=extent, captions=captions, **options)
    return planner_for("rules").plan(request)


def boxes_of(plan: LayoutPlan, role: LayerRole) -> list[Bounds]:
    return [layer.box for layer in plan.layers if layer.role is role]


words = st.text(st.sampled_from("abcdefghij 夏祭り\n"), min_size=1, max_size=60).filter(str.strip)
captions = st.one_of(
    words.map(lambda text: f"text: {text}"),
    words.map(lambda text: f"title: {text}"),
    st.sampled_from(["a cat", "image: a lamp", "underlay: a panel", "embellishment: a star"]),
)
extents = st.builds(Extent, st.integers(256, 2400), st.integers(256, 2400))


@settings(max_examples=100, deadline=None)
@given(st.lists(captions, max_size=50), extents, st.integers(0, 1000))
def test_nothing_lies_outside_and_no_text_lies_on_text_or_pictures(listed, extent, seed):
    plan = planned(tuple(listed), extent, seed=seed)
    canvas = Bounds.full(extent)
    assert len(plan.foregrounds) == len(listed) or not listed
    assert all(canvas.contains(box) and not box.is_empty for box in plan.boxes)
    texts = boxes_of(plan, LayerRole.TEXT)
    assert not any(one.overlaps(other) for one, other in combinations(texts, 2))
    pictures = boxes_of(plan, LayerRole.IMAGE)
    assert not any(one.overlaps(other) for one, other in combinations(pictures, 2))
    assert not any(text.overlaps(picture) for text in texts for picture in pictures)
    assert plan.overlap < OVERLAP_GOAL


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 51), extents, st.integers(0, 1000))
def test_a_wanted_number_of_layers_is_met(layers, extent, seed):
    prompt = 'a poster that says "Open" and "Every day from nine to five"'
    plan = planner_for("rules").plan(
        PlanRequest(prompt=prompt, extent=extent, layers=layers, seed=seed)
    )
    assert len(plan.layers) == layers
    assert len(set(plan.boxes)) == len(plan.boxes)
    assert plan.overlap < OVERLAP_GOAL


def test_the_same_seed_gives_the_same_layout_and_others_differ():
    assert planned(seed=3) == planned(seed=3)
    assert len({planned(seed=seed).boxes for seed in range(8)}) >= 6


@pytest.mark.parametrize("extent", [Extent(768, 1024), Extent(1280, 720), Extent(1500, 500)])
@pytest.mark.parametrize("seed", range(5))
def test_the_title_is_the_largest_text_and_the_panel_lies_under_words(extent, seed):
    plan = planned(extent=extent, seed=seed)
    by_text = {layer.text: layer.box for layer in plan.layers if layer.text}
    title = by_text.pop("Summer Jazz Night")
    subtitle = by_text["Live at the harbour"]
    assert title.height > 1.5 * subtitle.height or title.width > 1.5 * subtitle.width
    (panel,) = boxes_of(plan, LayerRole.UNDERLAY)
    assert any(panel.contains(text) for text in boxes_of(plan, LayerRole.TEXT))
    (picture,) = boxes_of(plan, LayerRole.IMAGE)
    assert picture.area > 0.2 * extent.pixel_count


def test_text_stands_above_or_below_in_a_portrait_and_beside_in_a_banner():
    for seed in range(10):
        (portrait,) = boxes_of(planned(seed=seed), LayerRole.IMAGE)
        for text in boxes_of(planned(seed=seed), LayerRole.TEXT):
            assert text.bottom <= portrait.y or text.y >= portrait.bottom
        banner = planned(extent=Extent(1600, 500), seed=seed)
        (picture,) = boxes_of(banner, LayerRole.IMAGE)
        for text in boxes_of(banner, LayerRole.TEXT):
            assert text.right <= picture.x or text.x >= picture.right


def test_layers_are_ordered_as_they_are_placed_on_one_another():
    roles = [layer.role for layer in planned().layers]
    assert roles == sorted(roles, key=list(LayerRole).index)
    assert [layer.z for layer in planned().layers] == list(range(8))


def test_a_prompt_alone_gives_a_picture_its_quoted_words_and_company():
    request = PlanRequest(prompt="a poster “Night Market” of Taipei", extent=Extent(800, 1000))
    plan = planner_for("rules").plan(request)
    assert [layer.role.value for layer in plan.layers] == [
        "background", "underlay", "image", "text", "embellishment", "embellishment",
    ]  # fmt: skip
    assert plan.layers[3].text == "Night Market"
    assert planner_for("rules").plan(
        PlanRequest(prompt="a green field", extent=Extent(640, 640), background="sky")
    ).background.prompt == "sky"  # fmt: skip


@pytest.mark.parametrize(
    ("caption", "role", "text"),
    [
        ("a border of stars", "embellishment", None),
        ("a woman in a box", "image", None),
        ("a translucent panel behind the title", "underlay", None),
        ("rounded button", "underlay", None),
        ('a red button with "Buy now"', "text", "Buy now"),
        ('"It\'s time"', "text", "It's time"),
        ("a neon sign that reads 'OPEN' over a dark door at night", "image", None),
        ("text: Hello: world", "text", "Hello: world"),
        ("logo: a fox", "image", None),
        ("wallpaper of leaves", "image", None),  # of two backgrounds the second becomes a picture
        ("note: a lamp", "image", None),
    ],
)
def test_roles_by_words(caption, role, text):
    plan = planned(("background: paper", caption))
    (layer,) = plan.foregrounds
    assert (layer.role.value, layer.text) == (role, text)
    assert plan.background.prompt == "paper"


def test_ranks_of_texts():
    ranks = [piece.rank for piece in pieces_of(['"One"', '"Two"', f'"{"long " * 12}"', *POSTER])]
    assert ranks[:3] == [TextRank.SUBTITLE, TextRank.SUBTITLE, TextRank.BODY]
    assert ranks[3:7] == [TextRank.TITLE, TextRank.SUBTITLE, TextRank.BODY, TextRank.BUTTON]
    assert quoted_texts("don't say «oui» or 'no', “ja” \"ja\"") == ("oui", "no", "ja")


def test_overlap_is_scored_as_published():
    """Two boxes of 100 that share 50 have an IoU of 1/3; per layer of three that is 1/9."""
    layers = planned(("a cat", "a dog", "a cow", "underlay: a panel")).layers
    moved = [Bounds(0, 0, 10, 10), Bounds(5, 0, 10, 10), Bounds(50, 50, 10, 10)]
    pictures = [layer for layer in layers if layer.role is LayerRole.IMAGE]
    others = [layer for layer in layers if layer.role is not LayerRole.IMAGE]
    changed = [
        type(layer)(z=layer.z, box=box, role=layer.role)
        for layer, box in zip(pictures, moved, strict=True)
    ]
    assert overlap_score([*changed, *others]) == pytest.approx(1 / 9)
    assert overlap_score(others) == 0


def test_grids_fill_their_width_without_overlap():
    for count in range(1, 51):
        cells = grid(Bounds(10, 20, 500, 300), count, 8)
        assert len(cells) == count and max(cell.right for cell in cells) == 510
        assert not any(one.overlaps(other) for one, other in combinations(cells, 2))


def test_the_first_of_few_pictures_is_the_largest():
    from random import Random

    for seed in range(20):
        frame = areas_of(Extent(800, 600), 0, 3, Random(seed)).images
        assert frame is not None
        cells = picture_cells(frame, 3, 10, Random(seed))
        assert cells[0].area > 1.5 * max(cell.area for cell in cells[1:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "1 to 51 layers"),
        ({"layers": 52}, "1 to 51 layers"),
        ({"layers": "many"}, 'a number or "auto"'),
        ({"layers": 7}, "more than 7 layers"),
        ({"captions": ("a cat",) * 51}, "more than the 50"),
        ({"extent": Extent(8, 500)}, "too small"),
        ({"extent": Extent(64, 64)}, "too small for 8 layers"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(options, message):
    with pytest.raises(InvalidRequest, match=message):
        planned(**options)


def test_a_cancelled_plan_is_not_made():
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        planner_for("rules").plan(PlanRequest(prompt="x", extent=Extent(512, 512)), cancel=cancel)


def test_what_the_prompt_says_is_set_beside_the_captions():
    prompt = 'a poster that says "Blue Night" and "12 July"'
    captions = ("image: a saxophone", 'button: "12 July"')
    request = PlanRequest(prompt=prompt, extent=Extent(768, 1024), captions=captions)
    plan = planner_for("rules").plan(request)
    assert sorted(filter(None, (layer.text for layer in plan.foregrounds))) == [
        "12 July",
        "Blue Night",
    ]
