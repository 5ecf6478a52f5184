"""The loop of a batch: works handed to an engine, results made safe, troubles judged."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layerstudio.errors import UnwritableFile
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.engine import Company, Engine, Started
from layerstudio.pipelines.batch.journal import Journal, entry
from layerstudio.pipelines.batch.performing import failed
from layerstudio.pipelines.batch.policy import Policy
from layerstudio.pipelines.batch.publishing import discard, publish
from layerstudio.pipelines.batch.work import Result, Trouble, Work
from layerstudio.progress import CancelToken

_POLL = 0.2  # seconds: how soon a cancel or a due retry is seen

Listener = Callable[[Mapping[str, Any]], None]


@dataclass
class Tally:
    """What a run has seen so far; seconds are the methods' own, added up over the workers."""

    total: int = 0
    before: int = 0  # done by earlier runs
    done: int = 0
    refused: int = 0
    retried: int = 0
    seconds: float = 0.0
    bytes: int = 0
    peak_bytes: int = 0  # of the worker that held most
    stopped: str = ""  # why the run ended before all works did

    @property
    def finished(self) -> int:
        return self.before + self.done + self.refused


@dataclass
class Run:
    """One run of a batch. ``listener`` gets every event as JSON-ready data."""

    journal: Journal
    engine: Engine
    policy: Policy
    listener: Listener
    cancel: CancelToken
    thumbnails: Path | None = None
    tally: Tally = field(default_factory=Tally)
    _flying: dict[str, Work] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _later: list[tuple[float, int, Work, Company]] = field(default_factory=list)
    _order: Any = field(default_factory=itertools.count)

    def carry_out(self, works: Sequence[Work]) -> Tally:
        """Every work; returns when all are finished, or else with the reason in ``stopped``.

        Works that the engine still has then are not waited for: whoever owns it closes it.
        """
        waiting = iter(works)
        upcoming = next(waiting, None)
        while upcoming is not None or self._flying or self._later:
            if self.cancel.is_cancelled:
                self.tally.stopped = self.tally.stopped or "Stopped."
            if self.tally.stopped:
                break
            self._submit_due()
            while upcoming is not None and self.engine.has_room():
                self._submit(upcoming, "any")
                upcoming = next(waiting, None)
            events = self.engine.events(_POLL)
            self._take([event for event in events if isinstance(event, Result)])
            for event in events:
                if isinstance(event, Started):
                    self.listener({"event": "started", "key": event.key})
        return self.tally

    def _submit(self, work: Work, company: Company) -> None:
        self._flying[work.key] = work
        self.engine.submit(work, company)

    def _submit_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            *_, work, company = heapq.heappop(self._later)
            self._submit(work, company)

    def _take(self, results: Sequence[Result]) -> None:
        good = [result for result in results if result.trouble is None]
        try:
            self._make_safe(good)
        except UnwritableFile as error:
            self.tally.stopped = f"{error} Make room and run the same command again."
        for result in results:
            if result.trouble is not None:
                self._judge(self._flying.pop(result.key), result)

    def _make_safe(self, results: Sequence[Result]) -> None:
        """Ready on the disk, then moved, then done: see ``journal.py``."""
        if not results:
            return
        self.journal.append(
            entry("ready", result.key, files=[file.to_dict() for file in result.files])
            for result in results
        )
        for result in results:
            work = self._flying.pop(result.key)
            try:
                files = publish(result.files)
            except UnwritableFile as error:
                discard(result.files)
                self._judge(work, failed(work, error))
                continue
            self._count(work, result, files)

    def _count(self, work: Work, result: Result, files: Sequence[tuple[str, int]]) -> None:
        size = sum(bytes_ for _, bytes_ in files)
        facts = {
            "source": places.shown(work.source),
            "method": work.method,
            "seconds": result.seconds,
            "layers": result.layers,
            "max_error": result.max_error,
            "notes": list(result.notes),
        }
        self.journal.append([entry("done", work.key, files=files, **facts)], sync=False)
        tally = self.tally
        tally.done += 1
        tally.seconds += result.seconds
        tally.bytes += size
        tally.peak_bytes = max(tally.peak_bytes, result.peak_bytes)
        if self.thumbnails is not None and result.thumbnail:
            (self.thumbnails / f"{work.key}.webp").write_bytes(result.thumbnail)
        self.listener({"event": "done", **described(work), **facts, "bytes": size})

    def _judge(self, work: Work, result: Result) -> None:
        trouble: Trouble | None = result.trouble
        assert trouble is not None, result
        if trouble == "disk":
            self.tally.stopped = f"{result.message} Make room and run the same command again."
            return
        failures = self._failures[work.key] = self._failures.get(work.key, 0) + 1
        again = self.policy.again(trouble, failures)
        report = {**described(work), "trouble": trouble, "message": result.message}
        if again is not None:
            self.tally.retried += 1
            due = time.monotonic() + again.seconds
            heapq.heappush(self._later, (due, next(self._order), work, again.company))
            self.journal.append([entry("failed", work.key, message=result.message)], sync=False)
            self.listener({"event": "retry", **report, "seconds": again.seconds})
            return
        self.tally.refused += 1
        refusal = {"source": places.shown(work.source), "origin": work.origin}
        self.journal.append(
            [entry("refused", work.key, message=result.message, trouble=trouble, **refusal)],
            sync=False,
        )
        self.listener({"event": "refused", **report, "details": result.details})
        most = self.policy.most_failures
        if most is not None and self.tally.refused > most:
            self.tally.stopped = f"More than {most} items failed."


def described(work: Work) -> dict[str, Any]:
    """What events and reports say of a work, without what may be secret."""
    return {
        "key": work.key,
        "task": work.task,
        "method": work.method,
        "source": places.shown(work.source),
        "origin": work.origin,
        "outputs": [places.shown(target) for target in work.targets],
    }
