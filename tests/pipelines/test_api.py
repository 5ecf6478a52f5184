"""What happens around every method: reading, checking, recording, and splitting again."""

import numpy as np
import pytest
from tiny_method import HalvesMethod

import layerstudio
from layerstudio import (
    BlendMode,
    Bounds,
    Cancelled,
    CancelToken,
    Document,
    Extent,
    Group,
    InvalidRequest,
    Layer,
    Mask,
    UnreadableFile,
)
from layerstudio.composite import composite_pixels
from layerstudio.pipelines import methods
from layerstudio.requests import DecomposeRequest

RNG = np.random.default_rng(3)
NOISE = RNG.integers(0, 256, (11, 17, 4), dtype=np.uint8)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(methods._METHODS, "tiny", "tiny_method:HalvesMethod")


def document_with(layer: Layer) -> Document:
    below = Layer("paper", Bounds(0, 0, 30, 20), np.full((20, 30, 4), 200, np.uint8))
    return Document(Extent(30, 20), (below, Group("folder", (layer,)), below.moved(25, 15)))


class TestDecompose:
    def test_records_what_made_the_document(self):
        document = layerstudio.decompose(NOISE, method="tiny", seed=5)
        assert document.request is not None
        request = DecomposeRequest.from_dict(document.request)
        assert (request.method, request.seed, request.layers) == ("tiny", 5, "auto")
        assert request.read_text is not None
        assert document.metadata["recomposition_max_error"] == "0.000000"
        assert "halved" in document.notes
        for layer in document.layers:
            assert layer.provenance is not None
            assert layer.provenance.method == "tiny"
            assert layer.provenance.source_sha256 == request.source_sha256

    def test_the_recorded_error_is_measured(self, monkeypatch):
        class Dark(HalvesMethod):
            def run(self, request, picture, *, runtime, progress, cancel):
                darker = Layer("one", Bounds.full(picture.extent), picture.pixels // 2)
                return Document(picture.extent, (darker,))

        monkeypatch.setattr("tiny_method.HalvesMethod", Dark)
        document = layerstudio.decompose(np.full((3, 4, 3), 200, np.uint8), method="tiny")
        assert float(document.metadata["recomposition_max_error"]) > 0.4

    def test_the_same_request_runs_again(self):
        first = layerstudio.decompose(NOISE, method="tiny")
        fields = {
            k: v for k, v in (first.request or {}).items() if "source" not in k and k != "task"
        }
        second = layerstudio.decompose(NOISE, **fields)
        assert first.request == second.request

    def test_depth_alpha_and_profile_stay(self):
        deep = RNG.integers(0, 65536, (5, 9, 4), dtype=np.uint16)
        document = layerstudio.decompose(deep, method="tiny")
        assert document.dtype == np.uint16
        assert float(document.metadata["recomposition_max_error"]) <= 1 / 65535

    @pytest.mark.parametrize(
        "options",
        [
            {"method": "nobody"},
            {"layers": 0},
            {"boxes": [(100, 100, 5, 5)]},
            {"boxes": [(1, 1, 0, 5)]},
        ],
    )
    def test_useless_requests(self, options):
        with pytest.raises(InvalidRequest):
            layerstudio.decompose(NOISE, **{"method": "tiny", **options})

    def test_cancel(self):
        token = CancelToken()
        with pytest.raises(Cancelled):
            layerstudio.decompose(
                NOISE, method="tiny", cancel=token, progress=lambda _: token.cancel()
            )

    def test_progress_ends_at_one(self):
        seen = []
        layerstudio.decompose(NOISE, method="tiny", progress=seen.append)
        assert [report.stage for report in seen] == ["left", "right", "done"]
        assert seen[-1].fraction == 1.0


class TestSplit:
    @pytest.mark.parametrize("which", ["logo", (1, 0), "1.0"])
    def test_a_group_takes_the_place(self, which):
        mask = Mask(Bounds(5, 3, 9, 8), RNG.integers(0, 256, (8, 9), dtype=np.uint8), outside=1)
        layer = Layer(
            "logo", Bounds(4, 2, 17, 11), NOISE, 0.5, BlendMode.MULTIPLY, mask=mask, locked=True
        )
        before = document_with(layer)
        after = layerstudio.split(before, which, method="tiny")
        group = after.at((1, 0))
        assert isinstance(group, Group)
        assert [child.name for child in group.children] == ["left", "right"]
        assert (group.name, group.opacity, group.blend) == ("logo", 0.5, BlendMode.MULTIPLY)
        assert group.mask is mask
        assert group.locked
        assert group.bounds == layer.bounds
        difference = composite_pixels(after).astype(int) - composite_pixels(before)
        assert np.abs(difference).max() <= 1
        assert float(after.metadata["split_max_error"]) <= 1 / 255

    def test_ambiguous_missing_and_impossible_layers(self):
        empty = Layer("empty", Bounds(0, 0, 3, 3), np.zeros((3, 3, 4), np.uint8))
        document = document_with(empty)
        for which, expected in [
            ("paper", r"2 layers.*0, 2"),
            ("nothing", "no layer"),
            ("7.1", "no layer"),
            ((9,), "no layer"),
            ("folder", "group"),
            ("empty", "empty"),
        ]:
            with pytest.raises(InvalidRequest, match=expected):
                layerstudio.split(document, which, method="tiny")

    def test_unknown_options_are_named(self):
        layer = Layer("logo", Bounds(4, 2, 17, 11), NOISE)
        with pytest.raises(InvalidRequest, match="colour"):
            layerstudio.split(document_with(layer), "logo", colour=1)


class TestPublicFace:
    def test_every_name_is_there(self):
        for name in layerstudio.__all__:
            assert getattr(layerstudio, name) is not None
        with pytest.raises(AttributeError):
            layerstudio.nonsense  # noqa: B018

    def test_methods_are_listed_with_cards(self):
        cards = {card.id: card for card in layerstudio.methods()}
        assert cards["flat"].task == "decompose"
        assert "tiny" in cards

    def test_open_reads_what_save_wrote(self, tmp_path):
        document = layerstudio.decompose(NOISE, method="tiny")
        path = document.save(tmp_path / "noise.zip")
        again = layerstudio.open(path)
        assert again.request == document.request
        assert [layer.name for layer in again.layers] == ["left", "right"]
        with pytest.raises(UnreadableFile):
            layerstudio.open(tmp_path / "missing.zip")
