"""Prompts and captions as what the transformer reads."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from torch import Tensor

from layerstudio.errors import MissingWeights
from layerstudio.pipelines.multilayer.sampling import Text

_KEPT = 4096  # prompts held in memory


class Reader(Protocol):
    """``width`` of a token and of the pooled vector: joint_attention_dim, pooled_projection_dim."""

    widths: tuple[int, int]

    def read(self, prompt: str) -> Text:
        """In float32 on the CPU."""
        ...


class FluxReader:
    """CLIP and T5 of a FLUX checkpoint in diffusers' layout.

    Read texts stay in memory (bfloat16), so that each is encoded once a run.
    """

    def __init__(self, folder: Path, device: torch.device, length: int = 512) -> None:
        """Raises ``MissingWeights`` where the folder is not such a checkpoint."""
        if not (folder / "text_encoder_2").is_dir():
            raise MissingWeights(
                f"{str(folder)!r} holds no FLUX text encoders.",
                advice="Give a FLUX.1 checkpoint in diffusers' layout as base.",
            )
        pipeline: Any = FluxPipeline.from_pretrained(
            folder, transformer=None, vae=None, dtype=torch.bfloat16
        )
        self._pipeline = pipeline.to(device)
        self._length = length
        configs = pipeline.text_encoder_2.config, pipeline.text_encoder.config
        self.widths = configs[0].d_model, configs[1].hidden_size
        self._read = lru_cache(_KEPT)(self._encoded)

    def read(self, prompt: str) -> Text:
        text = self._read(prompt)
        return Text(text.tokens.float(), text.pooled.float())

    @torch.no_grad()
    def _encoded(self, prompt: str) -> Text:
        tokens, pooled, _ = self._pipeline.encode_prompt(
            prompt, None, device=self._pipeline.device, max_sequence_length=self._length
        )
        return Text(tokens.to("cpu", torch.bfloat16), pooled.to("cpu", torch.bfloat16))


class HashedWords:
    """For runs without any checkpoint: every word a fixed random vector drawn from its hash.

    It understands nothing: prompts that share words look alike, and that is all. A word's place
    in the prompt is added as sines and cosines; the pooled vector is the normalised sum.
    """

    def __init__(self, width: int = 64, longest: int = 24) -> None:
        self.widths = width, width
        self._longest = longest

    def read(self, prompt: str) -> Text:
        """The empty prompt is one token of zeros."""
        words = prompt.lower().split()
        if not words:
            return Text(torch.zeros(1, 1, self.widths[0]), torch.zeros(1, self.widths[1]))
        vectors = torch.stack([self._vector(word) for word in words])
        pooled = vectors.sum(0, keepdim=True) / math.sqrt(len(words))
        kept = vectors[: self._longest]
        return Text((kept + self._places(len(kept)))[None], pooled)

    def _vector(self, word: str) -> Tensor:
        generator = torch.Generator().manual_seed(crc32(word.encode()))
        return torch.randn(self.widths[0], generator=generator)

    def _places(self, count: int) -> Tensor:
        """(count, width): the sines and cosines of Vaswani et al. 2017, section 3.5."""
        half = self.widths[0] // 2
        speeds = 10_000 ** (-torch.arange(half) / half)
        angles = torch.arange(count)[:, None] * speeds
        return torch.cat([angles.sin(), angles.cos()], dim=1)
