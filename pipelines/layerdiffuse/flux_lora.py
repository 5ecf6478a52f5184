"""LayerDiffuse's LoRA on FLUX: checked before it is loaded, its strength, and taken out again.

Diffusers itself skips names that it does not know, with a warning at most; a picture made
without half of its weights only looks like a bad picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict
from torch import Tensor, nn

from layerstudio.models.checkpoints import mismatch

ADAPTER = "layerdiffuse"

_PREFIX = "transformer."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
_WHAT = "FLUX transformer's LoRA"
Shapes = dict[str, tuple[int, ...]]


def adapters_of(transformer: Any) -> list[str]:
    """The names of all LoRAs on it."""
    return list(getattr(transformer, "peft_config", None) or {})


def active_of(transformer: Any) -> list[str]:
    """The names of those that are on."""
    return list(transformer.active_adapters()) if adapters_of(transformer) else []


def activate(transformer: Any, names: Sequence[str]) -> None:
    """Turn these on and all others off; their strengths stay."""
    transformer.set_adapter(list(dict.fromkeys(names)))


def set_strength(transformer: nn.Module, strength: float) -> None:
    """Of LayerDiffuse's LoRA alone."""
    for layer in transformer.modules():
        if isinstance(layer, LoraLayer) and ADAPTER in layer.scaling:
            layer.set_scale(ADAPTER, strength)


def lora_state(transformer: Any) -> dict[str, Tensor]:
    """LayerDiffuse's LoRA as it is loaded, with what its alphas say multiplied in."""
    layers = dict(transformer.named_modules())
    state = {}
    for key, value in get_peft_model_state_dict(transformer, adapter_name=ADAPTER).items():
        layer = layers[key.rsplit(".lora_", 1)[0]]
        alpha = layer.lora_alpha[ADAPTER] / layer.r[ADAPTER] if key.endswith(_UP) else 1.0
        state[f"{_PREFIX}{key}"] = (value.detach() * alpha).contiguous().cpu()
    return state


def check_lora(state: Mapping[str, Tensor], transformer: nn.Module) -> None:
    """Every pair of ``state``, in any layout that diffusers reads, must fit ``transformer``.

    Raises ``MismatchedWeights`` naming the first five differences.
    """
    found = _shapes(state)
    if any("lora" in key for key in found):
        named = FluxPipeline.lora_state_dict(dict(state))
        assert isinstance(named, dict)
        found = _shapes(named)
    expected = _expected(found, transformer)
    if expected != found or not found:
        raise mismatch(_WHAT, expected or _attention(transformer), found)


def _shapes(state: Mapping[str, Tensor]) -> Shapes:
    return {key: tuple(value.shape) for key, value in state.items()}


def _expected(found: Shapes, transformer: nn.Module) -> Shapes:
    """What the found modules ought to hold, at the ranks that were found."""
    expected: Shapes = {}
    for name, linear in _linears(transformer).items():
        down, up = f"{_PREFIX}{name}{_DOWN}", f"{_PREFIX}{name}{_UP}"
        if down in found or up in found:
            rank = found[down][0] if down in found else found[up][-1]
            expected |= {down: (rank, linear.in_features), up: (linear.out_features, rank)}
    return expected


def _attention(transformer: nn.Module) -> Shapes:
    """The pairs that a LoRA of attention would hold at rank 1."""
    names = [name for name in _linears(transformer) if ".attn." in name]
    return _expected({f"{_PREFIX}{name}{_DOWN}": (1,) for name in names}, transformer)


def _linears(transformer: nn.Module) -> dict[str, nn.Linear]:
    """By name; the layer itself where another LoRA is around it already."""
    layers = {
        name: getattr(module, "base_layer", module) for name, module in transformer.named_modules()
    }
    return {
        name: layer
        for name, layer in layers.items()
        if isinstance(layer, nn.Linear) and not name.endswith(".base_layer")
    }
