"""Training examples: flattened, scaled, merged, and read from each kind of source."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from document_strategies import documents
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from layerstudio.color import to_u8
from layerstudio.composite import composite, composite_pixels
from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Role, TextContent
from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.geometry import Bounds, Extent
from training.assets import Assets
from training.designs import make_design
from training.multilayer_codec import CachedCodec, PatchCodec, encoded
from training.multilayer_data import Example, example_of, merged
from training.multilayer_flatten import flattened
from training.multilayer_sources import Designs, LayeredFiles, PrismLayers, source_of

CANVAS = Extent(83, 60)


def noise(rng: np.random.Generator, box: Bounds, *, opaque: bool = False) -> np.ndarray:
    pixels = rng.integers(0, 256, (box.height, box.width, 4)).astype(np.uint8)
    pixels[..., 3] = 255 if opaque else np.maximum(pixels[..., 3], 1)
    return pixels


def layer(rng: np.random.Generator, name: str, box: Bounds, **options) -> Layer:
    opaque = options.pop("opaque", False)
    return Layer(name, box, noise(rng, box, opaque=opaque), **options)


def ground(rng: np.random.Generator, canvas: Extent = CANVAS) -> Layer:
    return layer(rng, "ground", Bounds.full(canvas), opaque=True, role=Role.BACKGROUND)


def stack(rng: np.random.Generator, count: int) -> Example:
    canvas = Extent(64, 48)
    layers = [ground(rng, canvas)]
    for number in range(count):
        x, y = int(rng.integers(-9, canvas.width - 4)), int(rng.integers(-9, canvas.height - 4))
        layers.append(layer(rng, f"layer {number}", Bounds(x, y, 21, 17)))
    return example_of(canvas, [(item, item.name) for item in layers], "a stack")


def rich_document() -> Document:
    rng = np.random.default_rng(5)
    mask = Mask(Bounds(0, 0, 40, 60), rng.integers(0, 256, (60, 40)).astype(np.uint8))
    text = TextContent(string="two\nlines", font="Sans", size=9.0, color=(0, 0, 0),
                       box=Bounds(2, 2, 20, 9))  # fmt: skip
    inside = (
        layer(rng, "masked", Bounds(4, 6, 50, 40), mask=mask, opacity=0.8),
        layer(rng, "hidden", Bounds(0, 0, 30, 30), visible=False),
        layer(rng, "words", Bounds(2, 2, 20, 9), text=text, role=Role.TEXT),
    )
    return Document(
        CANVAS,
        (
            ground(rng),
            Group("group", inside),
            layer(rng, "base", Bounds(30, 20, 30, 30)),
            layer(rng, "clipped", Bounds(20, 10, 30, 30), clipped=True),
            layer(rng, "shade", Bounds(10, 10, 60, 44), blend=BlendMode.MULTIPLY),
            layer(rng, "glow", Bounds(50, 0, 33, 44), blend=BlendMode.SCREEN, opacity=0.6),
            Group("unseen", (layer(rng, "in it", Bounds(0, 0, 9, 9)),), visible=False),
        ),
    )


class TestFlattening:
    def test_stack_shows_what_the_document_shows(self):
        document = rich_document()
        layers = flattened(document)
        plain = Document(CANVAS, tuple(item for item, _ in layers))
        difference = composite(plain) - composite(document)
        assert np.abs(difference).max() * 255 <= 3

    @settings(max_examples=60, deadline=None)
    @given(documents())
    def test_random_trees_keep_their_picture(self, document):
        page = np.full((*document.extent.shape, 4), 255, np.uint8)
        page[..., 0] = 90
        below = Layer("page", Bounds.full(document.extent), page)
        document = replace(document, children=(below, *document.children))
        layers = [item for item, _ in flattened(document)]
        difference = composite(Document(document.extent, tuple(layers))) - composite(document)
        assert np.abs(difference).max() * 255 <= 7
        assert all(item.opacity == 1 and item.blend == BlendMode.NORMAL for item in layers)

    def test_order_captions_and_what_is_hidden(self):
        captions = [caption for _, caption in flattened(rich_document())]
        assert captions == ["ground", "masked", "two lines", "base", "shade", "glow"]

    def test_a_multiplied_white_is_nothing_and_a_grey_is_a_shadow(self):
        white = np.full((10, 20, 4), 255, np.uint8)
        white[:, 10:, :3] = 128
        below = np.full((10, 20, 4), 200, np.uint8)
        below[..., 3] = 255
        box = Bounds(0, 0, 20, 10)
        pair = (Layer("below", box, below), Layer("m", box, white, blend=BlendMode.MULTIPLY))
        _, (shade, _) = flattened(Document(box.extent, pair))
        assert shade.bounds == Bounds(10, 0, 10, 10)
        assert (shade.pixels[..., :3] == 0).all()
        assert np.abs(shade.pixels[..., 3].astype(int) - 127).max() <= 1


class TestExamples:
    def test_canvas_and_layers_are_brought_to_size(self):
        document = rich_document()
        example = example_of(CANVAS, flattened(document), "rich", longest=160)
        assert example.canvas == Extent(160, 112)
        assert example.boxes[:2] == (Bounds(0, 0, 160, 112),) * 2
        seen = example.picture(0)[0, :3].permute(1, 2, 0).numpy()
        whole = Image.fromarray(composite_pixels(document)[..., :3]).resize((160, 112))
        assert np.abs(seen - np.asarray(whole) / 255).mean() < 0.05

    def test_a_page_is_laid_under_what_is_no_background(self):
        rng = np.random.default_rng(0)
        small = layer(rng, "small", Bounds(8, 8, 20, 10))
        example = example_of(Extent(32, 32), [(small, "a thing")], "p")
        assert example.captions == ("white background", "a thing")
        assert example.regions.boxes[2] == Bounds(0, 0, 2, 2)
        assert example_of(Extent(32, 32), [(ground(rng, Extent(32, 32)), "g")], "p").captions == (
            "g",
        )

    def test_boxes_are_snapped_outwards(self):
        rng = np.random.default_rng(0)
        parts = [(ground(rng, Extent(64, 64)), ""), (layer(rng, "", Bounds(15, 17, 18, 15)), "")]
        example = example_of(Extent(64, 64), parts, "p")
        assert example.regions.boxes[2] == Bounds(0, 1, 3, 1)

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 10**6), st.integers(0, 9), st.floats(0, 1), st.integers(1, 6))
    def test_merging_keeps_the_picture_and_every_caption(self, seed, count, probability, most):
        rng = np.random.default_rng(seed)
        example = stack(rng, count)
        fewer = merged(example, rng, probability=probability, most=most)
        assert len(fewer.layers) <= min(len(example.layers), most + 1)
        assert ", ".join(fewer.captions) == ", ".join(example.captions)
        difference = (fewer.picture(0) - example.picture(0)).abs().max()
        # Each merged layer is rounded twice to 8 bits, colour under faint alpha most.
        assert float(difference) * 255 <= 4
        assert merged(example, rng, probability=0.0) is not None

    def test_merging_all_or_nothing(self):
        example = stack(np.random.default_rng(3), 5)
        rng = np.random.default_rng(0)
        assert merged(example, rng, probability=0.0).layers == example.layers
        assert len(merged(example, rng, probability=1.0).layers) == 2


class TestSources:
    def test_designs_are_those_of_the_generator(self):
        assets = Assets.bundled()
        source = Designs(split="dev", count=2, assets=assets)
        example = source.example(1)
        design = make_design(1, "dev", assets=assets)
        assert source.size == 2 and source.example(1) is example
        assert len(example.layers) == len(design.document.layers)
        assert all(item.name in example.prompt for item in design.document.layers)

    def test_designs_of_few_layers(self):
        source = Designs(split="dev", longest=64, most_layers=6, assets=Assets.bundled())
        examples = [source.example(number) for number in (1, 0)]
        assert examples[0].prompt != examples[1].prompt
        assert all(len(example.layers) <= 6 for example in examples)

    @pytest.mark.parametrize("suffix", [".psd", ".psb", ".ora"])
    def test_layered_files_round_trip(self, suffix, tmp_path):
        rng = np.random.default_rng(1)
        canvas = Extent(64, 48)
        parts = (ground(rng, canvas), layer(rng, "thing", Bounds(11, 3, 20, 30)))
        Document(canvas, parts).save(tmp_path / f"b_two-things{suffix}")
        Document(canvas, parts[:1]).save(tmp_path / f"c{suffix}")
        (tmp_path / "c.txt").write_text("only ground\n")
        source = source_of(str(tmp_path), count=None, longest=None, most_layers=None)
        assert source.size == 2
        first, second = (source.example(number) for number in range(2))
        assert (first.prompt, second.prompt) == ("b two things", "only ground")
        assert first.captions == ("ground", "thing")
        for made, own in zip(first.layers, parts, strict=True):
            assert made.bounds == own.bounds
            assert np.array_equal(made.pixels, own.pixels)

    def test_prism_layers_round_trip(self, tmp_path):
        rng = np.random.default_rng(1)
        canvas, box = Extent(64, 48), Bounds(11, 3, 20, 30)
        base, thing = noise(rng, Bounds.full(canvas), opaque=True), noise(rng, box)
        Image.fromarray(base).save(tmp_path / "base.png")
        Image.fromarray(thing).save(tmp_path / "thing.png")
        row = {
            "whole_caption": "two things", "style_category": "toy", "base_image": "base.png",
            "layer_count": 1, "layer_00": "thing.png", "layer_00_box": [11, 3, 31, 33],
        }  # fmt: skip
        (tmp_path / "metadata.jsonl").write_text(json.dumps(row) + "\n")
        source = source_of(str(tmp_path), count=None, longest=None, most_layers=None)
        assert isinstance(source, PrismLayers)
        example = source.example(0)
        assert example.prompt == "two things" and example.boxes[2] == box
        assert np.array_equal(example.layers[0].pixels, base)
        assert np.array_equal(example.layers[1].pixels, thing)

    @pytest.mark.parametrize(
        ("row", "sentence"),
        [
            ('{"whole_caption": "x"}', "Line 1 of .* lacks the field 'base_image'"),
            ('{"base_image": "no.png"}', "Line 1 of .* cannot be read"),
            ("{", "Line 1 of .* cannot be read"),
        ],
    )
    def test_broken_rows_are_named(self, row, sentence, tmp_path):
        (tmp_path / "metadata.jsonl").write_text(row)
        with pytest.raises(UnreadableFile, match=sentence):
            PrismLayers(tmp_path).example(0)

    def test_folders_without_anything(self, tmp_path):
        with pytest.raises(InvalidRequest, match=r"There is no \.psd"):
            LayeredFiles(tmp_path)
        with pytest.raises(InvalidRequest, match="no folder"):
            source_of("nowhere", count=None, longest=None, most_layers=None)


class TestPatchCodec:
    def test_what_spans_few_directions_comes_back(self):
        rng = np.random.default_rng(2)
        flat = [np.full((16, 32, 4), int(value), np.uint8) for value in rng.integers(60, 250, 3)]
        parts = [(Layer("", Bounds(16 * k, 16, 32, 16), item), "") for k, item in enumerate(flat)]
        page = np.full((48, 80, 4), 255, np.uint8)
        example = example_of(
            Extent(80, 48), [(Layer("", Bounds(0, 0, 80, 48), page), ""), *parts], ""
        )
        codec = PatchCodec.fitted([example])
        tokens = encoded(codec, example)
        assert tokens.shape == (example.regions.count, 64)
        assert float(tokens.square().mean()) == pytest.approx(1, rel=1e-3)
        for number, picture in enumerate(codec.decode(tokens, example.regions)):
            assert picture is not None
            box = Bounds(*(16 * value for value in example.regions.boxes[number] or ()))
            true = example.picture(number)[0][:, *box.slices]
            assert torch.allclose(picture, true, atol=2e-3)

    def test_saved_and_cached_codecs_are_the_same(self, tmp_path):
        example = stack(np.random.default_rng(4), 3)
        codec = PatchCodec.fitted([example])
        codec.save(tmp_path / "codec.safetensors")
        again = PatchCodec.load(tmp_path / "codec.safetensors")
        assert again.name == codec.name
        cached = CachedCodec(again, tmp_path / "cache")
        first = encoded(cached, example)
        files = sorted((tmp_path / "cache").rglob("*.safetensors"))
        assert len(files) == len(example.boxes)
        assert torch.equal(first, encoded(codec, example))
        assert torch.equal(first, encoded(CachedCodec(codec, tmp_path / "cache"), example))
        assert sorted((tmp_path / "cache").rglob("*.safetensors")) == files


def test_a_picture_of_an_entry_is_that_layer_alone():
    example = stack(np.random.default_rng(9), 2)
    pixels = to_u8(example.picture(2)[0].permute(1, 2, 0).numpy())
    own = example.layers[1]
    assert np.array_equal(pixels[own.bounds.slices], own.pixels)
    assert pixels[..., 3].astype(int).sum() == own.pixels[..., 3].astype(int).sum()
