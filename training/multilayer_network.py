"""The network of a run: where it begins, what of it is trained, and how that is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.lora_pipeline import FluxLoraLoaderMixin
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn

from layerstudio.errors import MismatchedWeights, MissingWeights
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from layerstudio.models.tensor_file import TensorFile
from training.multilayer_settings import Settings

# CLD's published targets; the projection out of double blocks that it also names does not exist.
LORA_TARGETS = (
    r".*\.attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"
    r"|single_transformer_blocks\.\d+\.proj_out"
)
LAYER_VECTORS = "layer_pe.safetensors"
_HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}
_INIT_DEVIATION = 0.02  # of layer_pe, in the published code


def built(settings: Settings) -> MultiLayerTransformer:
    """The transformer of the settings, ready to train: what is not trained is frozen, and in the
    run's half precision if it has one. Raises ``MissingWeights`` and ``MismatchedWeights``."""
    torch.manual_seed(settings.seed)
    network = _start(settings)
    network.register_to_config(clean_tokens=settings.picture_share + settings.layers_share > 0)
    if settings.kind == "lora":
        network.requires_grad_(False)
        network.add_adapter(
            LoraConfig(
                r=settings.rank,
                lora_alpha=settings.rank,
                init_lora_weights="gaussian",
                target_modules=LORA_TARGETS,
            )
        )
        network.layer_pe.requires_grad_(True)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if settings.checkpointing:
        network.enable_gradient_checkpointing()
    return network.train()


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def save_network(network: MultiLayerTransformer, folder: Path, kind: str) -> None:
    """``full``: a folder for ``MultiLayerTransformer.from_pretrained``. ``lora``: FLUX's LoRA file,
    which pipelines load, and ``layer_pe`` beside it; ``apply_lora`` takes both."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "full":
        network.save_pretrained(folder)
        return
    layers: dict[str, nn.Module | Tensor] = {
        key: value.float().cpu()
        for key, value in get_peft_model_state_dict(network).items()
        if "lora_" in key
    }
    FluxLoraLoaderMixin.save_lora_weights(folder, transformer_lora_layers=layers)
    vectors = {"layer_pe": network.layer_pe.detach().float().cpu()}
    # What is converted or loaded with them has to know whether given layers may be clean.
    told = {"clean_tokens": str(network.config["clean_tokens"]).lower()}
    save_file(vectors, folder / LAYER_VECTORS, metadata=told)


def apply_lora(pipeline: Any, folder: Path) -> None:
    """A trained LoRA and its layer vectors into a ``MultiLayerPipeline``."""
    pipeline.load_lora_weights(folder)
    stored = TensorFile(folder / LAYER_VECTORS)
    vectors = stored["layer_pe"]
    own: nn.Parameter = pipeline.transformer.layer_pe
    if vectors.shape != own.shape:
        raise MismatchedWeights(f"layer_pe is {tuple(vectors.shape)}, not {tuple(own.shape)}.")
    own.data.copy_(vectors)
    clean = stored.metadata.get("clean_tokens") == "true"
    pipeline.transformer.register_to_config(clean_tokens=clean)


def _start(settings: Settings) -> MultiLayerTransformer:
    if settings.transformer is None and settings.base is None:
        return MultiLayerTransformer(**settings.network)
    folder = Path(settings.transformer or Path(settings.base or "") / "transformer")
    if not (folder / "config.json").is_file():
        raise MissingWeights(
            f"{str(folder)!r} holds no transformer.",
            advice="Give --transformer or --base a folder in diffusers' layout.",
        )
    # What is frozen needs no more than the precision that it runs in.
    dtype = _HALVES.get(settings.precision) if settings.kind == "lora" else None
    loaded: Any = MultiLayerTransformer.from_pretrained(
        folder, output_loading_info=True, dtype=dtype or torch.float32
    )
    network, report = loaded
    missing = set(report["missing_keys"]) - {"layer_pe"}
    if missing or report["mismatched_keys"]:
        raise MismatchedWeights(f"{str(folder)!r} lacks {len(missing)} of the network's tensors.")
    if report["missing_keys"]:  # plain FLUX; loading leaves a parameter without memory
        vectors = torch.empty(network.layer_pe.shape)
        network.layer_pe = nn.Parameter(nn.init.trunc_normal_(vectors, std=_INIT_DEVIATION))
    return network
