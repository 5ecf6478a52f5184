"""The toy networks of ``tiny_checkpoints`` in the other published layouts.

A single-file checkpoint as web interfaces use them, with the original names, and IP-Adapters.
Diffusers reads the first with ``from_single_file(path, config=folder)``, where ``folder`` is the
same family's toy checkpoint: only the sizes come from there, never the weights.
"""

from pathlib import Path
from typing import Any

import torch
from ldm_keys import State, ldm_unet, ldm_vae, open_clip
from safetensors.torch import save_file
from tiny_checkpoints import (
    CLIP_G_WIDTH,
    CLIP_WIDTH,
    T5_WIDTH,
    Family,
    seeded,
    tiny_clip,
    tiny_transformer,
    tiny_unet,
    tiny_vae,
)

IMAGE_WIDTH = 16  # of the toy CLIP that looks at IP-Adapter's pictures
IMAGE_TOKENS = 4


def single_file_state(family: Family) -> State:
    """UNet, VAE and text encoders of SD 1.5 or SDXL under their original names."""
    state = _prefixed("model.diffusion_model", ldm_unet(tiny_unet(family).state_dict()))
    state |= _prefixed("first_stage_model", ldm_vae(tiny_vae(family).state_dict()))
    clip = _prefixed("text_model", tiny_clip(CLIP_WIDTH).state_dict())
    if family == "sd15":
        return state | _prefixed("cond_stage_model.transformer", clip)
    big = open_clip(tiny_clip(CLIP_G_WIDTH, projected=True).state_dict())
    state |= _prefixed("conditioner.embedders.0.transformer", clip)
    return state | _prefixed("conditioner.embedders.1.model", big)


def _prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}.{key}": value for key, value in state.items()}


def write_single_file(folder: Path, family: Family, *, dtype: torch.dtype = torch.float32) -> Path:
    """One .safetensors of the whole model."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"tiny_{family}.safetensors"
    state = single_file_state(family)
    save_file({key: value.to(dtype).contiguous() for key, value in state.items()}, path)
    return path


def tiny_image_encoder() -> Any:
    """CLIP's image half, which IP-Adapter asks what a picture shows."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=IMAGE_WIDTH,
        intermediate_size=2 * IMAGE_WIDTH,
        projection_dim=IMAGE_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    return seeded(CLIPVisionModelWithProjection(config), 8)


def ip_adapter_state(family: Family) -> State:
    """The projection of the picture's embedding, and a key and value for each cross-attention.

    FLUX's has the layout of XLabs' adapters: a key and value for each double block, with biases.
    """
    generator = torch.Generator().manual_seed(500)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) / shape[-1] ** 0.5

    def projection(name: str, width: int) -> State:
        return {
            f"{name}.proj.weight": drawn(IMAGE_TOKENS * width, IMAGE_WIDTH),
            f"{name}.proj.bias": torch.zeros(IMAGE_TOKENS * width),
            f"{name}.norm.weight": torch.ones(width),
            f"{name}.norm.bias": torch.zeros(width),
        }

    if family == "flux":
        transformer = tiny_transformer()
        state = projection("ip_adapter_proj_model", T5_WIDTH)
        for index in range(transformer.config.num_layers):
            for part in ("k", "v"):
                name = f"double_blocks.{index}.processor.ip_adapter_double_stream_{part}_proj"
                state[f"{name}.weight"] = drawn(transformer.inner_dim, T5_WIDTH)
                state[f"{name}.bias"] = drawn(transformer.inner_dim)
        return state
    unet = tiny_unet(family)
    width = unet.config.cross_attention_dim
    state = projection("image_proj", width)
    crosses = (name for name in unet.attn_processors if ".attn2." in name)
    for index, name in enumerate(crosses):
        outer = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for part in ("k", "v"):
            state[f"ip_adapter.{2 * index + 1}.to_{part}_ip.weight"] = drawn(outer, width)
    return state


def write_ip_adapter(folder: Path, family: Family) -> Path:
    """The published repository's layout for SD 1.5 ("models"), SDXL with ViT-H's encoder, or FLUX.

    ``load_ip_adapter(folder, subfolder=..., weight_name=...)``; the image encoder lies in
    ``models/image_encoder`` for all of them.
    """
    names = {
        "sd15": "models/ip-adapter_sd15.safetensors",
        "sdxl": "sdxl_models/ip-adapter_sdxl_vit-h.safetensors",
        "flux": "ip_adapter.safetensors",
    }
    path = folder / names[family]
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(ip_adapter_state(family), path)
    tiny_image_encoder().save_pretrained(folder / "models/image_encoder")
    return path
