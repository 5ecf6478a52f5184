"""One prediction of the layered transformer: with its condition appended, guided and normalised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from layerstudio.pipelines.qwen_layered.words import Words

Shapes = list[list[tuple[int, int, int]]]


def shapes_of(batch: int, layers: int, grid: tuple[int, int]) -> Shapes:
    """Frames of tokens for the positions: the composite, the layers, and last the condition, all
    of one ``grid`` (rows, columns)."""
    return [[(1, *grid)] * (layers + 2)] * batch


@dataclass
class Guided:
    """The transformer with all that does not change from step to step.

    ``condition`` (b, n, 64) are the picture's tokens. Classifier-free guidance runs where there
    are ``negative`` words. ``normalised`` gives each guided token the length of the unguided one,
    as the published app does. ``check`` is asked between two passes and may raise ``Cancelled``.
    """

    transformer: Any
    condition: Tensor
    shapes: Shapes
    positive: Words
    negative: Words | None
    scale: float
    normalised: bool
    attention_kwargs: dict[str, Any] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None

    def velocity(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """(b, n, 64), of ``latents`` at a timestep of 0 to 1000."""
        wanted = self._predicted(latents, timestep, self.positive, "cond")
        if self.negative is None:
            return wanted
        unwanted = self._predicted(latents, timestep, self.negative, "uncond")
        guided = unwanted + self.scale * (wanted - unwanted)
        if not self.normalised:
            return guided
        length = torch.norm(guided, dim=-1, keepdim=True)
        # Where nothing is predicted there is nothing to scale, and 0 / 0 would spoil the rest.
        ratio = torch.norm(wanted, dim=-1, keepdim=True) / length.clamp_min(1e-12)
        return guided * ratio

    def _predicted(self, latents: Tensor, timestep: Tensor, words: Words, branch: str) -> Tensor:
        self.check()
        batch = latents.shape[0]
        with self.transformer.cache_context(branch):
            predicted = self.transformer(
                hidden_states=torch.cat([latents, self.condition], dim=1),
                timestep=timestep.expand(batch).to(latents.dtype) / 1000,
                encoder_hidden_states=words.embeds,
                encoder_hidden_states_mask=words.mask,
                img_shapes=self.shapes,
                attention_kwargs=self.attention_kwargs,
                # 0 says that the picture is taken apart, as in every published run.
                additional_t_cond=torch.zeros(batch, dtype=torch.long, device=latents.device),
                return_dict=False,
            )[0]
        return predicted[:, : latents.shape[1]]


@contextmanager
def watched_blocks(transformer: Any, check: Callable[[], None]) -> Iterator[None]:
    """With ``check`` called before every block: a pass on a CPU takes minutes, and a run that is
    cancelled should not."""
    handles = [
        block.register_forward_pre_hook(lambda *_: check())
        for block in transformer.transformer_blocks
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
