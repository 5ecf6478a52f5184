"""PowerPoint: the shapes of the slide, and LibreOffice's drawing of it."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pptx import Presentation
from pptx.oxml.ns import qn
from pptx.shapes.group import GroupShape
from slide_documents import (
    EXTENT,
    background,
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
from layerstudio.document import Document, Group
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.files import save_with_notes
from layerstudio.io.pptx import SlideScale
from layerstudio.io.recipe import from_xmp

IN_LIBREOFFICE = pytest.mark.xdist_group("libreoffice")  # one at a time
PIXEL = 9525  # EMU at 96 pixels per inch


def saved(document: Document, path: Path, **options):
    save_with_notes(document, path, **{"dpi": 96, **options})
    presentation = Presentation(str(path))
    return presentation, list(presentation.slides[0].shapes)


def properties(shape):
    return next(shape.element.iter(qn("p:cNvPr")))


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """A function that draws several presentations with one start of LibreOffice."""
    folder = tmp_path_factory.mktemp("office")

    def draw(*paths: Path) -> list[np.ndarray]:
        profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
        command = [program("soffice"), "--headless", profile, "--convert-to", "png"]
        command += ["--outdir", str(folder), *map(str, paths)]
        subprocess.run(command, check=True, capture_output=True, timeout=180)
        return [rendered(folder / f"{path.stem}.png") for path in paths]

    return draw


def test_layers_are_named_pictures_at_their_places(tmp_path):
    presentation, shapes = saved(rich_document(), tmp_path / "a.pptx")
    assert (presentation.slide_width, presentation.slide_height) == (157 * PIXEL, 111 * PIXEL)
    names = [shape.name for shape in shapes]
    assert names[:3] == ["Background", '"quoted" & <script>', "Gruppe <b>"]
    assert "empty" not in names
    group = shapes[2]
    assert isinstance(group, GroupShape)
    assert [shape.name for shape in group.shapes] == ["in group", "Überlappung 図"]
    dot = shapes[names.index("dot")]
    assert (dot.left, dot.top, dot.width, dot.height) == (150 * PIXEL, 100 * PIXEL, PIXEL, PIXEL)
    picture = Image.open(io.BytesIO(shapes[1].image.blob))
    assert picture.mode == "RGBA" and picture.size <= (71, 55)
    assert properties(shapes[0]).get("descr") == "background: Background"
    assert [s.name for s in shapes if properties(s).get("hidden") == "1"] == ["hidden"]


def test_opacity_stays_editable_and_locks_are_kept(tmp_path):
    faded = replace(background(), opacity=0.25, locked=True)
    _, (shape,) = saved(Document(EXTENT, (faded,)), tmp_path / "a.pptx")
    assert next(shape.element.iter(qn("a:alphaModFix"))).get("amt") == "25000"
    assert next(shape.element.iter(qn("a:picLocks"))).get("noMove") == "1"


def test_the_recipe_travels_along(tmp_path):
    document = replace(rich_document(), request={"method": "flat", "prompts": ["<a>&"]})
    presentation, _ = saved(document, tmp_path / "a.pptx")
    parts = [rel.target_part for rel in presentation.part.rels.values()]
    blob = next(part.blob for part in parts if part.partname.startswith("/customXml"))
    recipe = from_xmp(b"<x>" + blob.split(b"?>", 1)[1] + b"</x>")
    assert recipe is not None and recipe.request == document.request
    assert presentation.core_properties.title == "Title </script><b>&"


@IN_LIBREOFFICE
def test_libreoffice_draws_the_composite(tmp_path, office):
    eight, sixteen = rich_document(), rich_document(np.uint16)
    for document, name in ((eight, "a"), (sixteen, "b")):
        save_with_notes(document, tmp_path / f"{name}.pptx", dpi=96, text="pixels")
    for drawn, document in zip(
        office(tmp_path / "a.pptx", tmp_path / "b.pptx"), (eight, sixteen), strict=True
    ):
        # Layers of 16 bits are rounded to 8 one by one, which adds up.
        limit = 2 if document is eight else 3
        assert difference(drawn, composite_pixels(document, dtype=np.uint8)) <= limit


@IN_LIBREOFFICE
def test_live_text_lands_on_its_pixels(tmp_path, office):
    cases = [(s, a) for s in ("Hello", "Wide line\non\ngrey") for a in ("left", "center", "right")]
    documents = [Document(EXTENT, (white(), text_layer(s, a, 22))) for s, a in cases]
    paths = [tmp_path / f"{index}.pptx" for index in range(len(cases))]
    for document, path in zip(documents, paths, strict=True):
        _, shapes = saved(document, path)
        assert shapes[1].has_text_frame
    for case, drawn, document in zip(cases, office(*paths), documents, strict=True):
        assert overlap(drawn, composite_pixels(document)) > 0.8, case


def test_text_boxes_carry_the_style(tmp_path):
    plain = text_layer("Hello\nlayers", "center", 24)
    assert plain.text is not None
    text = replace(plain.text, bold=True, italic=True, color=(10, 200, 30))
    _, (box,) = saved(Document(EXTENT, (replace(plain, text=text),)), tmp_path / "a.pptx")
    assert box.name == "Hello" and properties(box).get("descr") == "text: Hello\nlayers"
    frame = box.text_frame
    assert frame.text == "Hello\nlayers" and frame.word_wrap is False
    assert frame.margin_left == frame.margin_top == 0
    font = frame.paragraphs[0].runs[0].font
    assert (font.size.pt, font.bold, font.italic, font.name) == (18, True, True, "DejaVu Sans")
    assert str(font.color.rgb) == "0AC81E"


def test_text_as_pixels(tmp_path):
    _, (shape,) = saved(Document(EXTENT, (text_layer(),)), tmp_path / "a.pptx", text="pixels")
    assert shape.image.content_type == "image/png"


@pytest.mark.parametrize(
    ("extent", "dpi", "inches"),
    [
        (Extent(960, 540), 96, (10, 5.625)),
        (Extent(10, 20), 96, (1, 2)),
        (Extent(20_000, 10_000), 72, (56, 28)),
        (Extent(20_000, 10), 72, (56, 1)),
        (Extent(1, 1), 72, (1, 1)),
    ],
)
def test_slides_are_1_to_56_inches(extent, dpi, inches):
    scale = SlideScale.of(extent, dpi)
    assert (scale.width / 914_400, scale.height / 914_400) == pytest.approx(inches)
    assert bool(scale.notes) == (extent != Extent(960, 540))


def test_pixels_of_neighbours_meet(tmp_path):
    halves = [layer(str(x), Bounds(x, 0, 7, 9), x, 255) for x in (0, 7, 14)]
    _, shapes = saved(Document(Extent(21, 9), tuple(halves)), tmp_path / "a.pptx", dpi=71.3)
    for one, other in pairwise(shapes):
        assert one.left + one.width == other.left


def test_impossible_options(tmp_path):
    for options in ({"dpi": 0}, {"dpi": float("nan")}, {"text": "curves"}):
        with pytest.raises(InvalidRequest):
            save_with_notes(rich_document(), tmp_path / "a.pptx", **options)
    assert list(tmp_path.iterdir()) == []


def test_odd_names_and_empty_groups(tmp_path):
    odd = replace(background(), name="a\x00b\ud800c")
    document = Document(EXTENT, (odd, Group("nothing", (Group("inside"),))))
    _, shapes = saved(document, tmp_path / "a.pptx")
    assert [shape.name for shape in shapes] == ["abc"]
