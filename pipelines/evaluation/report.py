"""A run's report as data: what was done, and what came out."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from layerstudio.pipelines.evaluation import published
from layerstudio.pipelines.evaluation.plan import Plan, Record
from layerstudio.pipelines.evaluation.scores import Outcome, SampleRecord
from layerstudio.pipelines.evaluation.summary import Summary, finished_by_all, summarise

VERSION = 1
_NAMED = 3  # samples that a failure is told of by name


@dataclass(frozen=True)
class Failure:
    """An error and the samples that ended with it; ``contestant`` is "" where reading them did."""

    contestant: str
    error: str
    samples: tuple[str, ...]

    @property
    def where(self) -> str:
        """The sample, or the first few of many."""
        shown = ", ".join(self.samples[:_NAMED])
        more = len(self.samples) - _NAMED
        return f"{shown} and {more} more" if more > 0 else shown


@dataclass(frozen=True)
class Report:
    """``hints`` say what contestants were told of the truth; ``is_partial`` that samples are left.

    ``machine`` and ``day`` are where and when the report was written.
    """

    facts: dict[str, Any]
    edits: int
    contestants: tuple[str, ...]
    tags: tuple[str, ...]
    notes: tuple[str, ...]
    hints: tuple[str, ...]
    samples: tuple[SampleRecord, ...]
    outcomes: tuple[Outcome, ...]
    expected: int
    machine: str
    day: str

    @property
    def is_partial(self) -> bool:
        return len(self.samples) < self.expected

    @property
    def unread(self) -> tuple[SampleRecord, ...]:
        return tuple(sample for sample in self.samples if sample.error)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.scores is None)

    def failures(self) -> tuple[Failure, ...]:
        """What could not be read first; the same error of one contestant is one failure."""
        found: dict[tuple[str, str], list[str]] = {}
        for sample in self.unread:
            found.setdefault(("", sample.error), []).append(sample.name)
        for outcome in self.failed:
            found.setdefault((outcome.contestant, outcome.error), []).append(outcome.sample)
        return tuple(Failure(who, error, tuple(names)) for (who, error), names in found.items())

    def summaries(self) -> tuple[Summary, ...]:
        return self._summaries(self.outcomes)

    def common(self) -> tuple[Summary, ...]:
        """Over the samples that all contestants finished; empty where that is no other set."""
        done = finished_by_all(self.outcomes)
        shared = [outcome for outcome in self.outcomes if outcome.sample in done]
        if not self.failed or not done or len(self.contestants) < 2:
            return ()
        return self._summaries(shared)

    def by_tag(self) -> dict[str, tuple[Summary, ...]]:
        """Summaries of the samples with each tag, in the data set's order of tags."""
        parts = {tag: [o for o in self.outcomes if tag in o.tags] for tag in self.tags}
        return {tag: self._summaries(part) for tag, part in parts.items() if part}

    def _summaries(self, outcomes: Sequence[Outcome]) -> tuple[Summary, ...]:
        return tuple(summarise(label, outcomes, self.edits) for label in self.contestants)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: everything but the pictures."""
        return {
            "layerstudio-bench-report": VERSION,
            "day": self.day,
            "machine": self.machine,
            "facts": self.facts,
            "is_partial": self.is_partial,
            "notes": list(self.notes),
            "hints": list(self.hints),
            "summaries": [asdict(summary) for summary in self.summaries()],
            "summaries_of_common_samples": [asdict(summary) for summary in self.common()],
            "samples": [_without_thumbs(sample) for sample in self.samples],
            "outcomes": [_without_thumbs(outcome) for outcome in self.outcomes],
            "published": {
                "layerd_protocol": [asdict(row) for row in published.LAYERD_PROTOCOL],
                "grey_protocol": [asdict(row) for row in published.GREY_PROTOCOL],
                "cld_protocol": [asdict(row) for row in published.CLD_PROTOCOL],
                "caveats": list(published.CAVEATS),
            },
        }


def report_of(plan: Plan, records: Iterable[Record]) -> Report:
    """The report of what is measured so far, in the order of the data set."""
    known = list(records)
    place = {name: index for index, name in enumerate(plan.dataset.names)}
    samples = [record for record in known if isinstance(record, SampleRecord)]
    outcomes = [record for record in known if isinstance(record, Outcome)]
    return Report(
        facts=plan.facts(),
        edits=plan.edits,
        contestants=tuple(contestant.label for contestant in plan.contestants),
        tags=plan.dataset.tags,
        notes=plan.dataset.notes,
        hints=tuple(hint for contestant in plan.contestants for hint in contestant.hints()),
        samples=tuple(sorted(samples, key=lambda sample: place[sample.name])),
        outcomes=tuple(sorted(outcomes, key=lambda outcome: place[outcome.sample])),
        expected=len(place),
        machine=machine(),
        day=str(date.today()),
    )


def machine() -> str:
    """The processor, its cores and Python, as a benchmark's reader wants to know them."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").split("\n")
        cpu = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), cpu)
    python = platform.python_version()
    version = metadata.version("layerstudio")
    return f"{cpu}, {os.cpu_count()} cores, Python {python}, LayerStudio {version}"


def _without_thumbs(record: Record) -> dict[str, Any]:
    return {name: value for name, value in record.to_dict().items() if name != "thumbs"}
