"""Passes of the transparency decoder over a picture turned and mirrored, and their median.

LayerDiffuse decodes all eight orientations of the square and takes the median of each value
(published code; torch's, the lower of the two in the middle). Fewer passes are faster and less
exact; ``benchmarks/transparent_decoder.py`` measures by how much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import torch
from torch import Tensor

from layerstudio.machine import free_memory
from layerstudio.models.sizes import TRANSPARENCY_VALUES
from layerstudio.models.transparent_networks import TransparencyDecoder

Augment = Literal[1, 2, 4, 8]

# A batch may take this share of what is free: allocators leave gaps.
_SHARE_OF_FREE = 0.7


@dataclass(frozen=True)
class Orientation:
    """Mirrored left to right if ``flipped``, then turned counter-clockwise; of (B, C, H, W)."""

    flipped: bool
    quarter_turns: int

    def apply(self, x: Tensor) -> Tensor:
        return (x.flip(3) if self.flipped else x).rot90(self.quarter_turns, (2, 3))

    def undo(self, x: Tensor) -> Tensor:
        x = x.rot90(-self.quarter_turns, (2, 3))
        return x.flip(3) if self.flipped else x

    @property
    def is_upright(self) -> bool:
        """Width stays width."""
        return self.quarter_turns % 2 == 0


_ALL = tuple(Orientation(flipped, turns) for flipped in (False, True) for turns in range(4))
# Of all 70 quartets the four turns (or their mirror images) came nearest to all eight, of all 28
# pairs those half a turn apart (`python -m benchmarks.transparent_decoder --subsets`).
ORIENTATIONS: dict[Augment, tuple[Orientation, ...]] = {
    8: _ALL,
    4: _ALL[:4],
    2: (_ALL[0], _ALL[2]),
    1: _ALL[:1],
}


def augmented(
    decoder: TransparencyDecoder,
    pixels: Tensor,
    latents: Tensor,
    augment: Augment = 8,
    *,
    at_once: int | None = None,
    done: Callable[[int], None] | None = None,
) -> Tensor:
    """Median of ``augment`` passes over one picture, in the decoder's own channel order.

    ``pixels`` (1, 3, H, W) in [0, 1] and ``latents`` (1, C, H/8, W/8) on the decoder's device and
    of its dtype. Returns (1, 4, H, W), float32, each pass clipped to [0, 1]. ``at_once`` passes
    run in one batch, by default as many as fit the device (one on a CPU, where larger batches
    fall out of the cache). ``done`` is told after each batch how many passes it held.
    """
    assert len(pixels) == len(latents) == 1, (pixels.shape, latents.shape)
    limit = at_once or passes_at_once(pixels)
    results = []
    for batch in _batches(ORIENTATIONS[augment], limit, pixels.shape[2] == pixels.shape[3]):
        turned = [_laid_out(torch.cat([o.apply(x) for o in batch])) for x in (pixels, latents)]
        rgba = decoder(*turned).float().clamp_(0, 1)
        results += [o.undo(one) for o, one in zip(batch, rgba.split(1), strict=True)]
        if done is not None:
            done(len(batch))
    return median(results)


def median(passes: Sequence[Tensor]) -> Tensor:
    """Of 1, 2, 4 or 8 tensors alike, value by value: the lower of the two in the middle.

    Of two it is their mean, since the lower one would be biased: the lower median of eight lies
    at the 4/9 quantile in expectation, that of four at 2/5, the mean of two at 1/2, the lower of
    two at 1/3. The sorting network is written out because ``torch.median`` searches
    each value's eight one by one, which takes a GPU longer than the passes themselves.
    """
    match len(passes):
        case 1:
            return passes[0]
        case 2:
            return (passes[0] + passes[1]) / 2
        case 4:
            return _sorted_four(passes)[1]
    a, b = _sorted_four(passes[:4]), _sorted_four(passes[4:])
    # The fourth smallest of two sorted fours: some i of `a` and 4 - i of `b` are below it.
    lowest = torch.minimum(a[3], b[3])
    for i in range(3):
        lowest = torch.minimum(lowest, torch.maximum(a[i], b[2 - i]))
    return lowest


def passes_at_once(pixels: Tensor) -> int:
    """How many passes over ``pixels`` (1, 3, H, W) run fastest in one batch, within free memory."""
    if pixels.device.type != "cuda":
        return 1
    needed = pixels[0, 0].numel() * TRANSPARENCY_VALUES * pixels.element_size()
    free = free_bytes(pixels.device)
    return max(1, int(_SHARE_OF_FREE * free / needed)) if free is not None else 1


def free_bytes(device: torch.device) -> int | None:
    """What tensors can still take on a device; None if it does not say."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return free_memory()


def _batches(
    orientations: Sequence[Orientation], limit: int, is_square: bool
) -> Iterator[list[Orientation]]:
    """Only orientations of the same shape can share a batch; in a square all have the same."""
    upright_first = sorted(orientations, key=lambda o: not o.is_upright)
    for _, group in groupby(upright_first, key=lambda o: is_square or o.is_upright):
        alike = list(group)
        for start in range(0, len(alike), limit):
            yield alike[start : start + limit]


def _laid_out(x: Tensor) -> Tensor:
    """Channels last on a CPU, where convolutions are 1.5 times as fast so."""
    on_cpu = x.device.type == "cpu"
    return x.contiguous(memory_format=torch.channels_last if on_cpu else torch.contiguous_format)


def _sorted_four(values: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each value's four in ascending order: Batcher's merge exchange (Knuth vol. 3, 5.2.2 M)."""
    a, b, c, d = values
    a, b = torch.minimum(a, b), torch.maximum(a, b)
    c, d = torch.minimum(c, d), torch.maximum(c, d)
    a, c = torch.minimum(a, c), torch.maximum(a, c)
    b, d = torch.minimum(b, d), torch.maximum(b, d)
    b, c = torch.minimum(b, c), torch.maximum(b, c)
    return a, b, c, d
