import io
import zipfile

import cv2
import numpy as np
import pytest
from damage import assert_refused_when_cut
from hypothesis import HealthCheck, given, settings
from layered import assert_same, documents
from PIL import Image

from layerstudio.composite import composite, composite_pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Mask
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import open_document, save
from layerstudio.io.external import READERS, render
from layerstudio.io.files import save_with_notes
from layerstudio.io.limits import Limits

roomy = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def smooth(seed, height, width, dtype=np.uint8):
    """Colours and alpha that vary softly, from 0 to full."""
    grid = np.random.default_rng(seed).random((5, 6, 4), np.float32) * 1.4 - 0.2
    values = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


def opaque(seed, height, width):
    pixels = smooth(seed, height, width)
    pixels[..., 3] = 255
    return pixels


def design():
    """Groups, modes, opacities, a mask and a clipped layer on an opaque background."""
    inside = (
        Layer("レイヤー", Bounds(0, 0, 101, 67), smooth(1, 67, 101)),
        Layer("m", Bounds(-9, 3, 50, 60), smooth(2, 60, 50), blend=BlendMode.MULTIPLY, opacity=0.6),
    )
    window = Mask(Bounds(45, 35, 18, 18), smooth(3, 18, 18)[..., 3], outside=1)
    return Document(
        Extent(101, 67),
        (
            Layer("background", Bounds(0, 0, 101, 67), opaque(4, 67, 101), locked=True),
            Group("isolated", inside, blend=BlendMode.SCREEN, opacity=0.7),
            Group("through", inside[1:]),
            Layer("base", Bounds(20, 10, 50, 40), smooth(5, 40, 50), opacity=0.8),
            Layer("on it", Bounds(0, 0, 90, 60), smooth(6, 60, 90), clipped=True),
            Layer("top", Bounds(40, 30, 40, 33), smooth(7, 33, 40), mask=window),
            Layer("hidden", Bounds(0, 0, 9, 9), opaque(8, 9, 9), visible=False),
            Layer("empty", Bounds(5, 5, 0, 0), np.zeros((0, 0, 4), np.uint8)),
        ),
        dpi=150,
    )


@roomy
@given(documents())
def test_everything_comes_back_exactly(tmp_path, document):
    path = save(document, tmp_path / "a.ora", bleed=False)
    assert_same(open_document(path), document)


@settings(roomy, max_examples=15)
@given(documents())
def test_bleeding_changes_hidden_colour_only(tmp_path, document):
    assert_same(open_document(save(document, tmp_path / "a.ora")), document, hidden_colour=False)


def without_originals(path):
    """The archive as a program leaves it that knows only the format."""
    foreign = path.with_name("foreign.ora")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(foreign, "w") as target:
        for entry in source.infolist():
            if not entry.filename.startswith("layerstudio"):
                target.writestr(entry, source.read(entry))
    return foreign


def test_what_other_programs_see_looks_the_same(tmp_path):
    document = design()
    path, notes = tmp_path / "a.ora", save_with_notes(document, tmp_path / "a.ora")
    foreign = open_document(without_originals(path))
    assert np.abs(composite(foreign) - composite(document)).max() < 1.01 / 255
    assert [node.name for node in foreign.children] == [
        "background", "isolated", "through", "base", "top", "hidden", "empty",
    ]  # fmt: skip
    assert foreign.children[1].blend is BlendMode.SCREEN
    assert foreign.children[2].blend is BlendMode.PASS_THROUGH
    assert foreign.children[0].locked and not foreign.children[5].visible
    assert foreign.dpi == 150
    assert [note for note in notes if "'base'" in note and "clipped" in note]
    assert [note for note in notes if "'top'" in note and "mask" in note]


def test_an_edited_stack_wins_over_our_originals(tmp_path):
    path = save(design(), tmp_path / "a.ora")
    edited = tmp_path / "edited.ora"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(edited, "w") as target:
        for entry in source.infolist():
            content = source.read(entry).replace(b'name="top"', b'name="renamed"')
            target.writestr(entry.filename, content)
    assert "renamed" in [layer.name for layer in open_document(edited).layers]


