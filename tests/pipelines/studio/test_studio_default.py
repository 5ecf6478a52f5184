"""The built-in model stands in for the default one where it knows every word."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_studio import tiny_studio_file

import layerstudio
from layerstudio.errors import MissingWeights
from layerstudio.generate_request import GenerateRequest
from layerstudio.pipelines.studio import fallback, method


@pytest.fixture(autouse=True)
def _nothing_but_a_tiny_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny_studio_file(tmp_path)
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    for module in (fallback, method):
        monkeypatch.setattr(module, "embedded", lambda name: path)


def test_known_words_are_drawn_without_a_checkpoint() -> None:
    document = layerstudio.generate("a red balloon and a dog at night", seed=1)
    assert document.request is not None and document.request["method"] == "studio"
    assert [layer.name for layer in document.layers] == ["Background", "Red balloon", "Dog"]
    assert fallback.NOTE in document.notes


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": "a dragon and a dog"},
        {"prompt": "at night"},
        {"prompt": "a dog", "variant": "conv"},
        {"prompt": "a dog", "negative_prompt": "cats"},
    ],
)
def test_anything_else_names_what_is_missing(options: dict[str, str]) -> None:
    assert not fallback.understands(GenerateRequest(**options))  # type: ignore[arg-type]
    with pytest.raises(MissingWeights):
        layerstudio.generate(**options, seed=1)  # type: ignore[arg-type]


def test_the_shipped_model_knows_its_held_back_captions() -> None:
    from layerstudio.pipelines.studio.model import read
    from layerstudio.pipelines.studio.reading import read_prompt
    from layerstudio.weights.embedded import embedded
    from training.studio_captions import HELD_BACK

    vocabulary = read(embedded("studio")).vocabulary
    for caption in HELD_BACK:
        wish = read_prompt(caption, vocabulary)
        assert len(wish.things) == 3 and wish.ground and not wish.unknown, caption
        assert all(t.colour in ("", *vocabulary.things[t.noun]) for t in wish.things), caption
