"""What a batch would take, measured on a few of its items."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.batch import (
    Options,
    engine_of,
    home_of,
    runtimes_of,
    setup_of,
)
from layerstudio.pipelines.batch.engine import Engine
from layerstudio.pipelines.batch.planning import Asked, Refused, planned
from layerstudio.pipelines.batch.publishing import discard
from layerstudio.pipelines.batch.resuming import standing_of
from layerstudio.pipelines.batch.work import Result, Work

_GIB, _MIB = 2**30, 2**20


@dataclass(frozen=True)
class Estimate:
    """``seconds`` for the whole with ``workers``, ``bytes`` of results, ``peak_bytes`` of one
    worker; None where nothing was measured. ``free_bytes`` are those of the disk written to."""

    total: int
    done: int
    todo: int
    refused: tuple[Refused, ...]
    duplicates: int
    workers: int
    measured: int = 0
    failed: tuple[Refused, ...] = ()
    seconds: float | None = None
    bytes: int | None = None
    peak_bytes: int | None = None
    free_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @property
    def sentences(self) -> list[str]:
        lines = [
            f"{self.total} items: {self.todo} to do, {self.done} done before, "
            f"{len(self.refused)} that cannot be done, {self.duplicates} given twice."
        ]
        if self.seconds is not None and self.bytes is not None and self.peak_bytes is not None:
            lines.append(
                f"About {_span(self.seconds)} with {self.workers} at a time, "
                f"{_size(self.bytes)} of results, {_size(self.peak_bytes)} of memory each "
                f"(measured on {self.measured} of the items)."
            )
            if self.free_bytes is not None and self.free_bytes < self.bytes:
                lines.append(f"Only {_size(self.free_bytes)} are free on that disk.")
        lines += [f"{one.origin}, tried for the estimate: {one.message}" for one in self.failed]
        return lines


def estimate(
    asked: Asked, options: Options, sample: int, standard_input: Iterator[str] | None = None
) -> Estimate:
    """Plan, and run ``sample`` items, small to large, without keeping their results.

    Seconds and bytes of the others are taken to be the sample's on average, which is spread evenly
    over the sizes of the sources. Raises as ``Batch.run`` does before anything runs.
    """
    plan = planned(asked, standard_input)
    standing = standing_of(options.home or home_of(asked.out), plan.works, options.overwrite)
    refused = (*plan.refused, *(Refused(work.origin, why) for work, why in standing.refused))
    found = Estimate(
        total=len(plan.works) + len(plan.refused),
        done=standing.done,
        todo=len(standing.todo),
        refused=refused,
        duplicates=plan.duplicates,
        workers=len(runtimes_of(options)),
    )
    chosen = _spread(standing.todo, sample)
    return _measured(found, chosen, options, asked.out) if chosen else found


def _spread(works: Sequence[Work], count: int) -> list[Work]:
    """Evenly over the sizes of the sources."""
    ranked = sorted(works, key=lambda work: places.size_of(work.source) or 0 if work.source else 0)
    count = min(count, len(ranked))
    return [ranked[(2 * index + 1) * len(ranked) // (2 * count)] for index in range(count)]


def _measured(found: Estimate, chosen: Sequence[Work], options: Options, out: str) -> Estimate:
    with tempfile.TemporaryDirectory(prefix="layerstudio-estimate-") as folder:
        moved = [_into(work, Path(folder)) for work in chosen]
        engine = engine_of(replace(options, workers=1), setup_of(options, Path(folder)), 1)
        try:
            results, seconds = _timed(engine, moved)
        finally:
            engine.close(now=True)
    good = [result for result in results if result.trouble is None]
    origins = {work.key: work.origin for work in chosen}
    failed = tuple(Refused(origins[r.key], r.message) for r in results if r.trouble is not None)
    found = replace(found, measured=len(good), failed=failed, free_bytes=_free(out))
    if not good:
        return found
    size = sum(file.bytes for result in good for file in result.files)
    return replace(
        found,
        seconds=found.todo * seconds / len(results) / found.workers,
        bytes=found.todo * size // len(good),
        peak_bytes=max(result.peak_bytes for result in good),
    )


def _timed(engine: Engine, works: Sequence[Work]) -> tuple[list[Result], float]:
    """Results, and the seconds that all took together without starting the worker."""
    results: list[Result] = []
    start = None
    for work in works:
        engine.submit(work)
    while len(results) < len(works):
        events = engine.events(0.2)
        start = time.monotonic() if start is None and events else start
        for event in events:
            if isinstance(event, Result):
                results.append(event)
                discard(event.files)
    return results, max(
        time.monotonic() - (start or 0.0), sum(result.seconds for result in results)
    )


def _into(work: Work, folder: Path) -> Work:
    targets = tuple(str(folder / places.name_of(target)) for target in work.targets)
    return replace(work, targets=targets)


def _free(out: str) -> int | None:
    if places.is_address(out):
        return None
    folder = Path(out).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _size(count: int) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / _MIB:.1f} MiB"
