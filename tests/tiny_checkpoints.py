"""Toy checkpoints in the published diffusers folders: real classes and layouts, random weights.

The networks keep what LayerDiffuse's files rely on: SDXL's UNet has three levels with
transformers in the last two, SD 1.5's has four with sixteen transformer blocks, every VAE
shrinks by 8. Only widths and depths are small. Weights depend on nothing but the seed.
"""

import math
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxTransformer2DModel,
    PNDMScheduler,
    UNet2DConditionModel,
)
from safetensors.torch import load_file, save_file
from tiny_tokenizers import CLIP_TOKENS, T5_TOKENS, write_clip_tokenizer, write_t5_tokenizer
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

PYTORCH = {"format": "pt"}
Family = Literal["sdxl", "sd15", "flux"]
CLIP_WIDTH, CLIP_G_WIDTH, T5_WIDTH = 16, 32, 32
SD_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
LATENTS = {
    "sdxl": {"latent_channels": 4, "scaling_factor": 0.13025},
    "sd15": {"latent_channels": 4, "scaling_factor": 0.18215},
    "flux": {
        "latent_channels": 16,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
    },
}


def seeded(module: nn.Module, seed: int, gain: float = 1.0) -> Any:
    """Fill every parameter from the seed, the zero-initialised ones too, so that each one counts.

    Matrices are normal with ``gain / sqrt(fan_in)``, norm weights near 1, biases near 0.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if value.ndim > 1:
                value.copy_(noise * gain / math.sqrt(value[0].numel()))
            else:
                value.copy_(0.1 * noise + (1.0 if name.endswith("weight") else 0.0))
    return module.eval()


def tiny_vae(family: Family) -> AutoencoderKL:
    """Four levels, so factor 8; the family's latent channels, scale and shift."""
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=64,
        force_upcast=family == "sdxl",
        **LATENTS[family],
    )
    return seeded(vae, 1)


def tiny_unet(family: Family) -> UNet2DConditionModel:
    """SDXL's or SD 1.5's topology; SDXL's ten transformer blocks per level are two here."""
    if family == "sd15":
        unet = UNet2DConditionModel(
            block_out_channels=(16, 16, 32, 32),
            attention_head_dim=8,
            cross_attention_dim=CLIP_WIDTH,
            norm_num_groups=8,
            sample_size=16,
        )
        return seeded(unet, 2, 0.7)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(1, 2, 4),
        cross_attention_dim=CLIP_WIDTH + CLIP_G_WIDTH,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + CLIP_G_WIDTH,
        norm_num_groups=4,
        sample_size=16,
    )
    return seeded(unet, 3, 0.7)


def tiny_transformer() -> FluxTransformer2DModel:
    """FLUX with two double and two single blocks, guidance embedded as in FLUX.1-dev."""
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=T5_WIDTH,
        pooled_projection_dim=CLIP_WIDTH,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6),
    )
    return seeded(transformer, 4, 0.7)


def tiny_clip(width: int, *, projected: bool = False) -> Any:
    """CLIP's text half; ``eos_token_id`` 2 as published, which means the highest id."""
    config = CLIPTextConfig(
        vocab_size=CLIP_TOKENS,
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
        hidden_act="gelu" if projected else "quick_gelu",
    )
    return seeded((CLIPTextModelWithProjection if projected else CLIPTextModel)(config), width)


