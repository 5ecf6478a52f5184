"""Folders of layered files and of PNG layers become samples whose truth is a plain stack."""

import numpy as np
import pytest
from document_strategies import documents
from hypothesis import given, settings
from PIL import Image
from tiny_sets import EXTENT, elaborate, ground, poster, rectangle, save_crello, save_layers

from layerstudio.composite import composite, composite_pixels
from layerstudio.document import BlendMode, Document
from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.rasterise import layers_of
from layerstudio.pipelines.evaluation.flattening import flattened
from layerstudio.pipelines.evaluation.reading import open_dataset
from layerstudio.pipelines.evaluation.samples import prepared


def names(document):
    return [layer.name for layer in document.layers]


class TestFlattening:
    def test_only_what_shows_is_left_and_it_looks_the_same(self):
        truth, notes = flattened(elaborate())
        assert names(truth) == ["ground", "card", "tint", "badge"]
        assert all(layer.blend is BlendMode.NORMAL for layer in truth.layers)
        assert any("multiply" in note for note in notes)
        shown = composite_pixels(truth).astype(int) - composite_pixels(elaborate())
        assert abs(shown).max() <= 1
        card, badge = layers_of(truth)[1], layers_of(truth)[3]
        assert card[10, 10, 3] == 255 and card[10, 30, 3] == 0
        assert badge[20, 30, 3] == 128

    @settings(max_examples=60, deadline=None)
    @given(documents())
    def test_any_document_looks_the_same(self, document):
        truth, _ = flattened(document)
        wanted, shown = composite(document), composite(truth)
        premul = [picture[..., :3] * picture[..., 3:] for picture in (wanted, shown)]
        assert np.abs(premul[0] - premul[1]).max() <= 2 / 255
        assert np.abs(wanted[..., 3] - shown[..., 3]).max() <= 2 / 255
        assert all(layer.visible and not layer.clipped for layer in truth.layers)
        assert len(layers_of(truth)) == len(truth.children)


class TestLayeredFiles:
    def test_every_readable_format_is_a_sample(self, tmp_path):
        (tmp_path / "deeper").mkdir()
        for file in ("a.psd", "b.ora", "c.tif", "d.zip", "deeper/e.psb", "f.layers"):
            elaborate().save(tmp_path / file)
        (tmp_path / ".hidden.psd").write_bytes(b"no")
        (tmp_path / "notes.txt").write_text("no")
        data = open_dataset(tmp_path)
        assert data.layout == "psd"
        assert data.names == ("a.psd", "b.ora", "c.tif", "d.zip", "deeper/e.psb", "f.layers")
        for name in data.names:
            sample = data.load(name)
            assert names(sample.truth) == ["ground", "card", "tint", "badge"], name
            shown = sample.picture.pixels.astype(int) - composite_pixels(elaborate())
            assert abs(shown).max() <= 1
            assert sample.is_composed

    def test_one_file_and_a_limit(self, tmp_path):
        for name in ("b.psd", "a.psd", "c.psd"):
            poster().save(tmp_path / name)
        assert open_dataset(tmp_path / "b.psd").names == ("b.psd",)
        assert open_dataset(tmp_path, "psd", limit=2).names == ("a.psd", "b.psd")

    def test_a_broken_file_is_found_and_cannot_be_read(self, tmp_path):
        (tmp_path / "bad.psd").write_bytes(b"8BPS and nothing else")
        data = open_dataset(tmp_path)
        with pytest.raises(UnreadableFile):
            data.load("bad.psd")


