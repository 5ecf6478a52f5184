"""What happens around every generation: reading, checking, recording, and running it again."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import layerstudio
from layerstudio import (
    Cancelled,
    CancelToken,
    GenerateRequest,
    InputPicture,
    InvalidRequest,
    UnreadableFile,
)
from layerstudio.composite import composite_pixels
from layerstudio.pipelines import methods
from layerstudio.pipelines.generating import generate

RNG = np.random.default_rng(4)
PICTURE = RNG.integers(0, 256, (19, 24, 4), dtype=np.uint8)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(methods._METHODS, "noise", "tiny_generator:NoiseMethod")
    monkeypatch.setitem(methods._METHODS, "grain", "tiny_generator:GrainMethod")
    monkeypatch.setitem(methods._METHODS, "tiny", "tiny_method:HalvesMethod")


@pytest.fixture
def picture_file(tmp_path):
    path = tmp_path / "start.png"
    Image.fromarray(PICTURE).save(path)
    return path


class TestGenerate:
    def test_each_document_remembers_what_makes_it_alone(self):
        made = layerstudio.generate_many("a cup", 3, method="noise", seed=5)
        requests = [GenerateRequest.from_dict(document.request or {}) for document in made]
        assert [(r.method, r.seed, r.count) for r in requests] == [
            ("noise", s, 1) for s in (5, 6, 7)
        ]
        for document, request in zip(made, requests, strict=True):
            provenance = document.layers[0].provenance
            assert provenance is not None
            assert (provenance.method, provenance.seed) == ("noise", request.seed)
            assert provenance.prompt == "a cup"
            assert document.metadata["title"] == "a cup"
            (same,) = generate(request)
            assert np.array_equal(composite_pixels(same), composite_pixels(document))

    def test_pictures_are_recorded_by_path_and_hash(self, picture_file):
        document = layerstudio.generate("x", method="noise", image=picture_file)
        (recorded,) = document.request["inputs"]
        assert recorded["source"] == str(picture_file)
        assert len(recorded["sha256"]) == 64
        assert np.array_equal(document.layers[0].pixels, PICTURE)

    def test_a_changed_picture_is_noticed(self, picture_file):
        document = layerstudio.generate("x", method="noise", image=picture_file)
        changed = PICTURE.copy()
        changed[3, 3] ^= 255
        Image.fromarray(changed).save(picture_file)
        with pytest.raises(InvalidRequest, match=r"start\.png.*differ"):
            layerstudio.again(document)
        replaced = layerstudio.again(document, pictures={"image": picture_file})
        assert np.array_equal(replaced.layers[0].pixels, changed)

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"method": "nobody"}, "no method"),
            ({"method": "tiny"}, "generate"),
            ({"colour": 1}, "colour"),
            ({"inputs": ()}, "by role"),
            ({"extent": (0, 64)}, "width and height"),
            ({"extent": (100_000, 64)}, "width and height"),
            ({"extent": 64}, "does not make sense"),
            ({"steps": 0}, "steps"),
            ({"prompt": 7}, "prompt"),
        ],
    )
    def test_useless_requests(self, options, expected):
        with pytest.raises(InvalidRequest, match=expected):
            layerstudio.generate(**{"prompt": "x", "method": "noise", **options})

    def test_one_foreground_may_be_a_plain_text(self):
        document = layerstudio.generate("x", method="noise", foregrounds="a cup")
        assert document.request["foregrounds"] == ["a cup"]

    def test_an_unknown_role(self):
        with pytest.raises(InvalidRequest, match="no input 'mask'"):
            generate(GenerateRequest(method="noise"), {"mask": PICTURE})

    def test_long_prompts_make_short_titles(self):
        document = layerstudio.generate("word " * 10_000, method="noise")
        assert len(document.metadata["title"]) <= 82
        assert document.request["prompt"] == "word " * 10_000

    def test_cancel_and_progress(self):
        token, seen = CancelToken(), []
        layerstudio.generate("x", method="noise", progress=seen.append)
        assert [report.stage for report in seen] == ["noise", "done"]
        with pytest.raises(Cancelled):
            layerstudio.generate(
                "x", method="noise", cancel=token, progress=lambda _: token.cancel()
            )


class TestAgain:
    @pytest.mark.parametrize("suffix", [".psd", ".zip", ".ora"])
    def test_equal_pixels_from_the_file_alone(self, tmp_path, picture_file, suffix):
        document = layerstudio.generate("a cup", method="noise", seed=9, image=picture_file)
        path = document.save(tmp_path / f"cup{suffix}")
        same = layerstudio.again(path)
        assert np.array_equal(composite_pixels(same), composite_pixels(document))
        assert same.request == document.request

    def test_changes(self, tmp_path):
        document = layerstudio.generate("a cup", method="noise", seed=9)
        other = layerstudio.again(document, seed=10)
        assert other.request == {**(document.request or {}), "seed": 10}
        assert not np.array_equal(composite_pixels(other), composite_pixels(document))
        with pytest.raises(InvalidRequest, match="colour"):
            layerstudio.again(document, colour=1)

    def test_a_decomposition(self, tmp_path, picture_file, monkeypatch):
        monkeypatch.chdir(tmp_path)
        document = layerstudio.decompose("start.png", method="tiny", seed=3)
        path = document.save(tmp_path / "parts.psd")
        monkeypatch.chdir("/")
        same = layerstudio.again(path)
        assert [layer.name for layer in same.layers] == ["left", "right"]
        assert np.array_equal(composite_pixels(same), composite_pixels(document))
        assert same.request["seed"] == 3

    def test_a_decomposed_picture_that_changed_or_went(self, tmp_path, picture_file):
        document = layerstudio.decompose(picture_file, method="tiny")
        Image.fromarray(PICTURE[::-1].copy()).save(picture_file)
        with pytest.raises(InvalidRequest, match="differ"):
            layerstudio.again(document)
        picture_file.unlink()
        with pytest.raises(UnreadableFile):
            layerstudio.again(document)

    def test_pictures_that_were_no_files(self):
        parts = layerstudio.decompose(PICTURE, method="tiny")
        made = layerstudio.generate("x", method="noise", image=PICTURE)
        for document in (parts, made):
            with pytest.raises(InvalidRequest, match="not a file"):
                layerstudio.again(document)
            same = layerstudio.again(document, pictures={"image": PICTURE})
            assert np.array_equal(composite_pixels(same), composite_pixels(document))

    def test_files_without_a_recipe(self, tmp_path):
        document = layerstudio.Document(layerstudio.Extent(3, 3))
        with pytest.raises(InvalidRequest, match="no recipe"):
            layerstudio.again(document)
        strange = layerstudio.Document(layerstudio.Extent(3, 3), request={"task": "dance"})
        with pytest.raises(InvalidRequest, match="dance"):
            layerstudio.again(strange)
        with pytest.raises(UnreadableFile):
            layerstudio.again(tmp_path / "missing.psd")


class TestSettings:
    def test_those_of_the_method_are_checked_filled_in_and_recorded(self):
        document = layerstudio.generate("x", method="grain", settings={"size": "3"})
        assert document.layers[0].name == "red 3"
        assert document.request["settings"] == {"colour": "red", "size": 3}
        with pytest.raises(InvalidRequest, match="Did you mean 'size'"):
            layerstudio.generate("x", method="grain", settings={"sise": 3})
        with pytest.raises(InvalidRequest, match="'noise' has no setting 'size'"):
            layerstudio.generate("x", method="noise", settings={"size": 3})
        with pytest.raises(InvalidRequest):
            layerstudio.generate("x", method="grain", settings="size")

    def test_a_recipe_is_changed_in_one_of_them(self):
        document = layerstudio.generate("x", method="grain", seed=1, settings={"size": 3})
        assert layerstudio.again(document).layers[0].name == "red 3"
        changed = layerstudio.again(document, settings={"colour": "blue"})
        assert changed.layers[0].name == "blue 3"
        other = layerstudio.again(document, method="noise")
        assert other.request["settings"] == {}


def test_an_input_keeps_its_hash_through_json(picture_file):
    request = GenerateRequest(inputs=(InputPicture(role="style", source="a.png", sha256="0" * 64),))
    assert GenerateRequest.from_dict(request.to_dict()) == request


def test_methods_are_listed_and_weights_missed_without_torch(tmp_path):
    code = (
        "import sys, layerstudio\n"
        "print(*(card.id for card in layerstudio.methods()))\n"
        "try:\n    layerstudio.generate('a cup', method='layerdiffuse-sdxl')\n"
        "except layerstudio.MissingWeights as error:\n    print(error.advice)\n"
        "print('torch' in sys.modules)"
    )
    places = {"LAYERSTUDIO_WEIGHTS": str(tmp_path), "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **places}
    )
    listed, advice, has_torch = done.stdout.splitlines()
    assert {"flat", "layerdiffuse-sdxl", "layerdiffuse-sd15", "layerdiffuse-flux"} <= set(
        listed.split()
    )
    assert "models pull realvisxl-v4 layerdiffuse-sdxl-attn-forge" in advice
    assert has_torch == "False"
