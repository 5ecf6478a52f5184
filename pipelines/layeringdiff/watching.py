"""A sampling of any of diffusers' pipelines watched: progress, previews, and a cancel that cancels.

Most call back after each step, some in an older way. Where a pipeline has neither, its denoiser is
watched instead: it runs once a step or more often, so a cancel still takes effect within one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from layerstudio.pipelines.layeringdiff.bases import DENOISERS, Base
from layerstudio.pipelines.steps import StepWatcher
from layerstudio.progress import CancelToken, Progress, ProgressCallback


@contextmanager
def watched(
    base: Base,
    pipeline: Any,
    watcher: StepWatcher,
    steps: int,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Iterator[dict[str, Any]]:
    """The arguments of a call inside the ``with`` that let ``watcher`` see each step."""

    def at_end(called: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        watcher.report(tensors["latents"], step + 1, _steps_of(called, steps))
        return tensors

    def in_between(step: int, timestep: Any, latents: Any) -> None:
        watcher.report(latents, step + 1, _steps_of(pipeline, steps))

    if "callback_on_step_end" in base.takes:
        yield {"callback_on_step_end": at_end}
    elif {"callback", "callback_steps"} <= set(base.takes):
        yield {"callback": in_between, "callback_steps": 1}
    else:
        with _denoiser_watched(pipeline, steps, progress, cancel):
            yield {}


@contextmanager
def _denoiser_watched(
    pipeline: Any, steps: int, progress: ProgressCallback, cancel: CancelToken
) -> Iterator[None]:
    runs = 0

    def before(*_: object) -> None:
        nonlocal runs
        cancel.check()
        progress(Progress("sampling", 0.9 * min(runs / steps, 1.0)))
        runs += 1

    found = (getattr(pipeline, name, None) for name in DENOISERS)
    hooks = [one.register_forward_pre_hook(before) for one in found if isinstance(one, nn.Module)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _steps_of(pipeline: Any, steps: int) -> int:
    """Fewer than asked for where a picture is varied; more with schedulers of higher order."""
    count = getattr(pipeline, "num_timesteps", None)
    return count if isinstance(count, int) and count > 0 else steps
