"""The embedded model of ``studio``: its networks and its vocabulary, read from one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from layerstudio.errors import MismatchedWeights
from layerstudio.models.checkpoints import load_strict
from layerstudio.models.studio_codec import StudioCodec
from layerstudio.models.studio_network import StudioNetwork, StudioSize
from layerstudio.models.tensor_file import TensorFile

CODEC, NETWORK = "codec.", "network."
NOTHING = "<nothing>"


def ground_word(kind: str) -> str:
    """The vocabulary's word of a kind of background; "night" alone could be a thing."""
    return f"{kind} background"


def variant_word(variant: int) -> str:
    """The word that chooses among the drawings of one noun."""
    return f"<{variant}>"


@dataclass(frozen=True)
class Vocabulary:
    """``words`` in the order of their numbers. ``things`` has the colours of each noun's drawings,
    ``grounds`` whether a kind of background takes a colour."""

    words: tuple[str, ...]
    things: Mapping[str, tuple[str, ...]]
    grounds: Mapping[str, bool]

    @classmethod
    def of(cls, things: Mapping[str, tuple[str, ...]], grounds: Mapping[str, bool]) -> Self:
        variants = range(max(map(len, things.values())))
        colours = sorted(_COLOURS | {colour for own in things.values() for colour in own})
        names = (NOTHING, *things, *colours, *map(variant_word, variants))
        return cls((*names, *map(ground_word, grounds)), things, grounds)

    @property
    def colours(self) -> frozenset[str]:
        return _COLOURS | {colour for own in self.things.values() for colour in own}

    def number(self, word: str) -> int:
        return self.words.index(word)


# What backgrounds are coloured with; see ``training/studio_grounds.py``.
_COLOURS = frozenset(
    ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "grey", "black")
)


@dataclass(frozen=True, eq=False)
class StudioModel:
    """``quality`` is what its recipe measured, by name; empty for a model that was not."""

    codec: StudioCodec
    network: StudioNetwork
    vocabulary: Vocabulary
    quality: Mapping[str, float] = field(default_factory=dict)


def written(
    model: StudioModel, more: Mapping[str, str]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors in half precision and the header of a file that ``read`` takes."""
    state = {f"{CODEC}{key}": value for key, value in model.codec.state_dict().items()}
    state |= {f"{NETWORK}{key}": value for key, value in model.network.state_dict().items()}
    halves = {key: value.detach().cpu().half().contiguous() for key, value in state.items()}
    known = {
        "codec": {"channels": model.codec.channels, "width": model.codec.width,
                  "blocks": model.codec.blocks},
        "network": vars(model.network.size),
        "things": {noun: list(own) for noun, own in model.vocabulary.things.items()},
        "grounds": dict(model.vocabulary.grounds),
    }  # fmt: skip
    about = {"studio": json.dumps(known), "quality": json.dumps(dict(model.quality))}
    return halves, {**about, **more}


def read(path: Path, device: str = "cpu") -> StudioModel:
    """Raises ``UnreadableFile`` for no safetensors file, and ``MismatchedWeights`` for another
    model's."""
    return _read(path, path.stat().st_mtime_ns if path.is_file() else 0, device)


@lru_cache(maxsize=1)
def _read(path: Path, stamp: int, device: str) -> StudioModel:
    file = TensorFile(path)
    codec, network, vocabulary = _built(file)
    state = {key: value.float() for key, value in file.items()}
    load_strict(codec, _part(state, CODEC), "studio autoencoder")
    load_strict(network, _part(state, NETWORK), "studio transformer")
    quality = json.loads(file.metadata.get("quality", "{}"))
    return StudioModel(codec.eval().to(device), network.eval().to(device), vocabulary, quality)


def _built(file: TensorFile) -> tuple[StudioCodec, StudioNetwork, Vocabulary]:
    try:
        known: dict[str, Any] = json.loads(file.metadata["studio"])
        things = {noun: tuple(own) for noun, own in known["things"].items()}
        vocabulary = Vocabulary.of(things, known["grounds"])
        size = known["network"] | {"axes": tuple(known["network"]["axes"])}
        return StudioCodec(**known["codec"]), StudioNetwork(StudioSize(**size)), vocabulary
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MismatchedWeights(
            f"{file.path.name!r} holds no model of 'studio'.", advice="Export it with its recipe."
        ) from error


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: state[key] for key in state if key.startswith(prefix)}


def device_of(wanted: str) -> str:
    """The device for "auto": a GPU where there is one."""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"
