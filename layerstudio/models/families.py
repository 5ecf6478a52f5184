"""Which family of models a base is of, told before anything of it is loaded.

Folders of diffusers are known by their configuration, single files by the names and shapes in a
safetensors header. Pickled files, which would have to be read whole, are not looked into.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerstudio.errors import UnreadableFile
from layerstudio.models.checkpoint_kinds import Shapes, kind_of
from layerstudio.models.sizes import Family
from layerstudio.models.tensor_file import TensorFile

TITLES: dict[Family, str] = {"sdxl": "SDXL", "sd15": "SD 1.5", "flux": "FLUX"}

_LATENT_CHANNELS = {"sdxl": 4, "sd15": 4, "flux": 64}
_FLUX = "FluxTransformer2DModel"
_UNET = "UNet2DConditionModel"


@dataclass(frozen=True)
class Recognised:
    """``family`` is None for what belongs to none of them; ``title`` is for a sentence."""

    family: Family | None
    title: str


def recognise(path: Path) -> Recognised | None:
    """A diffusers folder (of a pipeline or of its network), or a single-file checkpoint.

    None where there is nothing to tell it by; ``UnreadableFile`` where that is broken.
    """
    if path.is_dir():
        places = (path / name / "config.json" for name in ("unet", "transformer", "."))
        config = next((place for place in places if place.is_file()), None)
        return _by_config(_read_config(config)) if config else None
    return _by_shapes(TensorFile(path).shapes) if path.suffix == ".safetensors" else None


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{str(path)!r} is not a sound configuration.") from error
    if not isinstance(config, dict):
        raise UnreadableFile(f"{str(path)!r} is not a sound configuration.")
    return config


def _by_config(config: Mapping[str, Any]) -> Recognised | None:
    """Class names are those that published folders were saved under, ours derive from them."""
    name = config.get("_class_name")
    if name == _FLUX:
        return _with_channels("flux", config.get("in_channels", 64))
    if name != _UNET:
        return Recognised(None, f"a model of another kind ({name})") if name else None
    blocks = config.get("down_block_types") or ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    attentive = [block == "CrossAttnDownBlock2D" for block in blocks]
    linear = bool(config.get("use_linear_projection"))
    sized = config.get("addition_embed_type") == "text_time"
    return _unet(attentive, linear, sized, config.get("in_channels", 4))


def _by_shapes(shapes: Shapes) -> Recognised | None:
    shapes = {key.removeprefix("model.diffusion_model."): shape for key, shape in shapes.items()}
    if "double_blocks.0.img_attn.qkv.weight" in shapes and "img_in.weight" in shapes:
        return _with_channels("flux", shapes["img_in.weight"][1])
    first = shapes.get("input_blocks.0.0.weight")
    if first is None or len(first) < 2:
        kind = kind_of(shapes)
        return Recognised(None, kind) if kind else None
    # Of each three blocks on the way down, the first is a level's first residual layer.
    levels = [
        number
        for number in range(1, 13, 3)
        if f"input_blocks.{number}.0.in_layers.0.weight" in shapes
    ]
    attentive = [f"input_blocks.{number}.1.proj_in.weight" in shapes for number in levels]
    projections = (f"input_blocks.{number}.1.proj_in.weight" for number in levels)
    linear = any(len(shapes.get(key, ())) == 2 for key in projections)
    return _unet(attentive, linear, "label_emb.0.0.weight" in shapes, first[1])


def _unet(attentive: list[bool], linear: bool, sized: bool, channels: int) -> Recognised:
    """By the levels that attend to the text, the form of projections, and SDXL's embedded sizes."""
    if sized and attentive == [False, True, True]:
        return _with_channels("sdxl", channels)
    if not sized and attentive == [True, True, True, False]:
        return Recognised(None, "SD 2") if linear else _with_channels("sd15", channels)
    if sized and attentive == [False, True, True, False]:
        return Recognised(None, "the refiner of SDXL")
    return Recognised(None, "a UNet of no family that is known here")


def _with_channels(family: Family, channels: int) -> Recognised:
    """Variants for inpainting or control take more than the noisy latents."""
    if channels != _LATENT_CHANNELS[family]:
        return Recognised(None, f"a variant of {TITLES[family]} with {channels} input channels")
    return Recognised(family, TITLES[family])
