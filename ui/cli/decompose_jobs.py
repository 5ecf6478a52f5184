"""Many pictures taken apart, each on its own: a bad one is reported and the others go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from layerstudio.io.files import save_with_notes
from layerstudio.io.limits import Limits
from layerstudio.pipelines.api import ERROR_KEY, decompose
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import ProgressCallback, ignore_progress
from layerstudio.requests import DecomposeRequest
from layerstudio.ui.cli.boundary import USER_ERROR, explained
from layerstudio.ui.cli.naming import check_targets

_KILLED = "The system ended the process, most likely for lack of memory; use fewer --jobs."


@dataclass(frozen=True)
class Job:
    """One picture, what to do with it and where the result goes."""

    source: Path
    targets: tuple[Path, ...]
    request: DecomposeRequest
    limits: Limits
    overwrite: bool = False
    runtime: Runtime = field(default_factory=Runtime)


@dataclass(frozen=True)
class Outcome:
    """What became of a job; ``exit_code`` 0 or that of ``error``. Times in seconds."""

    source: Path
    outputs: tuple[Path, ...] = ()
    method: str = ""
    layers: tuple[str, ...] = ()
    recomposition_max_error: float | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0
    request: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        data = dict(vars(self))
        data["source"] = str(self.source)
        data["outputs"] = [str(path) for path in self.outputs]
        return data


def run_job(job: Job, progress: ProgressCallback = ignore_progress) -> Outcome:
    """Decompose and save; whatever goes wrong is in the outcome. The seconds leave out saving."""
    try:
        check_targets(job.targets, job.overwrite)
        start = time.perf_counter()
        document = decompose(
            str(job.source),
            job.request,
            runtime=job.runtime,
            limits=job.limits,
            progress=progress,
        )
        seconds = time.perf_counter() - start
        notes = list(document.notes)
        for target in job.targets:
            remarks = save_with_notes(document, target)
            notes.extend(f"{target.name}: {remark}" for remark in remarks)
    except Exception as error:
        message, code = explained(error)
        return Outcome(job.source, error=message, exit_code=code)
    request = dict(document.request or {})
    return Outcome(
        source=job.source,
        outputs=job.targets,
        method=str(request.get("method", "")),
        layers=tuple(layer.name for layer in document.layers),
        recomposition_max_error=float(document.metadata[ERROR_KEY]),
        seconds=round(seconds, 3),
        notes=tuple(notes),
        request=request,
    )


def run_jobs(jobs: list[Job], processes: int) -> Iterator[Outcome]:
    """Outcomes in the order in which they are ready, from several processes."""
    # Methods start threads of their own, and a forked copy of a threaded process may hang.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(run_job, job): job for job in jobs}
        for future in as_completed(running):
            try:
                yield future.result()
            except BrokenProcessPool:
                yield Outcome(running[future].source, error=_KILLED, exit_code=USER_ERROR)
