"""The loop that the embedded networks are trained in: seeded, stopped and resumed exactly."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from layerstudio.errors import NumericalFailure

_WARMUP = 100
_CLIP = 1.0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long and how fast one network is trained. ``average`` is that of the weights' running
    mean, ``every`` the steps between two rows of the log and two checkpoints; in the last ``fall``
    of the steps, a share, the rate falls to 0. ``betas`` are AdamW's."""

    steps: int
    batch: int
    rate: float
    average: float = 0.998
    decay: float = 0.01
    every: int = 50
    fall: float = 0.35
    betas: tuple[float, float] = (0.9, 0.99)


class Lesson(Protocol):
    """What is learned: the loss of one step, which depends on nothing but the step."""

    def losses(self, network: nn.Module, step: int, count: int) -> dict[str, Tensor]:
        """``count`` examples; ``total`` is minimised, all are logged."""
        ...


class Loop:
    """``network`` is trained, ``average`` is what is kept."""

    def __init__(
        self, name: str, network: nn.Module, lesson: Lesson, pace: Pace, folder: Path
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.network, self.average = network, deepcopy(network).eval()
        self.step = 0
        self.log = folder / f"{name}.csv"
        self._lesson, self._pace = lesson, pace
        self._checkpoint = folder / f"{name}.pt"
        self._device = next(network.parameters()).device
        self._optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=pace.rate,
            weight_decay=pace.decay,
            betas=pace.betas,
            fused=True,
        )
        self._restore()

    def train(self) -> Iterator[int]:
        """Yield the step after each ``every`` steps and after the last. Raises
        ``NumericalFailure`` where the loss is no number any more."""
        pace = self._pace
        began, seen, count = time.monotonic(), {}, 0
        while self.step < pace.steps:
            for name, value in self._update().items():
                seen[name] = seen.get(name, 0.0) + value
            self.step += 1
            count += 1
            if self.step % pace.every and self.step != pace.steps:
                continue
            self._note({name: value / count for name, value in seen.items()}, began)
            seen, count = {}, 0
            self._save()
            yield self.step

    def _update(self) -> dict[str, float]:
        pace = self._pace
        for group in self._optimizer.param_groups:
            group["lr"] = pace.rate * rate_share(self.step, pace.steps, pace.fall)
        self.network.train()
        torch.manual_seed(self.step)
        with torch.autocast(self._device.type, torch.bfloat16):
            found = self._lesson.losses(self.network, self.step, pace.batch)
        if not torch.isfinite(found["total"]):
            raise NumericalFailure(
                f"The loss of step {self.step} is no number.", advice="Train at a lower rate."
            )
        self._optimizer.zero_grad(set_to_none=True)
        found["total"].backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self._optimizer.step()
        self._follow()
        return {name: float(value.detach()) for name, value in found.items()}

    @torch.no_grad()
    def _follow(self) -> None:
        """The average moves towards the network, faster at first."""
        share = min(self._pace.average, (1 + self.step) / (10 + self.step))
        own = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(own[name], 1 - share)
            else:
                value.copy_(own[name])

    def _note(self, means: dict[str, float], began: float) -> None:
        if not self.log.exists():
            self.log.write_text(",".join(["step", "seconds", "cpu", *means]) + "\n", "utf-8")
        row = [str(self.step), f"{time.monotonic() - began:.0f}", f"{time.process_time():.0f}"]
        row += [f"{value:.5f}" for value in means.values()]
        with self.log.open("a", encoding="utf-8") as file:
            file.write(",".join(row) + "\n")

    def _save(self) -> None:
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        partial = self._checkpoint.with_suffix(".part")
        torch.save(state, partial)
        os.replace(partial, self._checkpoint)

    def _restore(self) -> None:
        if not self._checkpoint.is_file():
            return
        state = torch.load(self._checkpoint, map_location=self._device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])


def rate_share(step: int, steps: int, fall: float) -> float:
    """Share of the full rate: a rise, a plateau, and in the last ``fall`` a straight way to 0."""
    rise = min(1.0, (step + 1) / _WARMUP)
    left = (steps - step) / max(1.0, fall * steps)
    return max(0.0, min(rise, left, 1.0))
