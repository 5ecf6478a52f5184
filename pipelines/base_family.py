"""A base model looked at before it is loaded: is it of the family, and are its networks whole?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.models.checkpoint_kinds import Shapes, kind_of
from layerstudio.models.checkpoints import mismatch, shapes_of
from layerstudio.models.tensor_file import TensorFile
from layerstudio.pipelines.base_models import Found
from layerstudio.pipelines.needs import is_registered
from layerstudio.weights.registry import checkpoint

TITLES = {"sdxl": "SDXL", "sd15": "Stable Diffusion 1.5", "flux": "FLUX.1"}
_SD2_TEXT_WIDTH = 1024  # of OpenCLIP's ViT-H, which Stable Diffusion 2 attends to
_LDM = "model.diffusion_model."


def check_base(found: Found, family: str) -> None:
    """Raise ``InvalidRequest`` for a base of another family, ``MismatchedWeights`` for one whose
    denoiser is not what its configuration says, ``UnreadableFile`` for what is no model."""
    row = checkpoint(found.weights) if is_registered(found.weights) else None
    if row is not None and row.kind != "base":
        raise _refused(found, f"no base model ({row.title})", family)
    if found.path.is_file():
        shapes = TensorFile(found.path).shapes if found.path.suffix == ".safetensors" else {}
        actual = _family_of_file(shapes)
    else:
        actual = _family_of_folder(found.path)
    if actual != family:
        raise _refused(found, TITLES.get(actual, actual), family)
    if found.path.is_dir():
        _check_denoiser(found)


def _refused(found: Found, what: str, family: str) -> InvalidRequest:
    return InvalidRequest(
        f"The base model {found.weights!r} is {what}, and this method builds on {TITLES[family]}.",
        advice="Choose another base, or the method that belongs to it.",
    )


def _family_of_file(shapes: Shapes) -> str:
    """A family's id, or a noun phrase for what else it is."""
    if f"{_LDM}label_emb.0.0.weight" in shapes:
        return "sdxl"
    if f"{_LDM}input_blocks.0.0.weight" in shapes:
        key = f"{_LDM}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
        is_second = shapes.get(key, (0, 0))[1] == _SD2_TEXT_WIDTH
        return "Stable Diffusion 2" if is_second else "sd15"
    return kind_of(shapes) or "a file that is no single-file checkpoint"


def _family_of_folder(folder: Path) -> str:
    """By the class of pipeline that the folder was saved from."""
    index = _json(folder / "model_index.json")
    name = str(index.get("_class_name", ""))
    if "Flux" in name:
        return "flux"
    if "StableDiffusionXL" in name:
        whole = index.get("text_encoder", [None])[0] is not None
        return "sdxl" if whole else "the refiner of SDXL"
    if name.startswith("StableDiffusion") and not name.startswith("StableDiffusion3"):
        width = _json(folder / "unet/config.json").get("cross_attention_dim")
        return "Stable Diffusion 2" if width == _SD2_TEXT_WIDTH else "sd15"
    return f"a {name or 'model without a pipeline class'}"


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(
            f"{str(path)!r} could not be read, which a base model in a folder has.",
            advice="Give the folder that diffusers saved, or a single .safetensors file.",
        ) from error
    if not isinstance(found, dict):
        raise UnreadableFile(f"{str(path)!r} is not a model's configuration.")
    return found


def _check_denoiser(found: Found) -> None:
    """Diffusers fills missing tensors with random numbers and says so in a log line only."""
    name = "unet" if (found.path / "unet").is_dir() else "transformer"
    kind: Any = UNet2DConditionModel if name == "unet" else FluxTransformer2DModel
    suffix = f".{found.variant}" if found.variant else ""
    stored: dict[str, tuple[int, ...]] = {}
    for path in sorted((found.path / name).glob(f"*{suffix}*.safetensors")):
        if suffix or ".fp16." not in path.name:
            stored |= TensorFile(path).shapes
    with torch.device("meta"):
        network = kind.from_config(_json(found.path / name / "config.json"))
    expected = shapes_of(network.state_dict())
    if stored != expected:
        raise mismatch(f"{name} of {found.weights!r}", expected, stored)
