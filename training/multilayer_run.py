"""The training loop: one device or several, stopped and resumed without a trace."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor

from layerstudio.errors import InvalidRequest, NumericalFailure
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from training.multilayer_batches import Batch, Item, Items
from training.multilayer_checkpoint import Checkpoints
from training.multilayer_data import FIRST_FOREGROUND, merged
from training.multilayer_log import Row, Table, track, trackers
from training.multilayer_loss import Loss, flow_loss, packing_of
from training.multilayer_materials import Materials
from training.multilayer_network import built, save_network, trained
from training.multilayer_preview import Previewer, draw_sheet, mean_psnr
from training.multilayer_settings import Settings, check_same, load_settings
from training.multilayer_tasks import TASKS

_LOG = ("step", "seconds", "rate", "norm", "loss", *(f"loss_{task}" for task in TASKS))
_SAMPLES = ("step", *(f"psnr_{task}" for task in TASKS))
_BETAS = (0.9, 0.99)


class Run:
    """A training run in its folder: ``settings.json``, ``checkpoints/``, ``trained/``, ``log.csv``,
    ``samples.csv`` and ``samples/*.png``."""

    def __init__(self, settings: Settings) -> None:
        """Raises ``InvalidRequest`` where the folder holds a run with other settings."""
        self.settings = settings
        self.folder = Path(settings.out)
        self.accelerator = Accelerator(
            gradient_accumulation_steps=settings.accumulate,
            mixed_precision=settings.precision,
            log_with=trackers() or None,
            project_dir=self.folder,
        )
        self._claim_folder()
        with self.accelerator.main_process_first():
            self.materials = Materials.of(settings, self.accelerator.device)
        network = built(settings)
        self.materials.check(network)
        self._weights = trained(network)
        self.model, self.optimizer = self.accelerator.prepare(
            network, _optimizer(settings, self.parameters)
        )
        self.network: MultiLayerTransformer = self.accelerator.unwrap_model(self.model)
        self.average = self._new_average()
        self._checkpoints = Checkpoints(self.folder / "checkpoints")
        self.step = self._checkpoints.restore(
            self._weights, self.optimizer, self.average, self.accelerator
        )
        self._most = self.network.config["max_layer_num"] - FIRST_FOREGROUND
        self._items = Items(
            self.materials.source,
            self.materials.codec,
            self.materials.reader,
            settings,
            most=self._most,
        )
        self._ahead: Executor
        self._next: tuple[int, Future[list[Item]]] | None = None

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """What is trained."""
        return list(self._weights.values())

    def train(self) -> None:
        """To the last step. Raises ``NumericalFailure`` where the loss is no number any more."""
        settings = self.settings
        log = self._table("log.csv", _LOG)
        samples = self._table("samples.csv", _SAMPLES)
        if trackers():
            self.accelerator.init_trackers("tensorboard")
        started = time.monotonic()
        with ThreadPoolExecutor(1) as self._ahead:
            while self.step < settings.steps:
                values = self._one_step()
                self.step += 1
                seconds = round(time.monotonic() - started, 2)
                self._after_step({"step": self.step, "seconds": seconds, **values}, log, samples)
        self.accelerator.end_training()

    def _after_step(self, row: Row, log: Table | None, samples: Table | None) -> None:
        """Logs, checkpoints and samples when it is time, and after the last step."""
        settings, done = self.settings, self.step
        last = done == settings.steps
        if log and (done % settings.log_every == 0 or last):
            log.add(row)
            track(self.accelerator, row, done)
        if done % settings.save_every == 0 or last:
            self._save(done)
        if settings.sample_every and (done % settings.sample_every == 0 or last):
            self._sample(done, samples)

    def _one_step(self) -> dict[str, float]:
        """One optimizer step; its rate, gradient norm and losses (of the tasks that it had)."""
        settings = self.settings
        rate = settings.rate * rate_factor(self.step, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        sums = torch.zeros(2, 1 + len(TASKS), device=self.accelerator.device)
        norm: Any = 0.0
        for micro in range(settings.accumulate):
            batch = self._batch(micro)
            with self.accelerator.accumulate(self.model):
                loss = flow_loss(self.model, packing_of(self.network, batch), batch)
                self.accelerator.backward(loss.value)
                if self.accelerator.sync_gradients:
                    norm = self.accelerator.clip_grad_norm_(self.parameters, settings.clip)
                self.optimizer.step()
                self.optimizer.zero_grad()
            sums += _by_task(batch, loss)
        if self.average is not None:
            self.average.step(self.parameters)
        return self._values(sums, rate, float(norm))

    def _values(self, sums: Tensor, rate: float, norm: float) -> dict[str, float]:
        total, count = self.accelerator.reduce(sums, "sum")
        means = (total / count).tolist()
        if not math.isfinite(means[0]):
            raise NumericalFailure(
                f"The loss of step {self.step + 1} is not a number.",
                advice="Lower --rate, or train with --precision bf16 or no.",
            )
        names = ("loss", *(f"loss_{task}" for task in TASKS))
        seen = {name: mean for name, mean in zip(names, means, strict=True) if not math.isnan(mean)}
        return {"rate": rate, "norm": norm, **seen}

    def _batch(self, micro: int) -> Batch:
        """This device's documents, while those of the next sequence are being read."""
        settings, accelerator = self.settings, self.accelerator
        sequence = self.step * settings.accumulate + micro
        order = sequence * accelerator.num_processes + accelerator.process_index
        if self._next is None or self._next[0] != order:
            self._next = (order, self._ahead.submit(self._documents, order))
        items = self._next[1].result()
        following = order + accelerator.num_processes
        self._next = (following, self._ahead.submit(self._documents, following))
        return Batch.of(items, accelerator.device)

    def _documents(self, order: int) -> list[Item]:
        first = order * self.settings.batch
        return [self._items.at(first + k) for k in range(self.settings.batch)]

    def _save(self, done: int) -> None:
        if not self.accelerator.is_main_process:
            return
        self._checkpoints.save(done, self._weights, self.optimizer, self.average, self.accelerator)
        with self._averaged():
            save_network(self.network, self.folder / "trained", self.settings.kind)

    def _sample(self, done: int, table: Table | None) -> None:
        if table is None:
            return
        sheet = self.folder / "samples" / f"step-{done:08d}.png"
        values = self.sampled(sheet)
        table.add({"step": done, **values})
        track(self.accelerator, values, done)

    def sampled(self, sheet: Path) -> dict[str, float]:
        """Samples of the first examples for all tasks, drawn on ``sheet``; PSNR by task."""
        with self._averaged(), self.accelerator.autocast():
            results = self.previewer.all_tasks(self.network.eval())
        self.network.train()
        sheet.parent.mkdir(parents=True, exist_ok=True)
        draw_sheet(results, sheet)
        return {f"psnr_{task}": mean_psnr(samples) for task, samples in results.items()}

    @cached_property
    def previewer(self) -> Previewer:
        source = self.materials.source
        count = min(self.settings.samples, source.size or self.settings.samples)
        # Where there are more layers than the network knows, the same are merged each time.
        examples = [
            merged(source.example(k), np.random.default_rng(k), probability=0, most=self._most)
            for k in range(count)
        ]
        return Previewer(examples, self.materials.codec, self.materials.reader)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """With the running average of the weights in place, where there is one."""
        if self.average is None:
            yield
            return
        self.average.store(self.parameters)
        self.average.copy_to(self.parameters)
        try:
            yield
        finally:
            self.average.restore(self.parameters)

    def _new_average(self) -> EMAModel | None:
        if not self.settings.ema:
            return None
        average = EMAModel(self.parameters, decay=self.settings.ema)
        average.to(self.accelerator.device)
        return average

    def _claim_folder(self) -> None:
        path = self.folder / "settings.json"
        if path.is_file():
            check_same(load_settings(path), self.settings)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.settings.save(path)

    def _table(self, name: str, columns: tuple[str, ...]) -> Table | None:
        """None on all devices but the first."""
        main = self.accelerator.is_main_process
        return Table(self.folder / name, columns, self.step) if main else None


def rate_factor(step: int, settings: Settings) -> float:
    """Linear warm-up, then 1 or half a cosine down to 0."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    if not settings.decay:
        return 1.0
    share = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.5 * (1 + math.cos(math.pi * share))


def _optimizer(settings: Settings, parameters: list[torch.nn.Parameter]) -> Any:
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            parameters, lr=settings.rate, betas=_BETAS, weight_decay=settings.weight_decay
        )
    if find_spec("prodigyopt") is None:
        raise InvalidRequest(
            "Prodigy is not installed.", advice="Run pip install prodigyopt, or use adamw."
        )
    prodigy = import_module("prodigyopt").Prodigy
    return prodigy(
        parameters, lr=settings.rate, weight_decay=settings.weight_decay, decouple=True,
        use_bias_correction=True, safeguard_warmup=True,
    )  # fmt: skip


def _by_task(batch: Batch, loss: Loss) -> Tensor:
    """(2, 1 + tasks): sums of documents' losses and how many, over all and by task."""
    member = torch.tensor(
        [[True, *(task == own for task in TASKS)] for own in batch.tasks],
        device=loss.by_document.device,
    ).float()
    return torch.stack([loss.by_document @ member, member.sum(0)])
