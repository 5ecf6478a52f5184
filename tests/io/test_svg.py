"""SVG: what is in the file, and what other programs draw of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from slide_documents import (
    EXTENT,
    background,
    chromium_shot,
    difference,
    layer,
    overlap,
    program,
    rendered,
    rich_document,
    text_layer,
    white,
)

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Group, Layer
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.files import save_with_notes
from layerstudio.io.recipe import NAMESPACE, from_json
from layerstudio.io.svg import INKSCAPE, SODIPODI, SVG, write

LABEL = f"{{{INKSCAPE}}}label"


def tag(name: str) -> str:
    return f"{{{SVG}}}{name}"


def saved(document: Document, path, **options) -> ET.Element:
    save_with_notes(document, path, **options)
    return ET.parse(path).getroot()


def by_rsvg(path):
    drawn = path.with_suffix(".rsvg.png")
    subprocess.run([program("rsvg-convert"), path, "-o", drawn], check=True, timeout=60)
    return rendered(drawn)


def by_inkscape(path):
    drawn = path.with_suffix(".ink.png")
    command = [program("inkscape"), path, "--export-type=png", f"--export-filename={drawn}"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return rendered(drawn)


def by_chromium(path):
    return chromium_shot(path.as_uri(), EXTENT, path.parent)


def test_names_places_and_groups_are_in_the_file(tmp_path):
    root = saved(rich_document(), tmp_path / "a.svg")
    assert root.get("viewBox") == "0 0 157 111"
    labels = [e.get(LABEL) for e in root.iter() if e.get(LABEL)]
    for name in ('"quoted" & <script>', "Gruppe <b>", "Überlappung 図", "empty", "dot"):
        assert name in labels
    group = next(e for e in root.iter(tag("g")) if e.get(LABEL) == "Gruppe <b>")
    assert group.get(f"{{{INKSCAPE}}}groupmode") == "layer"
    assert [e.get(LABEL) for e in group if e.get(LABEL)] == ["in group", "Überlappung 図"]
    image = next(e for e in root.iter(tag("image")) if e.get(LABEL) == "in group")
    assert "mix-blend-mode:multiply" in image.get("style", "")
    x, y, width, height = (int(image.get(key, "0")) for key in ("x", "y", "width", "height"))
    assert Bounds(20, 15, 61, 47).contains(Bounds(x, y, width, height))
    hidden = next(e for e in root.iter(tag("image")) if e.get(LABEL) == "hidden")
    assert hidden.get("style") == "display:none"


def test_the_recipe_and_the_title_travel_along(tmp_path):
    document = replace(rich_document(), request={"method": "flat", "prompts": ["<a>&]]>"]})
    root = saved(document, tmp_path / "a.svg")
    recipe = from_json(root.findtext(f".//{{{NAMESPACE}}}recipe") or "")
    assert recipe is not None and recipe.request == document.request
    assert root.findtext(tag("title")) == "Title </script><b>&"


def test_notes_name_what_was_baked(tmp_path):
    notes = " ".join(save_with_notes(rich_document(), tmp_path / "a.svg"))
    assert "vivid-light" in notes and "clipped to 'base'" in notes and "'empty'" in notes
    assert save_with_notes(Document(EXTENT, (background(),)), tmp_path / "b.svg") == ()


@pytest.mark.parametrize("draw", [by_rsvg, by_inkscape, by_chromium])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_others_draw_the_composite(tmp_path, draw, dtype):
    if dtype == np.uint16 and draw is not by_rsvg:
        pytest.skip("one program is enough to see that 16 bits become 8")
    document = rich_document(dtype)
    save_with_notes(document, tmp_path / "a.svg", text="pixels")
    # Chromium rounds premultiplied colours to 8 bits after every group.
    limit = 3 if draw is by_chromium else 2
    expected = composite_pixels(document, dtype=np.uint8)
    assert difference(draw(tmp_path / "a.svg"), expected) <= limit


def test_a_translucent_picture_stays_translucent(tmp_path):
    document = Document(EXTENT, rich_document().children[1:])
    save_with_notes(document, tmp_path / "a.svg", text="pixels")
    # Both programs hold 8-bit premultiplied pictures, whose colours are coarse at low alpha.
    assert difference(by_rsvg(tmp_path / "a.svg"), composite_pixels(document)) <= 3


@pytest.mark.parametrize("align", ["left", "center", "right"])
@pytest.mark.parametrize("string", ["Hello", "Hello\nlayers", "Wide line\non\ngrey"])
def test_live_text_lands_on_its_pixels(tmp_path, align, string):
    document = Document(EXTENT, (white(), text_layer(string, align, 22)))
    root = saved(document, tmp_path / "a.svg")
    assert [e.text for e in root.iter(tag("tspan"))] == string.split("\n")
    assert len(list(root.iter(tag("image")))) == 1
    assert overlap(by_rsvg(tmp_path / "a.svg"), composite_pixels(document)) > 0.8


def test_live_text_in_a_browser_keeps_its_width(tmp_path):
    narrow = text_layer("Hello\nlayers")
    assert narrow.text is not None
    other_font = replace(narrow, text=replace(narrow.text, font="DejaVu Sans Mono"))
    document = Document(EXTENT, (white(), other_font))
    save_with_notes(document, tmp_path / "a.svg")
    assert overlap(by_chromium(tmp_path / "a.svg"), composite_pixels(document)) > 0.8


def test_doubtful_text_stays_pixels(tmp_path):
    sure = text_layer()
    assert sure.text is not None
    doubtful = replace(sure, text=replace(sure.text, confidence=0.5))
    root = saved(Document(EXTENT, (doubtful,)), tmp_path / "a.svg")
    assert not list(root.iter(tag("text"))) and len(list(root.iter(tag("image")))) == 1


def test_one_note_for_all_live_text(tmp_path):
    layers = [replace(text_layer(), name=name) for name in "abcde"]
    notes = save_with_notes(Document(EXTENT, tuple(layers)), tmp_path / "a.svg")
    assert len(notes) == 1 and "'a', 'b', 'c' and 2 more" in notes[0]


def test_a_picture_too_long_for_librsvg_is_told(tmp_path):
    extent = Extent(1400, 1500)
    pixels = np.random.default_rng(1).integers(0, 256, (*extent.shape, 4), dtype=np.uint8)
    document = Document(extent, (Layer("noise", Bounds.full(extent), pixels),))
    (note,) = save_with_notes(document, tmp_path / "a.svg")
    assert "--unlimited" in note


def test_text_is_live_or_pixels(tmp_path):
    with pytest.raises(InvalidRequest):
        write(rich_document(), tmp_path / "a.svg", text="curves")


def test_control_characters_and_locks(tmp_path):
    odd = replace(background(), name="a\x00b\x1f\ud800c", locked=True)
    root = saved(Document(EXTENT, (odd,)), tmp_path / "a.svg")
    image = next(root.iter(tag("image")))
    assert image.get(LABEL) == "abc"
    assert image.get(f"{{{SODIPODI}}}insensitive") == "true"


@pytest.mark.parametrize("extent", [Extent(1, 1), Extent(1, 401), Extent(333, 2)])
def test_odd_sizes(tmp_path, extent):
    document = Document(extent, (layer("all", Bounds.full(extent), 3, 200),))
    save_with_notes(document, tmp_path / "a.svg")
    assert difference(by_rsvg(tmp_path / "a.svg"), composite_pixels(document)) <= 2


@pytest.mark.parametrize("children", [(), (Group("nothing"),)])
def test_empty_documents(tmp_path, children):
    saved(Document(EXTENT, children), tmp_path / "a.svg")
    assert by_rsvg(tmp_path / "a.svg").max() == 0
