"""Toy SD 1.5 with attention sharing, for the tests of its pipeline."""

from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler
from tiny_layerdiffuse import FILES

from layerstudio.pipelines.layerdiffuse.sd15 import LayerDiffuseSD15Pipeline

WEIGHTS = {"fg": "transparent_attn", "joint": "joint", "fg2bg": "fg2bg", "bg2fg": "bg2fg"}
STATES = {mode: FILES[f"layer_sd15_{name}.safetensors"]() for mode, name in WEIGHTS.items()}
for mode in ("fg2bg", "bg2fg"):  # as they are, toys of so many layers hardly see the condition
    STATES[mode] = {
        key: value * 3 if "kwargs_encoder" in key and value.ndim > 1 else value
        for key, value in STATES[mode].items()
    }
DECODER = FILES["layer_sd15_vae_transparent_decoder.safetensors"]()
QUICK = {"num_inference_steps": 2, "augment": 1, "height": 64, "width": 64}


def opened(folder: Path) -> LayerDiffuseSD15Pipeline:
    pipeline = LayerDiffuseSD15Pipeline.from_pretrained(folder)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def seeds(*values: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(value) for value in values]


def latents_of(pipeline, *args, **options) -> torch.Tensor:
    return pipeline(*args, **{**QUICK, "output_type": "latent", **options}).latents


def picture(seed: int, height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, 4), np.float32)
