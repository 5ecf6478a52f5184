"""Networks put together from pieces: checked by their headers, computed tensor by tensor.

Published code fuses each LoRA in bfloat16 and rounds every time; here the sum is made in float32
and rounded once.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from layerstudio.errors import MismatchedWeights, MissingWeights
from layerstudio.models.checkpoint_kinds import Shapes
from layerstudio.models.checkpoints import mismatch, read_state
from layerstudio.models.multilayer_adapter import MultiLayerAdapter
from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from layerstudio.models.patch_formats import read_changes
from layerstudio.models.tensor_file import TensorFile
from layerstudio.models.tensor_folder import TensorFolder, read_json
from layerstudio.models.weight_changes import Change
from layerstudio.pipelines.multilayer.pieces import FusedLora, Pieces

LAYER_PE = "layer_pe"
_SHOWN = 5
_CPU = torch.device("cpu")
_PATCH = 4  # latent pixels of a token: the mask's one channel is four of a token's
# What the published adapter's constructor assumes where its configuration is silent.
_ADAPTER_DEFAULTS = {"num_layers": 19, "num_single_layers": 38, "guidance_embeds": False}


@dataclass(frozen=True, eq=False)
class Network:
    """A network to be written: its class, configuration and shapes, and where its tensors are."""

    kind: type[Any]
    config: Mapping[str, Any]
    shapes: Shapes
    sources: Mapping[str, Mapping[str, Tensor]]
    changes: Mapping[str, Sequence[tuple[Change, float]]]

    def tensor(self, key: str) -> Tensor:
        """In float32, everything added up."""
        value = self.sources[key][key].float()
        for change, weight in self.changes.get(key, ()):
            value = value + weight * change.delta(_CPU)
        return value


def transformer_of(pieces: Pieces) -> Network:
    """The transformer with its layers' vectors and all LoRAs.

    Raises ``UnreadableFile``; ``MissingWeights`` where no piece has the layers' vectors;
    ``MismatchedWeights`` naming the first five keys that do not fit.
    """
    folder = pieces.transformer or pieces.base / "transformer"
    tensors = TensorFolder(folder)
    sources: dict[str, Mapping[str, Tensor]] = dict.fromkeys(tensors, tensors)
    shapes = dict(tensors.shapes)
    if pieces.layer_vectors is not None:
        vectors = {LAYER_PE: _layer_pe(pieces.layer_vectors)}
        sources[LAYER_PE], shapes[LAYER_PE] = vectors, tuple(vectors[LAYER_PE].shape)
    if LAYER_PE not in shapes:
        raise MissingWeights(
            f"{str(folder)!r} has no vectors of layers: it was not trained to make them.",
            advice="Give their file as layer_pe.",
        )
    config = _config(MultiLayerTransformer, read_json(folder / "config.json"))
    config["max_layer_num"] = shapes[LAYER_PE][1] if len(shapes[LAYER_PE]) == 5 else 1
    if _was_trained_with_clean_tokens(pieces.layer_vectors):
        config["clean_tokens"] = True
    return _checked(MultiLayerTransformer, "transformer", config, shapes, sources, pieces.loras)


def adapter_of(pieces: Pieces) -> Network | None:
    """CLD's adapter with its LoRA, sized by the ControlNet's own configuration; errors as above."""
    if pieces.adapter is None:
        return None
    tensors = TensorFolder(pieces.adapter)
    published = _ADAPTER_DEFAULTS | read_json(pieces.adapter / "config.json")
    config = _config(MultiLayerAdapter, published)
    if "condition_channels" not in published:
        extra = published.get("extra_condition_channels", _PATCH)
        config["condition_channels"] = published.get("in_channels", 64) + extra
    sources = dict.fromkeys(tensors, tensors)
    return _checked(
        MultiLayerAdapter, "adapter", config, tensors.shapes, sources, pieces.adapter_loras
    )


def decoder_of(pieces: Pieces) -> Network:
    """The transparency decoder; what training left beside it is not taken over. Errors as above."""
    path = pieces.decoder
    found = dict(TensorFolder(path)) if path.is_dir() else read_state(path)
    own = {key: value for key, value in found.items() if key.startswith("decoder.")}
    network = MultiLayerDecoder.from_published(own or found)
    state = network.state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    config = _config(MultiLayerDecoder, dict(network.config))
    return Network(MultiLayerDecoder, config, shapes, dict.fromkeys(state, state), {})


def _config(kind: type[Any], published: Mapping[str, Any]) -> dict[str, Any]:
    """What the constructor takes of a published configuration."""
    names = inspect.signature(kind).parameters
    return {name: value for name, value in published.items() if name in names}


def _was_trained_with_clean_tokens(vectors: Path | None) -> bool:
    """What our own training notes in the file of the layers' vectors."""
    if vectors is None or vectors.suffix != ".safetensors":
        return False
    return TensorFile(vectors).metadata.get("clean_tokens") == "true"


def _layer_pe(path: Path) -> Tensor:
    state = read_state(path)
    if LAYER_PE not in state:
        raise mismatch(
            "layers' vectors", {LAYER_PE: ()}, {k: tuple(v.shape) for k, v in state.items()}
        )
    return state[LAYER_PE]


def _checked(
    kind: type[Any],
    what: str,
    config: dict[str, Any],
    found: Shapes,
    sources: Mapping[str, Mapping[str, Tensor]],
    loras: Sequence[FusedLora],
) -> Network:
    """Every key of either is in the other, of one shape, and each LoRA's is one of them."""
    try:
        with torch.device("meta"):
            network = kind(**config)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise MismatchedWeights(f"The configuration of the {what} makes no sense.") from error
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    if expected != dict(found):
        raise mismatch(what, expected, found)
    changes: dict[str, list[tuple[Change, float]]] = {}
    for lora in loras:
        for key, change in _changes(lora, expected, what).items():
            changes.setdefault(key, []).append((change, lora.weight))
    return Network(kind, dict(network.config), expected, sources, changes)


def _changes(lora: FusedLora, expected: Shapes, what: str) -> Mapping[str, Change]:
    changes = read_changes(TensorFile(lora.file))
    strange = [key for key, change in changes.items() if expected.get(key) != change.shape]
    if strange:
        rest = f" and {len(strange) - _SHOWN:,} more" if len(strange) > _SHOWN else ""
        raise MismatchedWeights(
            f"The LoRA {str(lora.file)!r} does not fit the {what}: it changes"
            f" {', '.join(strange[:_SHOWN])}{rest}, which the {what} does not have in that shape."
        )
    return changes
