"""Texts of a layout as editable layers: sizes, colours, fonts, and files that keep them live."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.document import Document, Layer, Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import open_document
from layerstudio.pipelines import fonts
from layerstudio.pipelines.multilayer.layout import lettering_style
from layerstudio.pipelines.multilayer.layout.lettering_style import (
    best_face,
    look_of,
    readable_color,
)
from layerstudio.pipelines.multilayer.layout.plan import LayerPlan, LayerRole, LayoutPlan
from layerstudio.pipelines.multilayer.layout.text_layers import text_layer, with_text_layers

CANVAS = Extent(400, 300)
BOX = Bounds(40, 50, 320, 120)
needs_fonts = pytest.mark.skipif(
    not fonts.installed_faces(), reason="none of the dozen common fonts is installed"
)


def sheet(*colors: tuple[int, int, int]) -> Document:
    """The canvas in upright stripes of ``colors``."""
    pixels = np.full((*CANVAS.shape, 4), 255, np.uint8)
    edges = np.linspace(0, CANVAS.width, len(colors) + 1).astype(int)
    for left, right, color in zip(edges, edges[1:], colors, strict=False):
        pixels[:, left:right, :3] = color
    return Document(CANVAS, (Layer("Background", Bounds.full(CANVAS), pixels),))


WHITE, NAVY = sheet((255, 255, 255)), sheet((10, 20, 60))


def words(text: str, prompt: str = "", box: Bounds = BOX, z: int = 1) -> LayerPlan:
    return LayerPlan(z=z, box=box, role=LayerRole.TEXT, prompt=prompt, text=text)


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.sampled_from("abcdefg ÄÖÜ éñ.!?\n"), min_size=1, max_size=80).filter(str.strip),
    st.integers(40, 320),
    st.integers(20, 200),
)
def test_text_that_fits_stays_in_its_box_and_on_the_canvas(text, width, height):
    box = Bounds(30, 40, width, height)
    done = text_layer(words(text, box=box), WHITE)
    assert Bounds.full(CANVAS).contains(done.layer.bounds)
    content = done.layer.text
    assert content is not None
    assert content.string.replace("\n", " ").split() == text.split()
    if not done.notes:
        slack = 2 + round(0.1 * content.size)  # side bearings and accents of inner lines
        assert box.padded(slack).contains(done.layer.bounds)


@needs_fonts
def test_text_fills_its_box_as_far_as_its_lines_allow():
    layer = text_layer(words("Grand Opening"), WHITE).layer
    assert layer.bounds.width > 0.8 * BOX.width or layer.bounds.height > 0.8 * BOX.height
    assert layer.role is Role.TEXT and layer.name == "Grand Opening"
    assert layer.text is not None and layer.text.box == layer.bounds
    small = text_layer(words("Grand Opening", box=Bounds(40, 50, 160, 30)), WHITE).layer
    assert small.text is not None and small.text.size < 0.6 * layer.text.size


def test_long_text_is_wrapped_and_what_cannot_fit_is_told():
    layer = text_layer(words("one two three four five six seven eight nine"), WHITE).layer
    assert layer.text is not None and layer.text.string.count("\n") >= 1
    crowded = text_layer(words("word " * 200, box=Bounds(40, 50, 60, 20)), WHITE)
    assert "too long for its box" in crowded.notes[0]
    assert crowded.layer.text is not None and crowded.layer.text.size == 6


@pytest.mark.parametrize(
    ("place", "align"),
    [(BOX, "center"), (Bounds(20, 50, 120, 60), "left"), (Bounds(250, 50, 120, 60), "left")],
)
def test_alignment_follows_the_place(place, align):
    content = text_layer(words("one two three four", box=place), WHITE).layer.text
    assert content is not None and content.align == align


def test_lines_are_aligned_where_they_are_told():
    lines = "wide wide wide\nno"
    right = text_layer(words(lines), WHITE, align="right").layer
    left = text_layer(words(lines), WHITE, align="left").layer
    for layer, column in ((right, -1), (left, 0)):
        lower = layer.pixels[layer.bounds.height * 2 // 3 :, :, 3]
        ink = Bounds.of_mask(lower > 128)
        distance = layer.bounds.width - ink.right if column else ink.x
        assert distance < 0.1 * layer.bounds.width and ink.width < 0.5 * layer.bounds.width


def test_colour_is_the_one_that_can_be_read():
    def color(document: Document, prompt: str = "") -> tuple[int, int, int]:
        content = text_layer(words("Sale", prompt), document).layer.text
        assert content is not None
        return content.color

    assert color(WHITE) == (17, 17, 17) and color(NAVY) == (255, 255, 255)
    assert color(NAVY, "gold lettering") == (212, 160, 23)
    assert color(WHITE, "white lettering") == (17, 17, 17)
    assert color(WHITE, 'big "White red Sale"') == (17, 17, 17)  # quoted words are no wish
    assert color(Document(CANVAS)) == (17, 17, 17)  # paper


def test_ground_of_black_and_white_stripes_is_told_to_be_hard_to_read():
    stripes = sheet((0, 0, 0), (255, 255, 255), (0, 0, 0), (255, 255, 255))
    assert "hard to read" in text_layer(words("Sale"), stripes).notes[0]


def test_contrast_is_that_of_wcag():
    ground = np.ones((2, 2, 3), np.float32)
    assert readable_color(ground, ((0, 0, 0),)) == ((0, 0, 0), pytest.approx(21))
    assert readable_color(ground, ((118, 118, 118),))[1] == pytest.approx(4.54, abs=0.01)


@needs_fonts
def test_fonts_follow_the_words_of_the_prompt():
    look = look_of('bold italic serif "sans mono"')
    assert (look.kind, look.bold, look.italic) == ("serif", True, True)
    face = best_face("Sale", look)
    assert face is not None and "Serif" in face.family and face.bold and face.italic
    plain = best_face("Sale", look_of("sans serif line"))
    assert (plain is not None and "Sans" in plain.family) or plain.family in ("Lato", "Roboto")
    mono = best_face("Sale", look_of("typewriter"))
    assert mono is not None and "Mono" in mono.family


@needs_fonts
@pytest.mark.parametrize("text", ["Ωμέγα", "Суббота", "été œuvre"])
def test_a_font_is_chosen_that_has_the_script(text):
    face = best_face(text, look_of("title"))
    if face is None:
        pytest.skip("no installed font has this script")
    assert fonts.writes(face, text)
    assert text_layer(words(text), WHITE).notes == ()


@needs_fonts
def test_glyphs_that_a_font_lacks_are_noticed():
    face = fonts.installed_faces()[0]
    assert fonts.writes(face, "Abc 123") and not fonts.writes(face, "A夏")
    assert not fonts.writes(fonts.Face("none", False, False, "/nowhere/none.ttf"), "A")


def test_without_fonts_pillows_own_is_used_and_it_is_told(monkeypatch):
    monkeypatch.setattr(lettering_style, "installed_faces", lambda families=(): ())
    done = text_layer(words("Sale"), WHITE)
    assert done.layer.text is not None and done.layer.text.font == "sans-serif"
    assert "No installed font" in done.notes[0]
    assert done.layer.pixels[..., 3].max() == 255


def test_scripts_without_spaces_are_wrapped_between_characters():
    done = text_layer(words("夏祭り" * 12, box=Bounds(40, 50, 120, 120)), WHITE)
    content = done.layer.text
    assert content is not None and content.string.count("\n") >= 2
    assert content.string.replace("\n", "") == "夏祭り" * 12


@pytest.fixture(scope="module")
def poster() -> Document:
    plan = LayoutPlan(
        extent=CANVAS,
        layers=(
            LayerPlan(z=0, box=Bounds.full(CANVAS), role=LayerRole.BACKGROUND),
            words("Grand Opening", "bold serif"),
            LayerPlan(z=2, box=Bounds(0, 0, 30, 30), role=LayerRole.IMAGE),
            words("Saturday & Sunday <free>", box=Bounds(40, 200, 320, 40), z=3),
        ),
    )
    return with_text_layers(NAVY, plan)


def test_all_texts_lie_on_top_in_their_order(poster):
    names = [layer.name for layer in poster.layers]
    assert names == ["Background", "Grand Opening", "Saturday & Sunday <free>"]
    assert poster.notes == ()


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_texts_stay_live_in_files_of_markup(poster, tmp_path, suffix):
    text = poster.save(tmp_path / f"poster.{suffix}").read_text(encoding="utf-8")
    assert "Grand Opening" in text
    assert re.search(r"Saturday &amp; Sunday &lt;free&gt;|Saturday & Sunday", text)


def test_texts_stay_live_on_slides(poster, tmp_path):
    from pptx import Presentation

    deck = Presentation(str(poster.save(tmp_path / "poster.pptx")))
    said = [shape.text_frame.text for shape in deck.slides[0].shapes if shape.has_text_frame]
    assert "Grand\nOpening" in said and "Saturday & Sunday <free>" in said


def test_texts_are_pixels_in_psd(poster, tmp_path):
    back = open_document(poster.save(tmp_path / "poster.psd"))
    for one, other in zip(back.layers, poster.layers, strict=True):
        assert one.name == other.name and one.bounds == other.bounds
        assert np.array_equal(one.pixels[..., 3], other.pixels[..., 3])
