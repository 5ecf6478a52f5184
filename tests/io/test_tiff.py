import json
import shutil
import subprocess

import numpy as np
import pytest
import tifffile
from damage import assert_refused_when_cut, refusals_of_flipped
from hypothesis import HealthCheck, given, settings
from layered import assert_same, documents
from PIL import Image

from layerstudio.composite import composite_pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Mask
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import open_document, save
from layerstudio.io.files import save_with_notes
from layerstudio.io.limits import Limits

roomy = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@roomy
@given(documents())
def test_everything_comes_back_exactly(tmp_path, document):
    path = save(document, tmp_path / "a.tif", bleed=False)
    assert_same(open_document(path), document)


@settings(roomy, max_examples=15)
@given(documents())
def test_bleeding_changes_hidden_colour_only(tmp_path, document):
    path = save(document, tmp_path / "a.tif")
    assert_same(open_document(path), document, hidden_colour=False)


def sample():
    rng = np.random.default_rng(5)

    def pixels(height, width):
        return rng.integers(1, 255, (height, width, 4), np.uint8)

    window = Mask(Bounds(0, 0, 20, 10), pixels(10, 20)[..., 0])
    return Document(
        Extent(61, 43),
        (
            Layer("background", Bounds(0, 0, 61, 43), pixels(43, 61)),
            Group("g", (Layer("レイヤー", Bounds(-4, 7, 30, 20), pixels(20, 30), opacity=0.5),)),
            Layer("m", Bounds(5, 6, 20, 10), pixels(10, 20), mask=window, blend=BlendMode.SCREEN),
        ),
        dpi=300,
    )


def test_pages_are_the_picture_and_then_the_layers(tmp_path):
    document = sample()
    with tifffile.TiffFile(save(document, tmp_path / "a.tif")) as tiff:
        assert [page.shape for page in tiff.pages] == [
            (43, 61, 4),
            (43, 61, 4),
            (20, 30, 4),
            (10, 20, 4),
        ]
        assert np.array_equal(tiff.pages[0].asarray(), composite_pixels(document))
        assert np.array_equal(tiff.pages[1].asarray(), document.layers[0].pixels)
        names = [page.tags.valueof(285) for page in tiff.pages]
        assert names[1] == "background" and names[3] == "m"
        numerator, denominator = tiff.pages[3].tags.valueof(286)
        # 5 pixels from the canvas, which the layer at -4 moved by 4.
        assert numerator / denominator * 300 == pytest.approx(9)


def test_notes_say_what_others_do_not_see(tmp_path):
    notes = " ".join(save_with_notes(sample(), tmp_path / "a.tif"))
    for word in ("groups", "opacity", "blend modes", "masks"):
        assert word in notes
    assert "hidden" not in notes and "clipping" not in notes
    only = Document(Extent(61, 43), sample().children[:1])
    assert save_with_notes(only, tmp_path / "b.tif") == ()


