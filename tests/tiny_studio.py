"""A model of ``studio`` at toy size with random weights, as a file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from layerstudio.models.studio_codec import StudioCodec
from layerstudio.models.studio_network import StudioNetwork, StudioSize
from layerstudio.pipelines.studio.model import StudioModel, Vocabulary, written

THINGS = {"balloon": ("red", "blue"), "dog": ("brown",), "tree": ("green",), "orange": ("orange",)}
GROUNDS = {"plain": True, "gradient": True, "glow": True, "rays": True, "stripes": True,
           "dots": True, "meadow": False, "night": False}  # fmt: skip


def tiny_studio() -> StudioModel:
    vocabulary = Vocabulary.of(THINGS, GROUNDS)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        codec = StudioCodec(channels=4, width=4, blocks=1)
        codec.fit(torch.rand(6, 4, 32, 32) * 2 - 1)
        size = StudioSize(
            words=len(vocabulary.words), channels=4, text_width=8, head_dim=12, heads=2,
            double_blocks=1, single_blocks=1, axes=(4, 4, 4),
        )  # fmt: skip
        network = StudioNetwork(size)
        for parameter in network.parameters():  # blocks that start silent would hide mistakes
            torch.nn.init.normal_(parameter, std=0.05)
    return StudioModel(codec.eval(), network.eval(), vocabulary)


def tiny_studio_file(folder: Path) -> Path:
    tensors, header = written(tiny_studio(), {"recipe": "a test"})
    path = folder / "studio.safetensors"
    save_file(tensors, path, metadata=header)
    return path
