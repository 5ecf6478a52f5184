from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_studio import tiny_studio_file

from layerstudio.color import to_float
from layerstudio.composite import composite
from layerstudio.document import Document, Role
from layerstudio.errors import Cancelled, InvalidRequest, MismatchedWeights, MissingWeights
from layerstudio.generate_request import GenerateRequest, InputPicture, InputRole
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.files import save
from layerstudio.picture import Picture
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.studio import method
from layerstudio.pipelines.studio.method import StudioMethod
from layerstudio.progress import CancelToken, Progress, ignore_progress

QUICK = {"seed": 5, "steps": 2}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_studio_file(tmp_path_factory.mktemp("studio"))


@pytest.fixture(autouse=True)
def _tiny_weights(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method, "embedded", lambda name: weights)


def made(
    request: GenerateRequest,
    pictures: dict[InputRole, Picture] | None = None,
    **options: object,
) -> tuple[Document, ...]:
    own = StudioMethod()
    resolved = own.resolve(request, pictures or {})
    arguments = {
        "runtime": Runtime(), "progress": ignore_progress, "cancel": CancelToken(), **options
    }  # fmt: skip
    return own.run(resolved, pictures or {}, **arguments)  # type: ignore[arg-type]


def test_each_known_word_is_a_layer_of_its_own() -> None:
    request = GenerateRequest(
        prompt="a red balloon, a dog and two trees at night", extent=Extent(231, 173), **QUICK
    )
    (document,) = made(request)
    names = [layer.name for layer in document.layers]
    assert names == ["Background", "Red balloon", "Dog", "Tree 1", "Tree 2"]
    background, *things = document.layers
    assert background.role is Role.BACKGROUND
    assert background.bounds == Bounds.full(Extent(231, 173))
    assert background.pixels[..., 3].min() == 255
    assert all(layer.bounds.clamped(document.extent) == layer.bounds for layer in things)
    assert all(layer.provenance and layer.provenance.weights for layer in things)


def test_a_seed_is_a_picture_and_a_count_is_seeds() -> None:
    request = GenerateRequest(prompt="a dog, a balloon", **QUICK)
    first, second = made(replace(request, count=2))
    (again,) = made(replace(request, seed=6))
    assert all(
        np.array_equal(a.pixels, b.pixels) for a, b in zip(second.layers, again.layers, strict=True)
    )
    assert not all(
        np.array_equal(a.pixels, b.pixels) for a, b in zip(first.layers, again.layers, strict=True)
    )
    assert first.request is not None and first.request["seed"] == 5


def test_what_the_model_does_not_know_is_told() -> None:
    (document,) = made(GenerateRequest(prompt="a purple dog and a dragon", **QUICK))
    assert [layer.name for layer in document.layers] == ["Background", "Purple dog"]
    assert any("'dragon'" in note for note in document.notes)
    assert any("only in brown" in note for note in document.notes)
    (other,) = made(GenerateRequest(prompt="xyzzy", **QUICK))
    assert len(other.layers) == 2
    assert other.notes


def test_boxes_are_kept() -> None:
    box = Bounds(10, 20, 61, 40)
    (document,) = made(
        GenerateRequest(prompt="a dog", boxes=(box,), extent=Extent(150, 99), **QUICK)
    )
    layer = document.layers[1]
    assert Bounds(10, 10, 61, 61).contains(layer.bounds)


def test_progress_has_previews_and_a_run_can_be_cancelled() -> None:
    seen: list[Progress] = []
    request = GenerateRequest(prompt="a dog", extent=Extent(300, 200), **QUICK)
    made(request, runtime=Runtime(previews=True), progress=seen.append)
    assert [report.fraction for report in seen] == sorted(report.fraction for report in seen)
    previews = [report.preview for report in seen if report.preview is not None]
    assert previews and previews[-1].shape[:2] == (171, 256)
    cancel = CancelToken()

    def stop(progress: Progress) -> None:
        if progress.stage == "sampling":
            cancel.cancel()

    with pytest.raises(Cancelled):
        made(request, progress=stop, cancel=cancel)


def test_a_picture_in_boxes() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (120, 201, 4), np.uint8)
    pixels[..., 3] = 255
    picture = Picture(pixels)
    request = GenerateRequest(
        inputs=(InputPicture(role="image"),),
        boxes=(Bounds(5, 5, 40, 60), Bounds(100, 30, 50, 50)),
        **QUICK,
    )
    (document,) = made(request, {"image": picture})
    assert [layer.name for layer in document.layers] == ["Background", "Layer 1", "Layer 2"]
    assert document.extent == picture.extent
    off = np.abs(composite(document)[..., :3] - to_float(pixels)[..., :3])
    assert off.max() <= 1.01 / 255


def test_a_picture_in_which_nothing_is_found_says_so() -> None:
    pixels = np.full((70, 90, 4), (30, 90, 200, 255), np.uint8)
    request = GenerateRequest(inputs=(InputPicture(role="image"),), **QUICK)
    (document,) = made(request, {"image": Picture(pixels)})
    assert len(document.layers) == 1 and np.array_equal(document.layers[0].pixels, pixels)
    assert any("boxes" in note for note in document.notes)


def test_a_plate_keeps_what_it_has() -> None:
    pixels = np.full((90, 140, 4), 255, np.uint8)
    pixels[20:60, 30:80] = 0
    request = GenerateRequest(inputs=(InputPicture(role="background"),), **QUICK)
    (document,) = made(request, {"background": Picture(pixels)})
    below, plate = document.layers
    assert np.array_equal(plate.pixels, pixels)
    assert below.pixels[..., 3].min() == 255
    opaque = pixels[..., 3] == 255
    assert np.array_equal(below.pixels[opaque], pixels[opaque])


def test_one_layer_of_a_document_is_made_anew(tmp_path: Path) -> None:
    (document,) = made(GenerateRequest(prompt="a dog, a balloon and a tree", **QUICK))
    path = tmp_path / "poster.ora"
    save(document, path)
    request = GenerateRequest(document=str(path), regenerate=("Balloon",),  # type: ignore[arg-type]
                              foregrounds=("a dog",), seed=9, steps=2)  # fmt: skip
    (changed,) = made(request)
    for old, new in zip(document.layers, changed.layers, strict=True):
        same = old.bounds == new.bounds and np.array_equal(old.pixels, new.pixels)
        assert same == (old.name != "Balloon")


@pytest.mark.parametrize(
    "request_",
    [
        GenerateRequest(prompt="  "),
        GenerateRequest(prompt="a dog", mode="img2img"),
        GenerateRequest(prompt="a dog", mode="layers"),
        GenerateRequest(prompt="a dog", strength=0.5),
        GenerateRequest(prompt="a dog", base="somewhere"),
        GenerateRequest(prompt="a dog", steps=500),
        GenerateRequest(prompt="a dog", mode="picture"),
    ],
)
def test_what_makes_no_sense_is_refused(request_: GenerateRequest) -> None:
    with pytest.raises(InvalidRequest):
        made(request_)


def test_weights_missing_or_of_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "studio.safetensors"
    monkeypatch.setattr(method, "embedded", lambda name: path)
    with pytest.raises(MissingWeights):
        made(GenerateRequest(prompt="a dog", **QUICK))
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(MismatchedWeights):
        made(GenerateRequest(prompt="a dog", **QUICK))
