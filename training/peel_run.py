"""The training run of ``peel``: seeded, stopped and resumed where its last checkpoint was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from layerstudio.models.checkpoints import load_strict, read_state
from layerstudio.models.peel_network import PeelNetwork, PeelSize
from training.assets import assets_of
from training.loop import Loop, Pace
from training.peel_data import Examples
from training.peel_loss import losses, tensors

_FALL = 0.3
_BETAS = (0.9, 0.999)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``lanes`` are the independent streams of examples, one worker each; a run is the same only
    with as many. ``pool`` is how many examples a stream keeps; ``start`` is a file of weights to
    begin with instead of random ones; ``remark`` goes into the card."""

    out: str
    steps: int = 27_000
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
    start: str = ""
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


class _Lesson:
    """The batches of successive steps, drawn by workers from the first that is asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._batches: Iterator[dict[str, Tensor]] | None = None

    def losses(self, network: nn.Module, step: int, count: int) -> dict[str, Tensor]:
        """``count`` is the settings' batch."""
        if self._batches is None:
            lanes = self._settings.lanes
            steps = _Steps(self._settings, step)
            loader = DataLoader(steps, batch_size=None, num_workers=lanes, prefetch_factor=4)
            self._batches = iter(loader)
        device = torch.device(self._settings.device)
        batch = {
            name: value.to(device, non_blocking=True) for name, value in next(self._batches).items()
        }
        logits = network(batch["inputs"].contiguous(memory_format=torch.channels_last))
        return losses(logits.float(), batch)


class Run:
    """The loop, its settings and its folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        assets_of(settings.assets)  # opened by each lane; a bad one should not fail there
        torch.manual_seed(settings.seed)
        device = torch.device(settings.device)
        layout = torch.channels_last
        network = _begun(Path(settings.start)) if settings.start else PeelNetwork()
        network = network.to(device, memory_format=layout)  # type: ignore[call-overload]
        pace = Pace(
            steps=settings.steps,
            batch=settings.batch,
            rate=settings.rate,
            decay=settings.decay,
            every=settings.every,
            fall=_FALL,
            betas=_BETAS,
        )
        self.loop = Loop("peel", network, _Lesson(settings), pace, Path(settings.out))

    @property
    def average(self) -> PeelNetwork:
        """What is kept: the running mean of the weights."""
        average = self.loop.average
        assert isinstance(average, PeelNetwork)
        return average

    @property
    def step(self) -> int:
        return self.loop.step

    def train(self) -> Iterator[int]:
        """Yield the step after each ``every`` steps, and after the last. Raises
        ``NumericalFailure`` where the loss is no number any more."""
        return self.loop.train()


def _begun(path: Path) -> PeelNetwork:
    """A network with the weights in a file; outputs that their network has not begin at 0."""
    state = read_state(path)
    network = PeelNetwork(PeelSize.of({name: tuple(v.shape) for name, v in state.items()}))
    for name, own in network.state_dict().items():
        if name.startswith("head.") and name in state and len(state[name]) < len(own):
            whole = torch.zeros_like(own)
            whole[: len(state[name])] = state[name]
            state[name] = whole
    load_strict(network, state, "peel")
    return network
