"""Seconds and memory of the networks that matte and fill, and what deformable sampling costs.

`python -m benchmarks.mattes [--side 1024] [--device cuda] [--dtype float16] [--quick]`

Weights are random at the published widths; the time does not depend on them. Memory is that of
activations, beside the weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks import measuring
from layerstudio.models.birefnet import BiRefNet
from layerstudio.models.deformable import deformable_convolution, has_operator, sampled_convolution
from layerstudio.models.lama import BIG_LAMA, Lama, LamaSize
from layerstudio.models.lama_inpaint import inpaint
from layerstudio.models.swin import SWIN_L, SWIN_T, SwinSize

_QUICK_SWIN = SwinSize(8, (2, 2, 2, 2), (1, 2, 2, 4), 3)
_QUICK_LAMA = LamaSize(8, 3, 2, 16)
_CHANNELS, _OUT = 64, 256  # of the decoder's deformable convolutions
_HOLES = 12  # words on a picture
_MIB = 2**20

Case = tuple[str, Callable[[], object]]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    device, dtype = torch.device(options.device), getattr(torch, options.dtype)
    side = 64 if options.quick else options.side
    print(f"{measuring.machine(device)}, {torch.get_num_threads()} thread(s), {options.dtype}\n")
    print(measuring.table([f"{side} x {side}", "seconds", "MiB"], []))
    for name, run in cases(side, device, dtype, quick=options.quick):
        if options.only and options.only not in name:
            continue
        taken = measuring.seconds(run, device, options.rounds)
        peak = measuring.peak_bytes(run, device) / _MIB
        print(f"| {name} | {taken:.3f} | {peak:,.0f} |", flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float16", "bfloat16"))
    parser.add_argument("--rounds", type=int, default=2, help="the fastest is reported")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--quick", action="store_true", help="toy widths: whether all of it runs")
    return parser.parse_args(arguments)


def cases(side: int, device: torch.device, dtype: torch.dtype, *, quick: bool) -> Iterator[Case]:
    """One network at a time is held."""
    shape = (1, 3, side, side)
    for name, size in (("swin-T", SWIN_T), ("swin-L", SWIN_L)):
        network = BiRefNet(_QUICK_SWIN if quick else size).eval().to(device, dtype)
        x = torch.randn(shape, device=device, dtype=dtype)
        yield f"BiRefNet {name}", lambda network=network, x=x: network(x)
    lama = Lama(_QUICK_LAMA if quick else BIG_LAMA).eval().to(device, dtype)
    picture, mask = page(side)
    yield "LaMa, words, whole picture", lambda: inpaint(lama, picture, mask, parity=True)
    yield "LaMa, words, their own boxes", lambda: inpaint(lama, picture, mask)
    yield from sampling(side // 4, device)


def sampling(side: int, device: torch.device) -> Iterator[Case]:
    """The largest deformable convolution of BiRefNet's decoder, 7 x 7 at a quarter of the side."""
    x = torch.randn(1, _CHANNELS, side, side, device=device)
    offset = torch.randn(1, 2 * 49, side, side, device=device)
    modulation = torch.rand(1, 49, side, side, device=device) * 2
    weight = torch.randn(_OUT, _CHANNELS, 7, 7, device=device) / (49 * _CHANNELS) ** 0.5
    tensors: tuple[Tensor, Tensor, Tensor, Tensor] = (x, offset, modulation, weight)
    yield "deformable 7 x 7, ours", lambda: sampled_convolution(*tensors)
    if has_operator():
        yield "deformable 7 x 7, torchvision", lambda: torchvisions(*tensors)
    yield "deformable 7 x 7, as chosen", lambda: deformable_convolution(*tensors)


def torchvisions(x: Tensor, offset: Tensor, modulation: Tensor, weight: Tensor) -> Tensor:
    from torchvision.ops import deform_conv2d

    return deform_conv2d(x, offset, weight, padding=(3, 3), mask=modulation)


def page(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture, and a mask of two lines of words on it."""
    rng = np.random.default_rng(0)
    mask = np.zeros((side, side), bool)
    for index in range(_HOLES):
        x, y = (index % 6 + 0.5) * side / 7, side * (0.2 if index < 6 else 0.26)
        mask[int(y) : int(y + side / 32), int(x) : int(x + side / 9)] = True
    return rng.integers(0, 256, (side, side, 3), dtype=np.uint8), mask


if __name__ == "__main__":
    main()
