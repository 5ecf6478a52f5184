"""Interrupted runs: all that the next step depends on, in one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from layerstudio.errors import MismatchedWeights, UnreadableFile

_KEPT = 2


class Checkpoints:
    """``step-000100.pt`` and the like: trained weights, optimizer, running average, step.

    Data and noise are functions of the step, so that no random state is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(
        self,
        step: int,
        weights: dict[str, nn.Parameter],
        optimizer: Any,
        average: EMAModel | None,
        accelerator: Accelerator,
    ) -> None:
        """Written beside and renamed; older ones than the last two go."""
        state = {
            "step": step,
            "weights": {name: value.detach().cpu() for name, value in weights.items()},
            "optimizer": optimizer.state_dict(),
            "average": average and average.state_dict(),
            "scaler": accelerator.scaler and accelerator.scaler.state_dict(),
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"step-{step:08d}.pt"
        partial = path.with_suffix(".part")
        torch.save(state, partial)
        os.replace(partial, path)
        for old in self._all()[:-_KEPT]:
            old.unlink()

    def restore(
        self,
        weights: dict[str, nn.Parameter],
        optimizer: Any,
        average: EMAModel | None,
        accelerator: Accelerator,
    ) -> int:
        """Everything as it was at the last checkpoint, and its step; 0 where there is none.

        Raises ``UnreadableFile`` and ``MismatchedWeights``.
        """
        found = self._all()
        if not found:
            return 0
        try:
            state = torch.load(found[-1], map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError) as error:
            raise UnreadableFile(
                f"{str(found[-1])!r} is damaged.", advice="Delete it to resume from the one before."
            ) from error
        _copy(state["weights"], weights)
        optimizer.load_state_dict(state["optimizer"])
        if average is not None:
            average.load_state_dict(state["average"])
            average.to(accelerator.device)
        if accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(state["scaler"])
        return int(state["step"])

    def _all(self) -> list[Path]:
        return sorted(self._folder.glob("step-*.pt"))


def _copy(saved: dict[str, Tensor], weights: dict[str, nn.Parameter]) -> None:
    same = saved.keys() == weights.keys()
    if not same or any(saved[name].shape != value.shape for name, value in weights.items()):
        raise MismatchedWeights(
            "The checkpoint is another network's.", advice="Resume with the settings it began with."
        )
    with torch.no_grad():
        for name, value in weights.items():
            value.copy_(saved[name])
