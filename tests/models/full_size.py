"""The published networks at full size, for the meta device only: shapes without memory."""

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel, UNet2DConditionModel
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from benchmarks.sdxl_steps import SD_VAE, SDXL_UNET

SD15_UNET = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
FLUX = {
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
}
CLIP_L = CLIPTextConfig(
    hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
)
CLIP_G = CLIPTextConfig(
    hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
    projection_dim=1280, hidden_act="gelu",
)  # fmt: skip
T5_XXL = T5Config(
    d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64,
    feed_forward_proj="gated-gelu",
)  # fmt: skip


def network(name: str) -> nn.Module:
    """One of the published networks on the meta device, in half precision."""
    makers = {
        "sdxl": lambda: UNet2DConditionModel(**SDXL_UNET),
        "sd15": lambda: UNet2DConditionModel(**SD15_UNET),
        "flux": lambda: FluxTransformer2DModel(**FLUX),
        "vae": lambda: AutoencoderKL(**SD_VAE),
        "vae16": lambda: AutoencoderKL(
            **SD_VAE, latent_channels=16, use_quant_conv=False, use_post_quant_conv=False
        ),
        "clip-l": lambda: CLIPTextModel(CLIP_L),
        "clip-g": lambda: CLIPTextModelWithProjection(CLIP_G),
        "t5": lambda: T5EncoderModel(T5_XXL),
    }
    with torch.device("meta"):
        return makers[name]().to(torch.bfloat16).eval()
