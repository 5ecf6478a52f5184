"""Seconds per step and peak memory of SDXL's UNet by attention backend, and of decoding.

    python -m benchmarks.sdxl_steps --device cuda [--side 1024] [--rounds 5] [--toy]

Networks of SDXL's published shapes with random weights, fp16 on a GPU (fp32 on a CPU); a step is
one call of the UNet on two pictures, as guidance makes it. Memory is what the call takes beside
the weights, next to what the preflight counts on. The transparency decoder runs its passes in
batches and one by one. ``--toy`` takes narrow networks at 64 pixels, to see that it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from benchmarks.measuring import machine, peak_bytes, seconds, table
from layerstudio.models.attention import Concrete, missing, use_backend
from layerstudio.models.sizes import FAMILIES, denoise_values, transparency_values, vae_values
from layerstudio.models.transparent_networks import TransparencyDecoder
from layerstudio.models.transparent_passes import Augment, augmented

SDXL_UNET: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SD_VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
TOY_UNET = SDXL_UNET | {
    "block_out_channels": (32, 64, 64),
    "layers_per_block": 1,
    "transformer_layers_per_block": (1, 1, 1),
    "attention_head_dim": (4, 8, 8),
}
TOY_VAE = SD_VAE | {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4}
TOY_DECODER = {"block_out_channels": (8, 8, 8, 8, 16, 16, 16)}
_GIB = 2**30


@dataclass(frozen=True)
class Bench:
    """Where and how large."""

    device: torch.device
    side: int
    rounds: int
    is_toy: bool

    @property
    def dtype(self) -> torch.dtype:
        return torch.float16 if self.device.type == "cuda" else torch.float32

    def made(self, network: type, settings: dict[str, Any]) -> Any:
        """A network with PyTorch's random initial weights, in its place and precision."""
        torch.manual_seed(0)
        usual = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        try:
            with self.device:
                return network(**settings).eval()
        finally:
            torch.set_default_dtype(usual)

    def random(self, *shape: int) -> Tensor:
        return torch.rand(shape, device=self.device, dtype=self.dtype)

    def row(self, name: str, run: Any, values: int) -> list[str]:
        """Seconds, peak and, since it is for full width, estimate of one call."""
        time = seconds(run, self.device, self.rounds)
        peak = peak_bytes(run, self.device) / _GIB
        estimate = "-" if self.is_toy else f"{values * self.dtype.itemsize / _GIB:.2f}"
        return [name, f"{time:.3f}", f"{peak:.2f}", estimate]


def steps(bench: Bench) -> Iterator[list[str]]:
    unet = bench.made(UNet2DConditionModel, TOY_UNET if bench.is_toy else SDXL_UNET)
    small = bench.side // 8
    latents, words = bench.random(2, 4, small, small), bench.random(2, 77, 2048)
    more = {"text_embeds": bench.random(2, 1280), "time_ids": bench.random(2, 6)}
    values = denoise_values(FAMILIES["sdxl"], bench.side, bench.side, 2)
    for backend in get_args(Concrete):
        if lack := missing(backend):
            yield [f"UNet step, {backend}", "-", "-", lack]
            continue
        use_backend(unet, backend)
        yield bench.row(
            f"UNet step, {backend}",
            lambda: unet(latents, 500, words, added_cond_kwargs=more, return_dict=False),
            values,
        )


def decodes(bench: Bench) -> Iterator[list[str]]:
    vae = bench.made(AutoencoderKL, TOY_VAE if bench.is_toy else SD_VAE)
    use_backend(vae)
    small = bench.side // 8
    latents, picture = bench.random(1, 4, small, small), bench.random(1, 3, bench.side, bench.side)
    values = vae_values(bench.side, bench.side, 1)
    yield bench.row("VAE decode", lambda: vae.decode(latents, return_dict=False), values)
    decoder = bench.made(TransparencyDecoder, TOY_DECODER if bench.is_toy else {})
    for augment in sorted(get_args(Augment), reverse=True):
        for at_once in sorted({augment, 1}, reverse=True):
            how = "in batches" if at_once > 1 else "one by one"
            yield bench.row(
                f"transparency, {augment} passes {how}",
                lambda a=augment, n=at_once: augmented(decoder, picture, latents, a, at_once=n),
                transparency_values(bench.side, bench.side, at_once),
            )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--side", type=int, help="pixels, a multiple of 64 (1024)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--toy", action="store_true")
    options = parser.parse_args(arguments)
    side = options.side or (64 if options.toy else 1024)
    bench = Bench(torch.device(options.device), side, options.rounds, options.toy)
    print(f"{machine(bench.device)}; {side} x {side}, {bench.dtype}\n")
    columns = ("what", "s", "GiB beside the weights", "GiB estimated")
    print(table(columns, [*steps(bench), *decodes(bench)]))


if __name__ == "__main__":
    main()
