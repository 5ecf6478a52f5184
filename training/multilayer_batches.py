"""Documents with their noise as one packed sequence, each a pure function of its position.

Whatever is random about a training document (which one it is, how its layers are merged, its task,
its time, its noise) is drawn from (seed, position) alone, the position counting documents from the
start of the run. A resumed run therefore needs only its step to go on exactly, and the same
documents are seen on one device or on eight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from torch import Tensor

from layerstudio.models.regions import Regions
from layerstudio.pipelines.multilayer.sampling import Text
from layerstudio.pipelines.multilayer.schedule import noise_levels, shift_of
from training.multilayer_codec import Codec, encoded
from training.multilayer_data import FIRST_FOREGROUND, MOST_FOREGROUNDS, merged
from training.multilayer_settings import Settings, Timesteps
from training.multilayer_sources import Source
from training.multilayer_tasks import TASKS, Task, clean_entries
from training.multilayer_text import Reader

INFERENCE_STEPS = 28  # of the published pipelines; CLD's training draws its times from them

_KEPT = 128  # encoded examples held in memory


@dataclass(frozen=True, eq=False)
class Item:
    """One document to learn from: ``tokens`` (n, 64) as encoded, ``noise`` alike, ``clean`` (n,)
    what is given, ``weight`` (n,) of each token in the loss, ``time`` in (0, 1], 1 all noise."""

    task: Task
    regions: Regions
    text: Text
    tokens: Tensor
    noise: Tensor
    clean: Tensor
    weight: Tensor
    time: float


class Items:
    """The documents of a run by position."""

    def __init__(
        self,
        source: Source,
        codec: Codec,
        reader: Reader,
        settings: Settings,
        *,
        most: int = MOST_FOREGROUNDS,
    ) -> None:
        """``most`` foregrounds are what the network has layers for; more are merged."""
        self._source = source
        self._reader = reader
        self._settings = settings
        self._most = most
        self._shares = np.array(settings.shares) / sum(settings.shares)
        # By identity: sources hand out the same example again, and what is merged is new.
        self._encoded = lru_cache(_KEPT)(partial(encoded, codec))

    def at(self, position: int) -> Item:
        settings = self._settings
        rng = np.random.default_rng([settings.seed, position])
        example = self._source.example(self._number(position))
        example = merged(example, rng, probability=settings.merge, most=self._most)
        task = TASKS[int(rng.choice(len(TASKS), p=self._shares))]
        regions, tokens, prompt = example.regions, self._encoded(example), example.prompt
        if rng.random() < settings.caption_share:
            layer = int(rng.integers(1, len(regions.boxes)))
            task, prompt = "text", example.captions[layer - 1]
            tokens, regions = tokens[regions.ids[:, 0] == layer], regions.only(layer)
        prompt = "" if rng.random() < settings.drop else prompt
        given = clean_entries(task, len(regions.boxes), rng)
        layers = regions.ids[:, 0]
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return Item(
            task=task,
            regions=regions,
            text=self._reader.read(prompt),
            tokens=tokens,
            noise=torch.randn(tokens.shape, generator=generator),
            clean=torch.isin(layers, torch.tensor(sorted(given), dtype=torch.long)),
            weight=torch.where(layers >= FIRST_FOREGROUND, settings.foreground, 1.0),
            time=drawn_time(settings.timesteps, regions.count, rng),
        )

    def _number(self, position: int) -> int:
        """Every example once in each epoch, in an order of the epoch's own."""
        size = self._source.size
        if size is None:
            return position
        epoch, place = divmod(position, size)
        order = np.random.default_rng([self._settings.seed, epoch, size]).permutation(size)
        return int(order[place])


def drawn_time(kind: Timesteps, tokens: int, rng: np.random.Generator) -> float:
    """A noise level in (0, 1] for a document of so many tokens.

    ``inference``: one of the 28 that sampling uses, evenly (CLD, published code). ``logit-normal``:
    the sigmoid of a normal number (Esser et al. 2024, arXiv:2403.03206, section 3.1), shifted by
    the number of tokens as sampling's are (equation 23 there).
    """
    if kind == "inference":
        levels = noise_levels(scheduler(), INFERENCE_STEPS, [tokens])[0]
        return float(levels[int(rng.integers(INFERENCE_STEPS))])
    even = 1 / (1 + np.exp(-rng.normal()))
    factor = np.exp(shift_of(tokens))
    return float(factor * even / (1 + (factor - 1) * even))


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """FLUX's: the shift grows with the number of tokens."""
    return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)


@dataclass(frozen=True, eq=False)
class Batch:
    """Documents one after another: (1, n, 64) tokens and noise, (n,) clean and weight,
    (1, text tokens, c) text, (documents, c') pooled, (documents,) times."""

    tasks: tuple[Task, ...]
    regions: tuple[Regions, ...]
    text_lengths: tuple[int, ...]
    tokens: Tensor
    noise: Tensor
    clean: Tensor
    weight: Tensor
    text: Tensor
    pooled: Tensor
    times: Tensor

    @classmethod
    def of(cls, items: Sequence[Item], device: torch.device | str = "cpu") -> Batch:
        def packed(name: str) -> Tensor:
            return torch.cat([getattr(item, name) for item in items]).to(device)

        return cls(
            tasks=tuple(item.task for item in items),
            regions=tuple(item.regions for item in items),
            text_lengths=tuple(item.text.tokens.shape[1] for item in items),
            tokens=packed("tokens")[None],
            noise=packed("noise")[None],
            clean=packed("clean"),
            weight=packed("weight"),
            text=torch.cat([item.text.tokens for item in items], dim=1).to(device),
            pooled=torch.cat([item.text.pooled for item in items]).to(device),
            times=torch.tensor([item.time for item in items], device=device),
        )

    @property
    def counts(self) -> tuple[int, ...]:
        """Image tokens of each document."""
        return tuple(item.count for item in self.regions)