def tiny_t5() -> T5EncoderModel:
    """T5's encoder."""
    config = T5Config(
        vocab_size=T5_TOKENS,
        d_model=T5_WIDTH,
        d_kv=8,
        d_ff=2 * T5_WIDTH,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return seeded(T5EncoderModel(config), 5)


def write_sdxl(
    folder: Path, *, dtype: torch.dtype = torch.float32, variant: str | None = None
) -> Path:
    """SDXL's folder; ``variant="fp16"`` names the files as half-precision uploads do."""
    from diffusers import StableDiffusionXLPipeline

    write_clip_tokenizer(folder / "tokenizer")
    write_clip_tokenizer(folder / "tokenizer_2", pad="!")
    scheduler = EulerDiscreteScheduler(**SD_BETAS, steps_offset=1, timestep_spacing="leading")
    pipeline = StableDiffusionXLPipeline(
        vae=tiny_vae("sdxl"),
        text_encoder=tiny_clip(CLIP_WIDTH),
        text_encoder_2=tiny_clip(CLIP_G_WIDTH, projected=True),
        tokenizer=_clip_tokenizer(folder / "tokenizer"),
        tokenizer_2=_clip_tokenizer(folder / "tokenizer_2"),
        unet=tiny_unet("sdxl"),
        scheduler=scheduler,
        add_watermarker=False,
    )
    return _saved(pipeline, folder, dtype, variant)


def write_sd15(
    folder: Path, *, dtype: torch.dtype = torch.float32, variant: str | None = None
) -> Path:
    """SD 1.5's folder, without the safety checker."""
    from diffusers import StableDiffusionPipeline

    write_clip_tokenizer(folder / "tokenizer")
    scheduler = PNDMScheduler(
        **SD_BETAS, steps_offset=1, skip_prk_steps=True, set_alpha_to_one=False
    )
    pipeline = StableDiffusionPipeline(
        vae=tiny_vae("sd15"),
        text_encoder=tiny_clip(CLIP_WIDTH),
        tokenizer=_clip_tokenizer(folder / "tokenizer"),
        unet=tiny_unet("sd15"),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _saved(pipeline, folder, dtype, variant)


def write_flux(folder: Path, *, dtype: torch.dtype = torch.float32) -> Path:
    """FLUX.1-dev's folder: CLIP and T5, the 16-channel VAE with its shift.

    T5 and the transformer are several files with an index, as published.
    """
    from diffusers import FluxPipeline
    from transformers import T5Tokenizer

    write_clip_tokenizer(folder / "tokenizer")
    write_t5_tokenizer(folder / "tokenizer_2")
    scheduler = FlowMatchEulerDiscreteScheduler(
        shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15
    )
    pipeline = FluxPipeline(
        scheduler=scheduler,
        vae=tiny_vae("flux"),
        text_encoder=tiny_clip(CLIP_WIDTH),
        tokenizer=_clip_tokenizer(folder / "tokenizer"),
        text_encoder_2=tiny_t5(),
        tokenizer_2=T5Tokenizer.from_pretrained(folder / "tokenizer_2"),
        transformer=tiny_transformer(),
    )
    return _saved(pipeline, folder, dtype, None, shard="80KB")


def _clip_tokenizer(folder: Path) -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder)


def _saved(
    pipeline: Any, folder: Path, dtype: torch.dtype, variant: str | None, shard: str | None = None
) -> Path:
    pipeline.to(dtype=dtype).save_pretrained(folder, variant=variant, max_shard_size=shard)
    _prefix_text_model(next((folder / "text_encoder").glob("*.safetensors")))
    return folder


def _prefix_text_model(path: Path) -> None:
    """Published CLIP files say ``text_model.``; newer transformers write CLIPTextModel without."""
    state = load_file(path)
    save_file({f"text_model.{key}": value for key, value in state.items()}, path, PYTORCH)


def write_controlnet(
    folder: Path, family: Family, *, dtype: torch.dtype = torch.float32, variant: str | None = None
) -> Path:
    """A ControlNet for the family's tiny network; its output convolutions are not zero."""
    if family == "flux":
        shape = dict(tiny_transformer().config)
        names = ("in_channels", "attention_head_dim", "num_attention_heads", "joint_attention_dim")
        names += ("pooled_projection_dim", "guidance_embeds", "axes_dims_rope", "patch_size")
        control = FluxControlNetModel(
            **{name: shape[name] for name in names}, num_layers=1, num_single_layers=1
        )
    else:
        control = ControlNetModel.from_unet(
            tiny_unet(family),
            conditioning_embedding_out_channels=(8, 8, 8, 8),
            load_weights_from_unet=False,
        )
    seeded(control, 6, 0.5).to(dtype).save_pretrained(folder, variant=variant)
    return folder


def write_taesd(folder: Path, family: Family) -> Path:
    """The tiny autoencoder of the family's latents, as previews use it."""
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
        latent_channels=LATENTS[family]["latent_channels"],
    )
    seeded(tiny, 7).save_pretrained(folder)
    return folder
