"""ART's and CLD's published files at toy width, for the toy FLUX of ``tiny_checkpoints``.

Layouts are those that their published code reads: ART's folder in diffusers' style, the pieces of
its training, CLD's ``ckpt`` folder, and the inpainting ControlNet that CLD's adapter starts from.
Every weight is drawn from a seed of its own file, so that leaving one out shows.
"""

from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxControlNetModel
from ldm_keys import State
from safetensors.torch import save_file
from tiny_checkpoints import seeded, tiny_transformer
from tiny_layerdiffuse import drawn

from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.models.multilayer_dit import MultiLayerTransformer

LAYERS = 52  # as published: 50 foregrounds, the composite and the background
RANK = 4  # 64 in the published files
LORA = "pytorch_lora_weights.safetensors"
_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj")
_TARGETS += ("to_add_out", "proj_out")
_SHARED = (
    "in_channels", "num_layers", "num_single_layers", "attention_head_dim", "num_attention_heads",
    "joint_attention_dim", "pooled_projection_dim", "guidance_embeds", "axes_dims_rope",
)  # fmt: skip


def shared_config() -> dict[str, Any]:
    """What the multi-layer networks take over from the toy FLUX."""
    config = tiny_transformer().config
    return {name: config[name] for name in _SHARED}


def layer_pe(seed: int) -> torch.Tensor:
    config = shared_config()
    width = config["attention_head_dim"] * config["num_attention_heads"]
    generator = torch.Generator().manual_seed(seed)
    return 0.5 * torch.randn(1, LAYERS, 1, 1, width, generator=generator)


def lora(network: torch.nn.Module, seed: int) -> State:
    """As diffusers saves what was trained with PEFT: no alpha, prefix ``transformer``.

    Projections of attention and the output of single blocks, as CLD's training lists them.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for key, value in network.state_dict().items():
        module = key.removesuffix(".weight")
        if value.ndim == 2 and "blocks" in module and module.endswith(_TARGETS):
            shapes[f"transformer.{module}.lora_A.weight"] = (RANK, value.shape[1])
            shapes[f"transformer.{module}.lora_B.weight"] = (value.shape[0], RANK)
    return drawn(shapes, seed, 0.5)


def decoder_state() -> State:
    return seeded(MultiLayerDecoder(64, 2), 502).state_dict()


def inpaint_controlnet() -> FluxControlNetModel:
    """Its condition has a mask: 17 channels instead of 16, in patches of four."""
    config = shared_config() | {"num_layers": 2, "num_single_layers": 1}
    control = FluxControlNetModel(**config)
    embedder = control.controlnet_x_embedder
    control.controlnet_x_embedder = torch.nn.Linear(68, embedder.out_features)
    control.register_to_config(extra_condition_channels=4)
    return seeded(control, 503, 0.5)


def art_transformer() -> MultiLayerTransformer:
    return seeded(MultiLayerTransformer(**shared_config(), max_layer_num=LAYERS), 501, 0.7)


def write_art(folder: Path, *, dtype: torch.dtype = torch.bfloat16) -> Path:
    """ART's folder in diffusers' style: ``transformer`` whole, in several files, and
    ``transp_vae``."""
    transformer = art_transformer().to(dtype)
    transformer.register_to_config(patch_size=1)
    transformer.save_pretrained(folder / "transformer", max_shard_size="80KB")
    _rename_class(folder / "transformer" / "config.json", "CustomFluxTransformer2DModel")
    decoder = folder / "transp_vae"
    decoder.mkdir(parents=True)
    save_file(decoder_state(), decoder / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    (decoder / "config.json").write_text('{"_class_name": "CustomVAE"}')
    return folder


def write_art_pieces(folder: Path) -> Path:
    """What ART's training leaves: the fused LoRA, that of the layers, vectors and decoder."""
    _write(folder / "fused" / LORA, lora(tiny_transformer(), 511))
    _write(folder / "layer" / LORA, lora(tiny_transformer(), 512))
    torch.save({"layer_pe": layer_pe(513)}, folder / "layer" / "layer_pe.pth")
    _write_decoder(folder / "transp_vae.pt")
    return folder


def write_cld(folder: Path) -> Path:
    """``ckpt`` of CLD's repository."""
    ckpt = folder / "ckpt"
    _write(ckpt / "pre_trained_LoRA" / LORA, lora(tiny_transformer(), 521))
    _write(ckpt / "prism_ft_LoRA" / LORA, lora(tiny_transformer(), 522))
    decouple = ckpt / "decouple_LoRA"
    _write(decouple / "transformer" / LORA, lora(tiny_transformer(), 523))
    _write(decouple / "adapter" / LORA, lora(inpaint_controlnet(), 524))
    torch.save({"layer_pe": layer_pe(525)}, decouple / "layer_pe.pth")
    (ckpt / "trans_vae").mkdir()
    _write_decoder(ckpt / "trans_vae" / "0008000.pt")
    return folder


def write_inpaint_controlnet(folder: Path, *, dtype: torch.dtype = torch.bfloat16) -> Path:
    """The repository of the ControlNet that CLD's adapter starts from."""
    inpaint_controlnet().to(dtype).save_pretrained(folder)
    return folder


def _write(path: Path, state: State) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, {"format": "pt"})


def _write_decoder(path: Path) -> None:
    """Trainers save their options beside the weights."""
    torch.save({"model": decoder_state(), "args": Namespace(lr=1e-4), "step": 8000}, path)


def _rename_class(path: Path, name: str) -> None:
    path.write_text(path.read_text().replace("MultiLayerTransformer", name))
