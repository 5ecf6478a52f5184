"""What a run has measured so far, line by line, so that it can be stopped and gone on with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.pipelines.evaluation.plan import Record
from layerstudio.pipelines.evaluation.scores import Outcome, SampleRecord

NAME = "journal.jsonl"
_VERSION = 1


class Journal:
    """A file of JSON lines: the run's facts, then for each sample one line with its records."""

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self.path = path
        self.facts = json.loads(json.dumps(facts))  # as they are read back: no tuples

    def start(self) -> None:
        """Begin anew; what was in the file is gone."""
        head = {"layerstudio-bench": _VERSION, "facts": self.facts}
        self.path.write_text(json.dumps(head) + "\n", encoding="utf-8")

    def add(self, batch: Iterable[Record]) -> None:
        """One line, written through at once."""
        data = [record.to_dict() for record in batch]
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(data) + "\n")

    def resume(self) -> list[Record]:
        """All that was measured; a last line that a crash cut off is dropped from the file.

        Raises ``UnreadableFile`` for what is no journal and ``InvalidRequest`` for another run's.
        """
        if not self.path.is_file():
            raise UnreadableFile(
                f"There is nothing to go on with: {str(self.path)!r} is not there."
            )
        lines = self.path.read_text(encoding="utf-8").splitlines()
        head = _loaded(lines[0]) if lines else None
        if not isinstance(head, dict) or head.get("layerstudio-bench") != _VERSION:
            raise UnreadableFile(f"{str(self.path)!r} is not the journal of a benchmark.")
        if head["facts"] != self.facts:
            raise InvalidRequest(
                "The journal is that of another run.",
                advice="Give the same options as then, or --overwrite to start over.",
            )
        whole = [line for line in lines[1:] if _loaded(line) is not None]
        self.path.write_text("\n".join([lines[0], *whole]) + "\n", encoding="utf-8")
        return [record_from(data) for line in whole for data in json.loads(line)]


def record_from(data: Mapping[str, Any]) -> Record:
    return Outcome.from_dict(data) if "contestant" in data else SampleRecord.from_dict(data)


def _loaded(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
