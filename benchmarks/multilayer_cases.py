"""What the multi-layer benchmark runs: documents by their boxes, and networks of random weights."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from layerstudio.geometry import Bounds, Extent
from layerstudio.models.multilayer_dit import Conditions, MultiLayerTransformer
from layerstudio.models.packing import Packing
from layerstudio.models.regions import Regions

SIDE = 64  # tokens of a canvas of 1024 pixels, latent pixels of one of 512
TEXT_TOKENS = 512  # published: T5's, padded
FLUX = {"num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128}
FLUX_WIDTH = 3072
_TOKEN = 64
_AXES = {64: (16, 24, 24), 128: (16, 56, 56)}


@dataclass(frozen=True)
class Boxes:
    """``count`` foregrounds of ``width`` x ``height`` tokens on a canvas of ``side`` squared.

    ``framed`` adds ART's own first two layers, composite and background, which fill the canvas.
    ``full`` lets every layer fill it: what attention over layers without boxes computes.
    """

    count: int
    width: int
    height: int
    framed: bool = True
    full: bool = False
    side: int = SIDE

    @property
    def regions(self) -> Regions:
        draw = random.Random(0)
        whole = Bounds(0, 0, self.side, self.side)
        boxes = [whole] * (2 if self.framed else 0)
        for _ in range(self.count):
            x = draw.randint(0, self.side - self.width)
            y = draw.randint(0, self.side - self.height)
            boxes.append(whole if self.full else Bounds(x, y, self.width, self.height))
        return Regions(Extent(self.side, self.side), tuple(boxes))

    @property
    def share(self) -> float:
        """Of the canvas, for one foreground."""
        return self.width * self.height / self.side**2


@dataclass(frozen=True)
class Shape:
    """Width and depth of the transformer."""

    width: int = 64
    double: int = 1
    single: int = 1

    def build(self, device: torch.device, dtype: torch.dtype) -> MultiLayerTransformer:
        """Filled on the device, so that building it costs no more than it keeps."""
        head = 64 if self.width < FLUX_WIDTH else FLUX["attention_head_dim"]
        large = self.width == FLUX_WIDTH
        with torch.device("meta"):
            network = MultiLayerTransformer(
                num_layers=self.double,
                num_single_layers=self.single,
                attention_head_dim=head,
                num_attention_heads=self.width // head,
                joint_attention_dim=4096 if large else self.width,
                pooled_projection_dim=768 if large else 32,
                axes_dims_rope=_AXES[head],
            )
        return filled(network, device, dtype)


FLUX_SHAPE = Shape(FLUX_WIDTH, FLUX["num_layers"], FLUX["num_single_layers"])


def filled(network: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """From the meta device: normal weights from one seed, norms at one."""
    network = nn.Module.to(network, dtype).to_empty(device=device).eval().requires_grad_(False)
    if device.type == "meta":
        return network
    generator = torch.Generator(device).manual_seed(0)
    for name, value in network.named_parameters():
        if value.ndim > 1:
            value.normal_(0, value[0].numel() ** -0.5, generator=generator)
        else:
            value.fill_(1.0 if name.endswith("weight") else 0.0)
    return network


def forward(network: MultiLayerTransformer, documents: Sequence[Regions]) -> Callable[[], Tensor]:
    """One pass over the documents' tokens, whose places are made beforehand, as once per run."""
    packing = network.pack(documents, [TEXT_TOKENS] * len(documents))
    return passes(network, packing, drawn(network, packing))


def passes(
    network: MultiLayerTransformer, packing: Packing, given: tuple[Tensor, Conditions]
) -> Callable[[], Tensor]:
    return lambda: network(given[0], packing, given[1])


def drawn(network: MultiLayerTransformer, packing: Packing) -> tuple[Tensor, Conditions]:
    """Noise and conditions for all documents of a packing."""
    generator = torch.Generator().manual_seed(1)
    count = len(packing.text_lengths)

    def normal(*shape: int) -> Tensor:
        values = torch.randn(*shape, generator=generator)
        return values.to(network.device, network.dtype)

    config = network.config
    conditions = Conditions(
        normal(1, sum(packing.text_lengths), config["joint_attention_dim"]),
        normal(count, config["pooled_projection_dim"]),
        torch.linspace(0.9, 0.3, count).to(network.device),
        torch.full((count,), 3.5).to(network.device),
    )
    return normal(1, sum(packing.image_lengths), _TOKEN), conditions


def work(shape: Shape, tokens: int) -> float:
    """Multiplications and additions of one pass's blocks: 2 for each weight and token, and
    4 N² d for each attention over N tokens."""
    rows = TEXT_TOKENS + tokens
    attended = 4 * rows**2 * shape.width * (shape.double + shape.single)
    return 2 * _weights_met(shape) * rows + attended


@functools.cache
def _weights_met(shape: Shape) -> float:
    """By each token: in a double block, text and image meet half of the weights each."""
    network = shape.build(torch.device("meta"), torch.bfloat16)
    doubles = sum(_matrices(block) for block in network.transformer_blocks)
    return doubles / 2 + sum(_matrices(block) for block in network.single_transformer_blocks)


def _matrices(block: nn.Module) -> int:
    """Weights that every token meets; those that make the modulation are met once."""
    found = block.named_parameters()
    return sum(value.numel() for name, value in found if value.ndim == 2 and "norm" not in name)
