"""The training run of ``peel``: seeded, stopped and resumed where its last checkpoint was."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from layerstudio.errors import NumericalFailure
from layerstudio.models.peel_network import PeelNetwork
from training.assets import assets_of
from training.peel_data import Examples
from training.peel_loss import losses, tensors

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
_AVERAGE = 0.998
_WARMUP = 100
_FALL = 0.3  # share of the steps, the last, in which the rate falls to 0
_CLIP = 1.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``lanes`` are the independent streams of examples, one worker each; a run is the same only
    with as many. ``pool`` is how many designs a stream keeps; ``remark`` goes into the card."""

    out: str
    steps: int = 11_000
    batch: int = 4
    side: int = 640
    rate: float = 1.5e-3
    decay: float = 0.02
    seed: int = 1
    lanes: int = 1
    pool: int = 800
    every: int = 50
    device: str = "cpu"
    assets: str = "best"
    remark: str = ""


class _Steps(Dataset[dict[str, Tensor]]):
    """Batches from ``first`` on; the batch of a step depends on the settings and the step."""

    def __init__(self, settings: Settings, first: int) -> None:
        self._settings = settings
        self._first = first
        self._lanes: dict[int, Examples] = {}

    def __len__(self) -> int:
        return self._settings.steps - self._first

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        own = self._settings
        turn, lane = divmod(self._first + index, own.lanes)
        if lane not in self._lanes:
            assets = assets_of(own.assets)
            self._lanes[lane] = Examples(own.seed * 100 + lane, assets, own.side, own.pool)
        return tensors(self._lanes[lane].batch(turn, own.batch))


class Run:
    """``network`` is trained, ``average`` is what is kept: the running mean of its weights."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = Path(settings.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        assets_of(settings.assets)  # opened by each lane; a bad one should not fail there
        torch.manual_seed(settings.seed)
        device = torch.device(settings.device)
        layout = torch.channels_last
        self.network = PeelNetwork().to(device, memory_format=layout)  # type: ignore[call-overload]
        self.average = deepcopy(self.network).eval()
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.rate, weight_decay=settings.decay
        )
        self.step = 0
        self._restore()

    def train(self) -> Iterator[int]:
        """Yield the step after each ``every`` steps, and after the last."""
        own = self.settings
        began, seen = time.monotonic(), {}
        for batch in self._batches():
            found = self._update(batch)
            for name, value in found.items():
                seen[name] = seen.get(name, 0.0) + value
            self.step += 1
            if self.step % own.every and self.step != own.steps:
                continue
            count = self.step - (self.step - 1) // own.every * own.every
            self._log({name: value / count for name, value in seen.items()}, began)
            seen.clear()
            self._save()
            yield self.step

    def _batches(self) -> Iterator[dict[str, Tensor]]:
        lanes = self.settings.lanes
        steps = _Steps(self.settings, self.step)
        yield from DataLoader(steps, batch_size=None, num_workers=lanes, prefetch_factor=4)

    def _update(self, batch: dict[str, Tensor]) -> dict[str, float]:
        device = torch.device(self.settings.device)
        batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        for group in self._optimizer.param_groups:
            group["lr"] = self.settings.rate * rate_share(self.step, self.settings.steps)
        self.network.train()
        inputs = batch["inputs"].contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            logits = self.network(inputs)
        found = losses(logits.float(), batch)
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
        share = min(_AVERAGE, (1 + self.step) / (10 + self.step))
        own = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(own[name], 1 - share)
            else:
                value.copy_(own[name])

    def _log(self, means: dict[str, float], began: float) -> None:
        path = self.folder / LOG
        if not path.exists():
            path.write_text(",".join(["step", "seconds", "cpu", *means]) + "\n", encoding="utf-8")
        row = [str(self.step), f"{time.monotonic() - began:.0f}", f"{time.process_time():.0f}"]
        row += [f"{value:.5f}" for value in means.values()]
        with path.open("a", encoding="utf-8") as file:
            file.write(",".join(row) + "\n")

    def _save(self) -> None:
        state = {
            "settings": asdict(self.settings),
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        partial = self.folder / f"{CHECKPOINT}.part"
        torch.save(state, partial)
        os.replace(partial, self.folder / CHECKPOINT)

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        state = torch.load(path, map_location=self.settings.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])


def rate_share(step: int, steps: int) -> float:
    """Share of the full rate: a rise, a plateau, and a straight fall to 0."""
    rise = min(1.0, (step + 1) / _WARMUP)
    left = (steps - step) / max(1.0, _FALL * steps)
    return min(rise, left, 1.0)
