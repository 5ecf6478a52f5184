"""PixArt-Σ at toy width in its published folder: a family that no plan or preset of ours knows.

Its text encoder is T5 alone, its transformer predicts variances too, and its pipeline calls back in
diffusers' older way.
"""

from pathlib import Path

from diffusers import DPMSolverMultistepScheduler, PixArtSigmaPipeline, PixArtTransformer2DModel
from tiny_checkpoints import T5_WIDTH, seeded, tiny_t5, tiny_vae
from tiny_tokenizers import write_t5_tokenizer
from transformers import T5Tokenizer


def write_pixart(folder: Path) -> Path:
    write_t5_tokenizer(folder / "tokenizer")
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        norm_num_groups=4,
        cross_attention_dim=16,
        sample_size=16,
        caption_channels=T5_WIDTH,
        interpolation_scale=1,
    )
    pipeline = PixArtSigmaPipeline(
        tokenizer=T5Tokenizer.from_pretrained(folder / "tokenizer"),
        text_encoder=tiny_t5(),
        vae=tiny_vae("sdxl"),
        transformer=seeded(transformer, 8, 0.7),
        scheduler=DPMSolverMultistepScheduler(beta_start=0.0001, beta_end=0.02),
    )
    pipeline.save_pretrained(folder)
    return folder
