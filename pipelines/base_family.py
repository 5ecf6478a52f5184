"""A base model looked at before it is loaded: is it of the family, and is its denoiser whole?"""

from __future__ import annotations

import json
from typing import Any

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.models.checkpoints import mismatch, shapes_of
from layerstudio.models.families import TITLES, recognise
from layerstudio.models.sizes import Family
from layerstudio.models.tensor_file import TensorFile
from layerstudio.pipelines.base_models import Found
from layerstudio.pipelines.needs import is_registered
from layerstudio.weights.registry import checkpoint

_FLUX = FluxTransformer2DModel


def check_base(found: Found, family: Family) -> None:
    """Raise ``InvalidRequest`` for a base of another family, ``MismatchedWeights`` for one whose
    denoiser is not what its configuration says, ``UnreadableFile`` for what is no model."""
    row = checkpoint(found.weights) if is_registered(found.weights) else None
    if row is not None and row.kind != "base":
        raise _refused(found, f"no base model ({row.title})", family)
    recognised = recognise(found.path)
    if recognised is not None and recognised.family != family:
        raise _refused(found, recognised.title, family)
    if found.path.is_dir():
        name = "unet" if (found.path / "unet").is_dir() else "transformer"
        check_network(found, name, UNet2DConditionModel if name == "unet" else _FLUX)


def _refused(found: Found, what: str, family: Family) -> InvalidRequest:
    return InvalidRequest(
        f"The base model {found.weights!r} is {what}, and this method builds on {TITLES[family]}.",
        advice=f"Choose {TITLES[family]} itself or a fine-tune of it, or another method.",
    )


def check_network(found: Found, name: str, kind: Any) -> None:
    """Raise ``MismatchedWeights`` unless the folder ``name`` holds a whole network of ``kind``.

    Diffusers fills missing tensors with random numbers and says so in a log line only.
    """
    pattern = f"*.{found.variant}*.safetensors" if found.variant else "*.safetensors"
    stored: dict[str, tuple[int, ...]] = {}
    for path in sorted((found.path / name).glob(pattern)):
        if found.variant or ".fp16." not in path.name:
            stored |= TensorFile(path).shapes
    with torch.device("meta"):
        network = kind.from_config(_configuration(found, name))
    expected = shapes_of(network.state_dict())
    if stored != expected:
        raise mismatch(f"{name} of {found.weights!r}", expected, stored)


def _configuration(found: Found, name: str) -> dict[str, Any]:
    path = found.path / name / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(
            f"{str(found.path)!r} is no base model: it holds neither unet nor transformer.",
            advice="Give the folder that diffusers saved, or a single .safetensors file.",
        ) from error