def test_another_program_reads_every_page(tmp_path):
    identify = shutil.which("identify-im6.q16") or shutil.which("identify", path="/usr/bin")
    if identify is None:
        pytest.skip("ImageMagick is not installed")
    path = save(sample(), tmp_path / "a.tif")
    command = [identify, "-format", r"%wx%h %z %[channels] %x\n", path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert result.stderr == ""
    lines = [line.split() for line in result.stdout.strip().splitlines()]
    assert [line[0] for line in lines] == ["61x43", "61x43", "30x20", "20x10"]
    assert {line[1] for line in lines} == {"8"}
    assert all("a" in line[2] and line[3].startswith("300") for line in lines)


def test_gimp_puts_the_layers_in_their_places(tmp_path):
    gimp = shutil.which("gimp-console")
    if gimp is None:
        pytest.skip("GIMP is not installed")
    path = save(sample(), tmp_path / "a.tif")
    script = f"""(begin (gimp-message-set-handler 1)
      (let* ((i (car (file-tiff-load RUN-NONINTERACTIVE "{path}" "a")))
             (ls (gimp-image-get-layers i)))
        (for-each (lambda (l) (let ((o (gimp-drawable-offsets l)))
          (gimp-message (string-append "L|" (car (gimp-item-get-name l)) "|"
            (number->string (car o)) "|" (number->string (cadr o))))))
          (vector->list (cadr ls)))))"""
    command = [gimp, "-i", "-d", "-f", "--batch-interpreter=plug-in-script-fu-eval"]
    result = subprocess.run(
        [*command, "-b", script, "-b", "(gimp-quit 0)"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    found = [
        line.split("L|")[1] for line in (result.stdout + result.stderr).splitlines() if "L|" in line
    ]
    assert found == ["m|9|6", "レイヤー|0|7", "background|4|0", "composite|4|0"]


FOREIGN = {
    "gray": ({"photometric": "minisblack"}, np.uint8, ()),
    "white is zero": ({"photometric": "miniswhite"}, np.uint16, ()),
    "colour": ({"photometric": "rgb"}, np.uint16, (3,)),
    "float": ({"photometric": "rgb"}, np.float32, (3,)),
    "cmyk": ({"photometric": "separated"}, np.uint8, (4,)),
    "premultiplied": ({"photometric": "rgb", "extrasamples": ["assocalpha"]}, np.uint8, (4,)),
    "planes": ({"photometric": "rgb", "planarconfig": "separate"}, np.uint8, (3,)),
    "five channels": ({"photometric": "rgb", "extrasamples": [2, 0]}, np.uint8, (5,)),
}


@pytest.mark.parametrize("case", FOREIGN.values(), ids=FOREIGN)
def test_foreign_pages_become_layers(tmp_path, case):
    options, dtype, channels = case
    path = tmp_path / "a.tif"
    values = np.full((9, 7, *channels), 1 if dtype == np.float32 else np.iinfo(dtype).max, dtype)
    written = np.moveaxis(values, -1, 0) if "planarconfig" in options else values
    with tifffile.TiffWriter(path) as writer:
        for _ in range(2):
            writer.write(written, metadata=None, **options)
    document = open_document(path)
    assert document.extent == Extent(7, 9)
    assert [layer.name for layer in document.layers] == ["Page 1", "Page 2"]
    top = np.iinfo(document.dtype).max
    color = 0 if options["photometric"] in ("miniswhite", "separated") else top
    for layer in document.layers:
        assert (layer.pixels[..., :3] == color).all() and (layer.pixels[..., 3] == top).all()


@pytest.mark.parametrize("mode", ["P", "1", "LA", "RGBA"])
def test_what_pillow_writes_looks_the_same(tmp_path, mode):
    image = Image.effect_noise((9, 7), 90).convert("RGB").convert(mode)
    image.save(tmp_path / "a.tif")
    expected = np.asarray(image.convert("RGBA"))
    assert np.array_equal(open_document(tmp_path / "a.tif").layers[0].pixels, expected)


def test_smaller_copies_are_no_layers(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.full((8, 6), 9, np.uint8), iccprofile=b"\0" * 16 + b"GRAY" + b"\0" * 200)
        writer.write(np.full((4, 3), 9, np.uint8), subfiletype=1)
    document = open_document(path)
    assert [layer.bounds.extent for layer in document.layers] == [(6, 8)]
    assert len(document.notes) == 1 and document.icc_profile is None


def test_a_cut_file_is_refused_or_whole(tmp_path):
    assert_refused_when_cut(save(sample(), tmp_path / "a.tif"), step=211)


def test_flipped_bytes_raise_nothing_else(tmp_path):
    assert refusals_of_flipped(save(sample(), tmp_path / "a.tif"), count=300) > 100


def test_bombs_are_refused_before_they_are_decoded(tmp_path):
    path = save(sample(), tmp_path / "a.tif")
    with pytest.raises(UnreadableFile):
        open_document(path, Limits(pixels=1000))
    with pytest.raises(UnreadableFile):
        open_document(path, Limits(total_pixels=3000))


def test_a_manifest_that_lies_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    for ref in ("page 9", "alpha 7", "alpha", "page 1, alpha 3", "etc/passwd", 5):
        with tifffile.TiffFile(save(sample(), path)) as tiff:
            data = json.loads(tiff.pages[0].description)
        data["children"][0]["pixels"] = ref
        tifffile.imwrite(
            path, np.zeros((43, 61, 4), np.uint8), description=json.dumps(data), metadata=None
        )
        with pytest.raises(UnreadableFile):
            open_document(path)
