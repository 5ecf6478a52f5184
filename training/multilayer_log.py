"""What a run reports: ``log.csv`` and ``samples.csv`` always, TensorBoard where it is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from accelerate.utils import LoggerType

Row = Mapping[str, float | int | str]


def trackers() -> list[str | LoggerType | GeneralTracker]:
    """For ``Accelerator(log_with=...)``."""
    return ["tensorboard"] if find_spec("tensorboard") else []


class Table:
    """A CSV file that a resumed run goes on with: rows after ``step`` are dropped first."""

    def __init__(self, path: Path, columns: Sequence[str], step: int) -> None:
        """``columns`` begin with ``step``."""
        self._path = path
        self._columns = columns
        kept = [row for row in self.rows() if int(row["step"]) <= step]
        self._write("w", kept, with_header=True)

    def add(self, row: Row) -> None:
        self._write("a", [row], with_header=False)

    def rows(self) -> list[dict[str, Any]]:
        if not self._path.is_file():
            return []
        with self._path.open(newline="") as file:
            return list(csv.DictReader(file))

    def _write(self, mode: str, rows: Sequence[Row], *, with_header: bool) -> None:
        with self._path.open(mode, newline="") as file:
            writer = csv.DictWriter(file, self._columns, lineterminator="\n")
            if with_header:
                writer.writeheader()
            writer.writerows(rows)


def track(accelerator: Accelerator, values: Row, step: int) -> None:
    """Numbers of a row to TensorBoard."""
    if accelerator.log_with:
        numbers = {name: value for name, value in values.items() if name != "step"}
        accelerator.log(numbers, step=step)