def test_the_archive_is_what_the_specification_asks_for(tmp_path):
    path = save(design(), tmp_path / "a.ora")
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"image/openraster"
        merged = np.asarray(Image.open(io.BytesIO(archive.read("mergedimage.png"))))
        assert np.array_equal(merged, composite_pixels(design()))
        with Image.open(io.BytesIO(archive.read("Thumbnails/thumbnail.png"))) as thumbnail:
            assert max(thumbnail.size) <= 256 and thumbnail.mode == "RGBA"
    assert path.read_bytes()[38:54] == b"image/openraster"


@pytest.mark.xdist_group("krita")
def test_krita_shows_the_same_picture(tmp_path):
    krita = next(reader for reader in READERS if reader.name == "Krita")
    if not krita.is_installed:
        pytest.skip("Krita and xvfb-run are not installed")
    top = Layer("16 bits", Bounds(-7, 3, 80, 60), smooth(9, 60, 80, np.uint16))
    document = design().inserted((8,), top)
    seen = render(krita, save(document, tmp_path / "a.ora"), document.extent)
    assert np.abs(seen - composite(document)).max() <= 2.01 / 255


def archive_of(tmp_path, stack, **files):
    path = tmp_path / "made.ora"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "image/openraster")
        archive.writestr("stack.xml", stack)
        for name, content in files.items():
            archive.writestr(f"data/{name}.png", content)
    return path


def png(mode, size=(5, 4)):
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, "PNG")
    return stream.getvalue()


def test_a_foreign_stack_is_read_with_notes(tmp_path):
    stack = (
        '<image w="20" h="10"><stack><text name="t"/><layer src="data/a.png" x="3" y="-2" '
        'composite-op="svg:dst-out" opacity="0.5" name="A"/><stack isolation="auto" name="g">'
        '<layer src="data/b.png"/></stack></stack></image>'
    )
    document = open_document(archive_of(tmp_path, stack, a=png("L"), b=png("P", (20, 10))))
    group, layer = document.children
    assert group.blend is BlendMode.PASS_THROUGH and group.children[0].bounds == (0, 0, 20, 10)
    assert (layer.name, layer.bounds, layer.opacity) == ("A", (3, -2, 5, 4), 0.5)
    assert len(document.notes) == 2


LAUGHS = (
    '<!DOCTYPE image [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<image w="9" h="9"><stack name="&b;"/></image>'
)
HOSTILE = {
    "no xml": "hello",
    "empty": "",
    "entities": LAUGHS,
    "root": "<svg/>",
    "no size": "<image><stack/></image>",
    "bad size": '<image w="x" h="9"><stack/></image>',
    "infinite": '<image w="inf" h="9"><stack/></image>',
    "bomb": '<image w="250000" h="250000"><stack/></image>',
    "no stack": '<image w="9" h="9"/>',
    "no source": '<image w="9" h="9"><stack><layer/></stack></image>',
    "missing": '<image w="9" h="9"><stack><layer src="data/b.png"/></stack></image>',
    "slip": '<image w="9" h="9"><stack><layer src="../../etc/passwd"/></stack></image>',
    "opacity": '<image w="9" h="9"><stack><layer src="data/a.png" opacity="nan"/></stack></image>',
    "deep": '<image w="9" h="9">' + "<stack>" * 5000 + "</stack>" * 5000 + "</image>",
    "many": '<image w="9" h="9"><stack>' + '<layer src="data/a.png"/>' * 9000 + "</stack></image>",
}


@pytest.mark.parametrize("stack", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_stack_is_refused(tmp_path, stack):
    with pytest.raises(UnreadableFile) as caught:
        open_document(archive_of(tmp_path, stack, a=png("RGBA")))
    assert len(str(caught.value)) < 400


def test_layers_count_together(tmp_path):
    path = without_originals(save(design(), tmp_path / "a.ora"))
    with pytest.raises(UnreadableFile):
        open_document(path, Limits(total_pixels=101 * 67 * 2))


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path):
    assert_refused_when_cut(save(design(), tmp_path / "a.ora"), step=499)
