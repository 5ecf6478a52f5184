"""Files out of a document: formats, single layers, names, notes, and nothing left behind."""

import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studio_client import drawn

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Group, Layer
from layerstudio.errors import Cancelled, InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.files import FORMATS, open_document
from layerstudio.io.picture import read_picture
from layerstudio.progress import CancelToken, ignore_progress
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.exports import Wanted, export, format_views, formats_of, wanted_of


def written(document, wanted, folder, name="drawn"):
    folder.mkdir(exist_ok=True)
    return export(
        document, name, wanted, folder, progress=ignore_progress, cancel=CancelToken()
    )  # fmt: skip


def test_every_format_of_the_core_is_offered_and_written(tmp_path):
    views = format_views()
    suffixes = [view["suffix"] for view in views]
    # .tiff is another name of .tif, and a browser takes no folders.
    assert set(suffixes) == set(FORMATS) - {".tiff", ".layers"}
    assert all(view["title"] and view["summary"].endswith(".") for view in views)
    document = drawn()
    files = written(document, Wanted(tuple(suffixes)), tmp_path)
    assert [file.path.suffix for file in files] == suffixes
    for file in files:
        if FORMATS[file.path.suffix].readable:
            assert len(open_document(file.path).layers) == len(document.layers)
    notes = {file.path.suffix: " ".join(file.notes) for file in files}
    assert "flattened" in notes[".png"] and notes[".psd"] == ""
    assert "multiply" in notes[".pptx"]


def test_what_a_format_loses_is_said_where_it_loses_it(tmp_path):
    """A format that promises to lose nothing has no notes about any document."""
    document = drawn()
    silent = [f".{view['id']}" for view in format_views() if not view["loses"]]
    for file in written(document, Wanted(tuple(silent)), tmp_path):
        assert file.notes == (), file
        back = open_document(file.path)
        assert np.array_equal(composite_pixels(back), composite_pixels(document))


def test_a_single_layer_is_a_png_of_its_own_pixels(tmp_path):
    document = drawn()
    (file,) = written(document, Wanted((".png",), ((3,),)), tmp_path)
    words = document.at((3,))
    assert file.name == "words.png" and isinstance(words, Layer)
    assert np.array_equal(read_picture(file.path).pixels, words.pixels)
    (file,) = written(document, Wanted((".png",), ((3,),), canvas=True), tmp_path / "canvas")
    pixels = read_picture(file.path).pixels
    assert pixels.shape[:2] == document.extent.shape
    assert np.array_equal(pixels[words.bounds.slices], words.pixels)


def test_masks_and_opacity_count_in_single_layers_and_blend_modes_do_not(tmp_path):
    document = drawn()
    (file,) = written(document, Wanted((".png",), ((2,),)), tmp_path)
    masked = document.at((2,))
    assert isinstance(masked, Layer) and masked.mask is not None
    assert np.array_equal(read_picture(file.path).pixels[..., 3], masked.mask.pixels)
    (file,) = written(document, Wanted((".png",), ((4,),)), tmp_path)
    edge = document.at((4,))  # multiplied, and partly off the canvas
    assert isinstance(edge, Layer)
    assert np.array_equal(read_picture(file.path).pixels, edge.pixels)


def test_several_layers_are_pngs_in_one_zip_from_the_bottom(tmp_path):
    document = drawn()
    (file,) = written(document, Wanted((".png",), ((3,), (1,), (0,))), tmp_path)
    assert file.name == "drawn layers.zip"
    with zipfile.ZipFile(file.path) as archive:
        names = archive.namelist()
        pair = read_picture(archive.read(names[1]))
    assert names == ["01 words.png", "02 pair.png", "03 ground.png"]
    assert pair.extent == document.at((1,)).bounds.extent
    assert list(tmp_path.iterdir()) == [file.path]


def test_chosen_layers_in_other_formats_keep_their_places(tmp_path):
    document = drawn()
    (file,) = written(document, Wanted((".zip",), ((1,), (3,))), tmp_path)
    back = open_document(file.path)
    assert back.extent == document.extent
    assert [node.name for _, node in back.walk()] == ["pair", "left", "right", "words"]


def test_empty_layers_are_left_out_and_told(tmp_path):
    empty = Layer("nothing", Bounds(0, 0, 0, 0), np.zeros((0, 0, 4), np.uint8))
    document = Document(Extent(9, 7), (empty, Group("hollow"), *drawn().children[:1]))
    (file,) = written(document, Wanted((".png",), ((0,), (1,), (2,))), tmp_path)
    assert file.name == "ground.png"
    assert file.notes == (
        "'nothing' is empty and was left out.", "'hollow' is empty and was left out.",
    )  # fmt: skip
    with pytest.raises(InvalidRequest):
        written(document, Wanted((".png",), ((0,),)), tmp_path)


@settings(max_examples=25, deadline=None)
@given(names=st.lists(st.text(max_size=30), min_size=2, max_size=4), title=st.text(max_size=20))
def test_names_of_strangers_make_distinct_files_in_the_folder(tmp_path_factory, names, title):
    pixels = np.full((3, 5, 4), 255, np.uint8)
    layers = tuple(Layer(name, Bounds(i, 0, 5, 3), pixels) for i, name in enumerate(names))
    folder = tmp_path_factory.mktemp("names")
    wanted = Wanted((".png", ".zip"), tuple((index,) for index in range(len(names))))
    files = written(Document(Extent(9, 3), layers), wanted, folder, name=title)
    assert sorted(folder.iterdir()) == sorted(file.path for file in files)
    with zipfile.ZipFile(files[0].path) as archive:
        inside = archive.namelist()
    assert len(set(inside)) == len(names)
    assert all("/" not in name and "\\" not in name and name != ".." for name in inside)


def test_a_cancelled_export_ends_before_the_next_file(tmp_path):
    cancel = CancelToken()
    seen = []

    def watch(progress):
        seen.append(progress.stage)
        if progress.stage == "writing .ora":
            cancel.cancel()

    with pytest.raises(Cancelled):
        export(
            drawn(), "x", Wanted((".psd", ".ora", ".zip")), tmp_path, progress=watch, cancel=cancel
        )
    assert seen == ["writing .psd", "writing .ora"]


def test_formats_are_read_leniently_and_unknown_ones_refused():
    assert formats_of(["PSD", ".ora", "psd"]) == (".psd", ".ora")
    assert formats_of("png") == (".png",)
    for wrong in ([], ["doc"], ["tiff2"], [None]):
        with pytest.raises(InvalidRequest):
            formats_of(wrong)


def test_text_can_be_kept_as_pixels(tmp_path):
    document = drawn()
    body = Fields({"formats": ["svg"], "options": {"text": "pixels"}})
    (pixels,) = written(document, wanted_of(body, document), tmp_path / "pixels")
    live = wanted_of(Fields({"formats": ["svg"]}), document)
    (words,) = written(document, live, tmp_path / "live")
    assert "<text" in words.path.read_text() and "<text" not in pixels.path.read_text()
    with pytest.raises(InvalidRequest):
        wanted_of(Fields({"formats": ["svg"], "options": {"text": "none"}}), document)
