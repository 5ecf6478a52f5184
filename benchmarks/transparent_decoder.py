"""LayerDiffuse's transparency decoder, 8, 4, 2 passes and 1, against the published way.

`python -m benchmarks.transparent_decoder [--sides 512 1024] [--device cuda] [--dtype float16]`

The published code runs the eight orientations one by one. Weights are random at the published
widths, where passes differ more than those of a trained decoder, so that the distances from eight
passes are upper bounds. The pictures are soft-edged discs on mid grey.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from layerstudio.models import transparent_passes
from layerstudio.models.transparent_networks import TransparencyDecoder
from layerstudio.models.transparent_passes import ORIENTATIONS, Augment, Orientation, augmented

T = TypeVar("T")
Scene = tuple[Tensor, Tensor, Tensor]  # pixels, latents, and where alpha is partial (H, W)

LEVELS: tuple[Augment, ...] = (8, 4, 2, 1)


def main() -> None:
    arguments = parse()
    device, dtype = torch.device(arguments.device), getattr(torch, arguments.dtype)
    torch.set_grad_enabled(False)
    decoder = random_decoder()
    torch.nn.Module.to(decoder, device, dtype)
    for side in arguments.sides:
        pixels, latents, soft = scene(side, side, seed=9)
        print(f"{side} x {side}, {device.type}, {arguments.dtype}")
        pixels, latents = pixels.to(device, dtype), latents.to(device, dtype)
        measure(decoder, pixels, latents, soft.to(device), arguments.repeat)
    if arguments.subsets:
        print_subsets(decoder, arguments.sides[0])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024], help="of the squares")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float16", "bfloat16"))
    parser.add_argument("--repeat", type=int, default=3, help="times; the shortest is reported")
    parser.add_argument("--subsets", action="store_true", help="errors of all sets of orientations")
    return parser.parse_args()


def measure(
    decoder: TransparencyDecoder, pixels: Tensor, latents: Tensor, soft: Tensor, repeat: int
) -> None:
    """Times and errors; all ways take turns, so that a busy machine slows each of them alike."""
    one = pixels.contiguous(memory_format=torch.channels_last)
    ways: dict[str, Callable[[], Tensor]] = {
        "published": lambda: one_by_one(decoder, pixels, latents),
        **{str(n): lambda n=n: augmented(decoder, pixels, latents, n) for n in LEVELS},
        "1, channels last": lambda: decoder(one, latents).float().clamp(0, 1),
    }
    seconds = {name: float("inf") for name in ways}
    results = {}
    for _, (name, way) in itertools.product(range(repeat), ways.items()):
        results[name], taken = timed(way, pixels.device)
        seconds[name] = min(seconds[name], taken)
    peak = memory_peak(ways["8"], pixels.device)
    eight = results["8"]
    print(f"  8 passes as published: {seconds['published']:.2f} s")
    print(f"  largest difference of our 8: {(eight - results['published']).abs().max():.1e}{peak}")
    for name in [*map(str, LEVELS), "1, channels last"]:
        ratio = f"{seconds['published'] / seconds[name]:.1f} times as fast as published"
        faster = f"{seconds['8'] / seconds[name]:.1f} as our 8"
        print(f"  {name:>16}: {seconds[name]:.2f} s, {ratio}, {faster}")
    for name in map(str, LEVELS[1:]):
        off = 255 * (results[name] - eight).abs()
        edges = off[:, 0][:, soft].mean()
        print(
            f"  {name:>16}: from 8, in 1/255: alpha {off[:, 0].mean():.2f}"
            f" (soft edges {edges:.2f}), colour {off[:, 1:].mean():.2f}"
        )


def one_by_one(decoder: TransparencyDecoder, pixels: Tensor, latents: Tensor) -> Tensor:
    """The published way, written down plainly."""
    passes = []
    for orientation in ORIENTATIONS[8]:
        turned = (orientation.apply(x).contiguous() for x in (pixels, latents))
        passes.append(orientation.undo(decoder(*turned).float().clamp(0, 1)))
    return torch.stack(passes).median(0).values


def print_subsets(decoder: TransparencyDecoder, side: int) -> None:
    """How far the median of each set of orientations is from that of all eight."""
    weight = next(decoder.parameters())
    scenes = [[x.to(weight) for x in scene(side, side, seed)] for seed in (21, 22)]
    passes = [[run(decoder, o, p, z) for o in ORIENTATIONS[8]] for p, z, _ in scenes]
    for count in (4, 2):
        rows = []
        for chosen in itertools.combinations(range(8), count):
            distances = [
                (
                    transparent_passes.median([one[i] for i in chosen])
                    - transparent_passes.median(one)
                )
                for one in passes
            ]
            rows.append((255 * float(torch.stack(distances).abs().mean()), chosen))
        print(f"{count} of 8 orientations (0..3 turned, 4..7 mirrored and turned), /255:")
        for error, chosen in [*sorted(rows)[:8], *sorted(rows)[-3:]]:
            print(f"  {error:.3f}  {chosen}")


def run(decoder: TransparencyDecoder, o: Orientation, pixels: Tensor, latents: Tensor) -> Tensor:
    return o.undo(decoder(o.apply(pixels), o.apply(latents)).float().clamp(0, 1))


def timed(work: Callable[[], T], device: torch.device) -> tuple[T, float]:
    synchronise(device)
    start = time.perf_counter()
    result = work()
    synchronise(device)
    return result, time.perf_counter() - start


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory_peak(work: Callable[[], object], device: torch.device) -> str:
    if device.type != "cuda":
        return ""
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return f", peak {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB"


def random_decoder() -> TransparencyDecoder:
    """Published widths; answers around the middle of [0, 1], so that little is clipped."""
    generator = torch.Generator().manual_seed(0)
    decoder = TransparencyDecoder().eval()
    for name, value in decoder.named_parameters():
        if value.ndim > 1:
            gain = 0.2 if name == "conv_out.weight" else 0.8
            value.normal_(std=gain / value[0].numel() ** 0.5, generator=generator)
    decoder.get_parameter("conv_out.bias").fill_(0.5)
    return decoder


def scene(height: int, width: int, seed: int) -> Scene:
    """Soft discs of changing colour, as the VAE shows them, and stand-ins for their latents."""
    rng = np.random.default_rng(seed)
    alpha = np.zeros((height, width), np.float32)
    for _ in range(12):
        centre = (rng.random(2) * (width, height)).astype(int).tolist()
        disc = np.zeros_like(alpha)
        cv2.circle(disc, centre, int(rng.uniform(0.03, 0.2) * width), rng.uniform(0.4, 1), -1)
        alpha = np.maximum(alpha, cv2.GaussianBlur(disc, (0, 0), rng.uniform(1, 8)))
    coarse = rng.random((5, 5, 3)).astype(np.float32)
    colour = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    argb = torch.from_numpy(np.dstack([alpha, colour]).transpose(2, 0, 1))[None]
    pixels = (0.5 + (argb[:, 1:] - 0.5) * argb[:, :1]).contiguous()
    latents = torch.nn.functional.avg_pool2d(argb, 8) * 2 - 1
    return pixels, latents, torch.from_numpy((alpha > 0.02) & (alpha < 0.98))


if __name__ == "__main__":
    main()
