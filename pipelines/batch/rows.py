"""Rows of requests: JSON lines and CSV, each row one item."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from layerstudio.errors import InvalidRequest, LayerStudioError
from layerstudio.generate_request import GenerateRequest
from layerstudio.pipelines.batch.work import AnyRequest
from layerstudio.requests import DecomposeRequest

_MOST_WORDS = 500  # of a problem: it may quote what the row says
MOST_ROW_BYTES = 2**20  # a longer line is no request
_KINDS: Mapping[str, type[AnyRequest]] = {
    "decompose": DecomposeRequest,
    "generate": GenerateRequest,
}
TASKS = (*_KINDS, "convert", "again")
# What a row says beside the request: where from, what it is called.
_OWN = ("task", "source", "name")


@dataclass(frozen=True)
class Row:
    """One row, read: ``problem`` is a sentence instead of a request where it makes no sense.

    ``fields`` are those of the request that the row gives; of "again" those that it changes.
    """

    origin: str
    task: str = "decompose"
    source: str = ""
    name: str = ""
    fields: Mapping[str, Any] | None = None
    problem: str = ""

    def request(self, defaults: Mapping[str, Any]) -> AnyRequest | None:
        """None for a conversion; raises ``InvalidRequest``.

        ``defaults`` are fields of a decomposition that the row need not repeat.
        """
        kind = _KINDS.get(self.task)
        if kind is None:
            return None
        known = defaults if kind is DecomposeRequest else {}
        return kind.from_dict({**known, **(self.fields or {})})


def json_rows(text: Iterator[str], origin: str) -> Iterator[Row]:
    """A row of each line that is not empty; a line that is no object is a plain path."""
    for number, line in enumerate(text, 1):
        line = line.strip()
        if line:
            yield _json_row(line, f"{origin}, line {number}")


def csv_rows(text: str, origin: str) -> Iterator[Row]:
    """Columns are named in the first row; ``settings.NAME`` is a setting of the method.

    A cell is JSON where it reads as JSON (numbers, lists of boxes), else text; empty cells count
    as not given. Raises ``InvalidRequest`` for a table without a header.
    """
    table = csv.DictReader(io.StringIO(text), strict=True)
    try:
        if not table.fieldnames:
            raise InvalidRequest(f"{origin} has no header row with the names of its columns.")
        for cells in table:
            yield _csv_row(cells, f"{origin}, row {table.line_num}")
    except csv.Error as error:
        raise InvalidRequest(f"{origin}, row {table.line_num}: {error}.") from None


def _json_row(line: str, origin: str) -> Row:
    if len(line) > MOST_ROW_BYTES:
        return Row(origin, problem="The line is too long for a request.")
    if not line.startswith("{"):
        return Row(origin, source=line)
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Row(origin, problem=f"The line is not JSON: {error}.")
    return row_of(data, origin)


def _csv_row(cells: Mapping[str | Any, Any], origin: str) -> Row:
    if None in cells or None in cells.values():
        return Row(origin, problem="The row has another number of cells than the header.")
    data: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for column, cell in cells.items():
        if not cell.strip():
            continue
        value = cell if column in ("source", "name", "prompt", "base") else _value(cell)
        if column.startswith("settings."):
            nested.setdefault("settings", {})[column.removeprefix("settings.")] = value
        else:
            data[column] = value
    if nested and "settings" in data:
        return Row(origin, problem="settings are one column, or columns named settings.NAME.")
    return row_of({**data, **nested}, origin)


def _value(cell: str) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


def row_of(data: Mapping[str, Any], origin: str) -> Row:
    """A row from the fields of a request, and task, source and name beside them."""
    task = data.get("task", "generate" if "prompt" in data and "source" not in data else None)
    task = task or "decompose"
    fields = {key: value for key, value in data.items() if key not in _OWN}
    source, name = data.get("source") or "", data.get("name") or ""
    problem = ""
    if task not in TASKS:
        problem = f"There is no task {str(task)[:80]!r}; there are {', '.join(TASKS)}."
    elif not isinstance(source, str) or not isinstance(name, str):
        problem = "source and name are text."
    elif not source and task != "generate":
        problem = f"To {task}, the row needs a source."
    elif source and task == "generate":
        problem = "A generation has no source; pictures to start from are its inputs."
    row = Row(origin, str(task), str(source), str(name), fields, problem)
    if problem or task not in _KINDS:
        return row
    try:
        row.request({})
    except LayerStudioError as error:
        return Row(origin, row.task, row.source, row.name, fields, str(error)[:_MOST_WORDS])
    return row