class TestPngFolders:
    def test_a_split_of_the_generators(self, tmp_path):
        save_crello(tmp_path, {"test_000000_x": poster(), "test_000001_y": elaborate()})
        data = open_dataset(tmp_path)
        assert (data.layout, data.names) == ("crello", ("test_000000_x", "test_000001_y"))
        assert data.notes == ()
        sample = data.load("test_000000_x")
        assert names(sample.truth) == ["00", "01", "02"]
        assert (sample.picture.pixels == composite_pixels(poster())).all()
        assert [tuple(layer.bounds) for layer in sample.truth.layers] == [(0, 0, *EXTENT)] * 3
        assert not sample.is_composed

    def test_of_several_splits_test_is_taken_and_told(self, tmp_path):
        for split in ("train", "test"):
            save_crello(tmp_path, {f"{split}_0": poster()}, split)
        data = open_dataset(tmp_path)
        assert data.names == ("test_0",)
        assert "train" in data.notes[0]
        assert open_dataset(tmp_path / "train").names == ("train_0",)

    def test_layers_alone_make_their_picture(self, tmp_path):
        save_layers(tmp_path / "one", poster())
        data = open_dataset(tmp_path)
        sample = data.load("one")
        assert (sample.picture.pixels == composite_pixels(poster())).all()
        assert "no composite" in sample.notes[0]

    @pytest.mark.parametrize("name", ["composite.png", "image.jpg", "input.webp"])
    def test_a_picture_beside_the_layers(self, tmp_path, name):
        save_layers(tmp_path / "one", poster())
        Image.new("RGB", EXTENT, (1, 2, 3)).save(tmp_path / "one" / name)
        sample = open_dataset(tmp_path).load("one")
        assert len(sample.truth.layers) == 3
        assert sample.picture.pixels[0, 0].max() > 200  # alpha
        assert sample.picture.pixels[0, 0, :3].max() < 12
        assert sample.picture.lossy == (not name.endswith(".png"))

    def test_layers_are_in_the_order_of_their_numbers(self, tmp_path):
        layers = [ground(), *(rectangle("x", Bounds(0, 0, 9, 9), (i, 0, 0)) for i in range(1, 12))]
        save_layers(tmp_path / "one", Document(EXTENT, tuple(layers)), "one_{}.png")
        truth = open_dataset(tmp_path).load("one").truth
        assert [int(layer.pixels[0, 0, 0]) for layer in truth.layers] == [240, *range(1, 12)]

    def test_broken_samples_say_what_they_lack(self, tmp_path):
        save_crello(tmp_path, {name: poster() for name in "abcde"})
        layers, composite_of = tmp_path / "test/layers", tmp_path / "test/composite"
        for file in (layers / "a").iterdir():
            file.unlink()
        (composite_of / "b.png").unlink()
        for file in (layers / "c").iterdir():
            file.unlink()
        (layers / "c").rmdir()
        Image.new("RGBA", (9, 9)).save(layers / "d" / "d_07.png")
        (layers / "e" / "e_01.png").write_bytes(b"not a picture")
        data = open_dataset(tmp_path)
        assert data.names == tuple("abcde")
        expected = ("no PNG layer", "no picture", "no folder", "different sizes", "e_01.png")
        for name, reason in zip(data.names, expected, strict=True):
            with pytest.raises(UnreadableFile, match=reason):
                data.load(name)


@pytest.mark.parametrize(
    ("path", "layout", "reason"),
    [
        ("missing", "auto", "does not exist"),
        ("empty", "auto", "neither layered files"),
        ("empty", "psd", "no layered file"),
        ("empty", "crello", "no folder of PNG layers"),
        ("mattes", "auto", "--save-layers"),
        ("text.txt", "auto", "neither layered files"),
        ("text.txt", "crello", "not a folder"),
        ("https://example.org/set", "auto", "address"),
    ],
)
def test_paths_without_samples(tmp_path, monkeypatch, path, layout, reason):
    (tmp_path / "empty/inner").mkdir(parents=True)
    (tmp_path / "mattes/gt").mkdir(parents=True)
    (tmp_path / "text.txt").write_text("hello")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableFile, match=reason):
        open_dataset(path, layout)


def test_an_unknown_layout(tmp_path):
    with pytest.raises(InvalidRequest, match="no layout 'coco'"):
        open_dataset(tmp_path, "coco")


class TestPreparing:
    def test_shrunk_samples_stay_composed_of_their_layers(self, tmp_path):
        elaborate().save(tmp_path / "a.psd")
        save_crello(tmp_path / "crello", {"a": poster()})
        composed = prepared(open_dataset(tmp_path / "a.psd").load("a.psd"), 23)
        assert composed.truth.extent == composed.picture.extent == Extent(31, 23)
        assert (composed.picture.pixels == composite_pixels(composed.truth)).all()
        assert names(composed.truth) == ["ground", "card", "tint", "badge"]
        assert "Shrunk" in composed.notes[-1]
        given = prepared(open_dataset(tmp_path / "crello").load("a"), 23)
        assert given.picture.extent == Extent(31, 23)

    def test_small_samples_stay_as_they_are(self, tmp_path):
        poster().save(tmp_path / "a.psd")
        sample = open_dataset(tmp_path).load("a.psd")
        assert prepared(sample, 45) is sample
        assert prepared(sample, None) is sample

    def test_samples_that_cannot_be_scored(self, tmp_path, monkeypatch):
        Document(EXTENT, (rectangle("x", Bounds(0, 0, 5, 5), (1, 1, 1, 0)),)).save(
            tmp_path / "nothing.psd"
        )
        save_layers(tmp_path / "png/one", poster())
        Image.new("RGB", (9, 9)).save(tmp_path / "png/one/composite.png")
        with pytest.raises(InvalidRequest, match="no visible layer"):
            prepared(open_dataset(tmp_path / "nothing.psd").load("nothing.psd"), None)
        with pytest.raises(InvalidRequest, match="9 x 9"):
            prepared(open_dataset(tmp_path / "png").load("one"), None)
        poster().save(tmp_path / "large.psd")
        monkeypatch.setattr("layerstudio.pipelines.evaluation.samples.MAX_STACK_PIXELS", 5000)
        with pytest.raises(InvalidRequest, match="--short-side"):
            prepared(open_dataset(tmp_path / "large.psd").load("large.psd"), None)
        assert prepared(open_dataset(tmp_path / "large.psd").load("large.psd"), 20)
