"""Qwen-Image-Layered: what each stage holds at the published size, and seconds at toy size.

Run ``python -m benchmarks.qwen_layered`` (some three minutes on two quiet cores), ``--quick`` for a
smoke test. Sizes are counted on the meta device, where a network of the published shape takes no
memory; seconds are of networks a few hundred times smaller, of use beside each other only.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from torch import Tensor, nn

from benchmarks.measuring import machine, peak_bytes, seconds, table
from layerstudio.document import Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.memory import activation_peak, parameter_count
from layerstudio.ops.exact import make_exact
from layerstudio.picture import Picture
from layerstudio.pipelines.enlarging import at_full_size, snapped
from layerstudio.pipelines.qwen_layered.decoding import decode_layers
from layerstudio.pipelines.qwen_layered.guidance import shapes_of
from layerstudio.pipelines.qwen_layered.quantising import to_4bit, to_float8

Row = list[str]
CPU = torch.device("cpu")
HALF = torch.bfloat16
_TEXT = 512  # tokens
_WIDTH = 3584  # of the text encoder's


def transformer(blocks: int, heads: int, width: int) -> QwenImageTransformer2DModel:
    return QwenImageTransformer2DModel(
        num_layers=blocks, num_attention_heads=heads, joint_attention_dim=width,
        use_additional_t_cond=True, use_layer3d_rope=True,
    ).eval()  # fmt: skip


def autoencoder(width: int = 96) -> AutoencoderKLQwenImage:
    return AutoencoderKLQwenImage(base_dim=width, input_channels=4).eval()


def forward(
    network: QwenImageTransformer2DModel, layers: int, side: int, width: int, like: dict[str, Any]
) -> Callable[[], Any]:
    """One pass for one picture with its condition."""
    grid = side // 16
    tokens = (layers + 2) * grid * grid
    hidden = torch.zeros(1, tokens, 64, **like)
    text = torch.zeros(1, _TEXT, width, **like)
    return lambda: network(
        hidden_states=hidden,
        timestep=torch.ones(1, **like),
        encoder_hidden_states=text,
        img_shapes=shapes_of(1, layers, (grid, grid)),
        additional_t_cond=torch.zeros(1, dtype=torch.long, device=like["device"]),
        return_dict=False,
    )


def published_sizes(quick: bool) -> Iterator[Row]:
    """Parameters, and values held at the peak."""
    like = {"device": "meta", "dtype": HALF}
    with torch.device("meta"):
        network: Any = transformer(2 if quick else 60, 24, _WIDTH)
        vae: Any = autoencoder()
    network, vae = network.to(HALF), vae.to(HALF)
    yield ["transformer", f"{parameter_count(network):,} parameters", ""]
    for layers, side in ((4, 640), (10, 640), (20, 640), (4, 1024)):
        peak = activation_peak(forward(network, layers, side, _WIDTH, like))
        count = (layers + 2) * (side // 16) ** 2 + _TEXT
        name = f"a pass, {layers} layers at {side}"
        yield [name, _gib(peak), f"{peak / 2 / count:,.0f} values a token of {count:,}"]
    yield ["autoencoder", f"{parameter_count(vae):,} parameters", ""]
    for side in (640, 1024):
        for layers in (1, 10):
            latents = torch.zeros(layers, 16, 1, side // 8, side // 8, **like)
            peak = activation_peak(lambda latents=latents: vae.decode(latents))
            name = f"decoding {layers} of {side} at once"
            yield [name, _gib(peak), f"{peak / 2 / layers / side**2:,.0f} values a pixel"]


def decoding_in_parts(quick: bool, rounds: int) -> Iterator[Row]:
    """Ten layers, one by one and in one batch: seconds, the counted peak, the difference."""
    vae = autoencoder(8 if quick else 16)
    side = 8 if quick else 32
    latents = torch.randn(10, 16, 1, side, side, generator=torch.Generator().manual_seed(0))
    ways = {at_once: lambda at_once=at_once: _decoded(vae, latents, at_once) for at_once in (1, 10)}
    results = [way() for way in ways.values()]
    for at_once, way in ways.items():
        took, peak = seconds(way, CPU, rounds), peak_bytes(way, CPU)
        yield [f"{at_once} at once, {8 * side} px", f"{took:.2f} s", _mib(peak)]
    yield ["largest difference", f"{float((results[0] - results[1]).abs().max()):.1e}", ""]


def forms_of_weights(quick: bool, rounds: int) -> Iterator[Row]:
    """A pass of a small transformer with its weights in each form."""
    ways: dict[str, Callable[[nn.Module, torch.dtype], None]] = {
        "float32": lambda network, dtype: None,
        "float8": to_float8,
        "4 bits": to_4bit,
    }
    like = {"device": "cpu", "dtype": torch.float32}
    for name, change in ways.items():
        torch.manual_seed(0)
        network = transformer(2, 4 if quick else 8, 256)
        change(network, torch.float32)
        held = sum(t.numel() * t.element_size() for t in network.parameters())
        took = seconds(forward(network, 2, 128 if quick else 256, 256, like), CPU, rounds)
        yield [name, f"{took:.2f} s", _mib(held)]


def full_size(quick: bool) -> Iterator[Row]:
    """Four layers made at 768 x 544 brought to a photograph's size and made exact."""
    extent = Extent(1500, 1050) if quick else Extent(12_000, 8_400)
    pixels = np.zeros((*extent.shape, 4), np.uint8)
    pixels[..., :3] = np.arange(extent.width, dtype=np.uint16)[None, :, None] % 251
    pixels[..., 3] = 255
    picture, working = Picture(pixels), Extent(768, 544)
    small = [_disc(working, number) for number in range(4)]
    start = time.perf_counter()
    large = [at_full_size(layer, working, picture).cropped_to_content() for layer in small]
    yield [f"4 layers to {extent}", f"{time.perf_counter() - start:.1f} s", ""]
    for name, step in (("own pixels", snapped), ("recomposition", None)):
        start = time.perf_counter()
        large = step(large, picture) if step else list(make_exact(large, picture.pixels))
        yield [name, f"{time.perf_counter() - start:.1f} s", ""]


def _disc(working: Extent, number: int) -> Layer:
    """The ground, then discs."""
    ys, xs = np.mgrid[: working.height, : working.width]
    alpha = (xs - 180 * number) ** 2 + (ys - 270) ** 2 < 120**2
    pixels = np.full((*working.shape, 4), 60 * number + 40, np.uint8)
    pixels[..., 3] = 255 if number == 0 else 255 * alpha
    return Layer(str(number), Bounds.full(working), pixels)


def _decoded(vae: Any, latents: Tensor, at_once: int) -> Tensor:
    with torch.no_grad():
        return decode_layers(vae, latents, at_once=at_once, check=lambda: None)


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f} GiB in bfloat16"


def _mib(size: float) -> str:
    return f"{size / 2**20:.0f} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    quick = parser.parse_args().quick
    rounds = 1 if quick else 3
    print(f"Qwen-Image-Layered. {machine(CPU)}\n")
    print(table(["at the published size", "", "counted"], published_sizes(quick)), "\n")
    print(table(["decoding 10 layers, toy", "", "peak"], decoding_in_parts(quick, rounds)), "\n")
    print(table(["weights, toy", "a pass", "held"], forms_of_weights(quick, rounds)), "\n")
    print(table(["at the picture's size", "", ""], full_size(quick)))


if __name__ == "__main__":
    main()
