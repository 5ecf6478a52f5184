"""The layouts in which changes to a network's weights are published, read into one form.

All three name single weights; which of them a file uses is told by its keys:

- Forge's and ComfyUI's LayerDiffuse files: ``diffusion_model.<ldm name>.weight::lora::<i>`` with
  i = 0 up, 1 down, 2 alpha, 3 mid; ``...::diff::0`` is the difference itself.
- LoRA files of diffusers and PEFT: ``unet.<module>.lora_A.weight`` and ``lora_B``, the older
  ``lora.down`` and ``lora.up``, ``lora_linear_layer.down``, ``lora_down`` and ``lora_up``, and
  attention processors' ``processor.to_q_lora.down``; with or without an ``alpha`` per module.
- Differences under the network's own names: ``down_blocks.0.resnets.0.conv1.weight``.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable

from layerstudio.errors import MismatchedWeights
from layerstudio.models.checkpoint_kinds import Shapes, kind_of
from layerstudio.models.ldm_keys import diffusers_key
from layerstudio.models.tensor_file import TensorFile, shapes_of
from layerstudio.models.weight_changes import (
    Change,
    FullChange,
    LowRankChange,
    Shape,
    Tensors,
    low_rank_shape,
)

Changes = dict[str, Change]

_SHOWN = 5
_NETWORK = re.compile(r"^(unet|transformer|base_model\.model)\.")
_PROCESSOR = re.compile(r"\.processor\.to_(q|k|v|out)_lora\.")
_FACTOR = re.compile(
    r"(?P<module>.+?)\."
    r"(?:lora_(?P<letter>[AB])(?:\.\w+)?\.weight"
    r"|lora(?:_linear_layer)?[._](?P<word>down|up|mid)\.weight"
    r"|(?:lora\.)?(?P<alpha>alpha))"
)
_OUTPUTS = {"out": "out.0"}
_ROLES = {"A": "down", "B": "up"}
_FORGE_ROLES = {"0": "up", "1": "down", "2": "alpha", "3": "mid"}


def read_changes(tensors: Tensors) -> Changes:
    """Changes by the name that diffusers gives the weight; no tensor is read yet.

    Raises:
        MismatchedWeights: keys of no known layout, or a factor without its counterpart; the first
            five keys are named.
    """
    shapes = shapes_of(tensors)
    if any("::" in key for key in shapes):
        return _forge_changes(tensors, shapes)
    if any(_FACTOR.fullmatch(_plain_name(key)) for key in shapes):
        return _lora_changes(tensors, shapes)
    return {_plain_name(key): FullChange(tensors, key, shape) for key, shape in shapes.items()}


def _forge_changes(tensors: Tensors, shapes: Shapes) -> Changes:
    changes: Changes = {}
    factors: dict[str, dict[str, str]] = defaultdict(dict)
    strange = []
    for key, shape in shapes.items():
        name, kind, slot = (*key.split("::"), "", "")[:3]
        target = diffusers_key(name)
        if target is None:
            strange.append(key)
        elif kind == "diff" and slot == "0":
            changes[target] = FullChange(tensors, key, shape)
        elif kind == "lora" and slot in _FORGE_ROLES:
            factors[target][_FORGE_ROLES[slot]] = key
        else:
            strange.append(key)
    _refuse(strange, shapes)
    return changes | _products(tensors, shapes, factors, None)


def _lora_changes(tensors: Tensors, shapes: Shapes) -> Changes:
    factors: dict[str, dict[str, str]] = defaultdict(dict)
    strange = []
    for key in shapes:
        found = _FACTOR.fullmatch(_plain_name(key))
        if found is None:
            strange.append(key)
            continue
        role = _ROLES.get(found["letter"]) or found["word"] or "alpha"
        factors[f"{found['module']}.weight"][role] = key
    _refuse(strange, shapes)
    return _products(tensors, shapes, factors, _alpha_in_header(tensors))


def _products(
    tensors: Tensors,
    shapes: Shapes,
    factors: dict[str, dict[str, str]],
    default_alpha: float | None,
) -> Changes:
    changes: Changes = {}
    strange = []
    for target, keys in factors.items():
        shape = _product_shape(shapes, keys)
        if shape is None:
            strange.extend(keys.values())
            continue
        changes[target] = LowRankChange(
            tensors,
            keys["up"],
            keys["down"],
            shape,
            keys.get("alpha", default_alpha),
            keys.get("mid"),
        )
    _refuse(strange, shapes)
    return changes


def _product_shape(shapes: Shapes, keys: dict[str, str]) -> Shape | None:
    if "up" not in keys or "down" not in keys:
        return None
    if "alpha" in keys and math.prod(shapes[keys["alpha"]]) != 1:
        return None
    mid = shapes[keys["mid"]] if "mid" in keys else None
    return low_rank_shape(shapes[keys["up"]], shapes[keys["down"]], mid)


def _plain_name(key: str) -> str:
    """Without the network's prefix, and with an attention processor's layers as modules."""
    key = _NETWORK.sub("", key)
    return _PROCESSOR.sub(lambda found: f".to_{_OUTPUTS.get(found[1], found[1])}.lora.", key)


def _alpha_in_header(tensors: Tensors) -> float | None:
    """The alpha that diffusers writes once into a LoRA file's header, for all modules."""
    header = tensors.metadata if isinstance(tensors, TensorFile) else {}
    try:
        entry = json.loads(header.get("lora_adapter_metadata", "{}"))
        options = {key.rpartition(".")[2]: value for key, value in entry.items()}
    except (ValueError, AttributeError) as error:
        raise MismatchedWeights("The LoRA's header holds settings that make no sense.") from error
    if any(options.get(name) for name in ("use_rslora", "use_dora", "alpha_pattern")):
        raise MismatchedWeights(
            "The LoRA scales its modules in a way that is not supported here.",
            advice="Load it through the pipeline's load_lora_weights instead.",
        )
    return options.get("lora_alpha")


def _refuse(keys: Iterable[str], shapes: Shapes) -> None:
    keys = list(keys)
    if not keys:
        return
    rest = f" and {len(keys) - _SHOWN:,} more" if len(keys) > _SHOWN else ""
    kind = kind_of(shapes)
    raise MismatchedWeights(
        f"These keys belong to no patch that is understood: {', '.join(keys[:_SHOWN])}{rest}.",
        advice=f"The file looks like {kind}." if kind else "",
    )
