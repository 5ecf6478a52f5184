"""How long a job will take: from its progress so far, and from earlier runs on this machine.

Runs are kept in a small file of the user's, so that the first job after a start has an estimate
too. The file is a convenience: what cannot be read or written is done without.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_KEPT = 8  # runs of one kind; machines, drivers and methods change
_MOST_KEYS = 400
_LONGEST_KEY = 200
# Progress is only believed after this much of it: what loads first is not what repeats.
_TOO_EARLY = 0.02


@dataclass(frozen=True)
class Measure:
    """What runs are compared by: ``key`` says what was done and how, ``size`` how much of it
    (megapixels times pictures)."""

    key: str
    size: float


class Timings:
    """Seconds of earlier runs, thread-safe; ``path`` None keeps them in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._runs: dict[str, list[tuple[float, float]]] = dict(_read(path)) if path else {}

    def add(self, measure: Measure, seconds: float) -> None:
        """Remember a run that ended well."""
        if not (measure.size > 0 and math.isfinite(seconds) and seconds >= 0):
            return
        with self._lock:
            runs = self._runs.pop(measure.key[:_LONGEST_KEY], [])
            self._runs[measure.key[:_LONGEST_KEY]] = [*runs, (measure.size, seconds)][-_KEPT:]
            while len(self._runs) > _MOST_KEYS:
                self._runs.pop(next(iter(self._runs)))
            if self._path is not None:
                _write(self._path, self._runs)

    def seconds(self, measure: Measure) -> float | None:
        """What a run would take: the mean of earlier ones, each scaled to this size, those of
        about the same size counting most; None where there was none."""
        with self._lock:
            runs = list(self._runs.get(measure.key[:_LONGEST_KEY], ()))
        if not runs or measure.size <= 0:
            return None
        weights = [1 / (0.1 + abs(math.log(measure.size / size))) for size, _ in runs]
        scaled = [seconds * measure.size / size for size, seconds in runs]
        return sum(w * s for w, s in zip(weights, scaled, strict=True)) / sum(weights)


def remaining(elapsed: float, fraction: float | None, expected: float | None) -> float | None:
    """Seconds to the end of a running job, None if nothing is known.

    ``expected`` is what earlier runs took in all. The further a job is, the more its own speed
    counts: both answers are weighted by the part that is done.
    """
    done = fraction or 0.0
    own = elapsed * (1 - done) / done if done > _TOO_EARLY else None
    before = None if expected is None else max(expected - elapsed, expected * (1 - done) * 0.5)
    if own is None or before is None:
        return before if own is None else own
    return done * own + (1 - done) * before


def default_path() -> Path:
    """Beside the error log: state of the user's, no settings and no cache."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(home) / "layerstudio" / "timings.json"


def _read(path: Path) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        items = list(found.items())[:_MOST_KEYS]
    except (OSError, ValueError, AttributeError, RecursionError):
        return
    for key, runs in items:
        with suppress(TypeError, ValueError):
            pairs = [(float(size), float(seconds)) for size, seconds in runs][-_KEPT:]
            good = [(a, b) for a, b in pairs if 0 < a < math.inf and 0 <= b < math.inf]
            if good:
                yield str(key)[:_LONGEST_KEY], good


def _write(path: Path, runs: dict[str, list[tuple[float, float]]]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(runs), encoding="utf-8")
        os.replace(partial, path)
