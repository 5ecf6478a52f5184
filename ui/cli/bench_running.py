"""A benchmark run as a command: the folder of its report, progress, stopping and going on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layerstudio.errors import UnwritableFile
from layerstudio.pipelines.evaluation.journal import NAME, Journal
from layerstudio.pipelines.evaluation.plan import Plan, Record
from layerstudio.pipelines.evaluation.report import Report, report_of
from layerstudio.pipelines.evaluation.report_files import FILES, save_report
from layerstudio.pipelines.evaluation.running import run
from layerstudio.pipelines.evaluation.scores import SampleRecord
from layerstudio.pipelines.evaluation.tables import Table, tag_tables
from layerstudio.progress import Progress, ProgressCallback
from layerstudio.ui.cli.boundary import one_line
from layerstudio.ui.cli.output import print_json, print_table, remark

_SECONDS_BETWEEN_LINES = 30.0


def carried_out(
    plan: Plan,
    jobs: int,
    folder: Path | None,
    pictures: int,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> tuple[Report, bool]:
    """The report, and whether the user stopped the run before its end.

    With a ``folder`` every sample is in its journal as soon as it is done, and the report is
    written there at the end, or when the run is stopped. Raises ``UnwritableFile`` for a folder
    that holds another report and may not be replaced, and what ``Journal.resume`` raises.
    """
    journal = None if folder is None else _journal(plan, folder, resume, overwrite)
    records: list[Record] = journal.resume() if journal and resume else []
    known = {record.name for record in records if isinstance(record, SampleRecord)}
    left = [name for name in plan.dataset.names if name not in known]
    stopped = False
    try:
        with _progress(len(left), quiet) as show:
            for batch in run(plan, left, jobs=jobs, progress=show):
                records.extend(batch)
                if journal:
                    journal.add(batch)
    except KeyboardInterrupt:
        stopped = True
    report = report_of(plan, records)
    if folder is not None:
        save_report(report, folder, pictures)
    return report, stopped


def tell(report: Report, folder: Path | None, as_json: bool) -> None:
    """A table for each contestant, or the JSON, to stdout; to stderr what went wrong, and where the
    report is."""
    if as_json:
        print_json(report.to_dict())
    else:
        for table in tag_tables(report.by_tag(), report.summaries()):
            _print(table)
    for failure in report.failures():
        who = f"{failure.contestant}, " if failure.contestant else ""
        remark(f"{who}{failure.where}: {failure.error}")
    for hint in report.hints:
        remark(f"{hint} Such hints flatter.")
    if report.is_partial:
        go_on = " Go on with --resume." if folder else ""
        remark(f"Stopped after {len(report.samples)} of {report.expected} samples.{go_on}")
    if folder is not None:
        remark(f"The report is {folder / FILES[0]}.")


def _print(table: Table) -> None:
    columns = [table.title if column.is_text else column.title for column in table.columns]
    print_table(columns, table.rows, right=columns[1:])


def _journal(plan: Plan, folder: Path, resume: bool, overwrite: bool) -> Journal:
    journal = Journal(folder / NAME, plan.facts())
    there = [name for name in (NAME, *FILES) if (folder / name).exists()]
    if there and not (resume or overwrite):
        raise UnwritableFile(
            f"{str(folder)!r} holds a report already.",
            advice="Go on with it by --resume, or replace it by --overwrite.",
        )
    try:
        folder.mkdir(exist_ok=True)
        if not resume:
            journal.start()
    except OSError as error:
        reason = error.strerror or error
        raise UnwritableFile(f"{str(folder)!r} cannot hold a report: {reason}.") from error
    return journal


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[ProgressCallback]:
    """A bar with the time that is left, on a terminal; else a line now and then."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not total:
        yield lambda report: None
    elif console.is_terminal:
        with _bar(console, total) as show:
            yield show
    else:
        yield _Lines(total).show


@contextmanager
def _bar(console, total: int) -> Iterator[ProgressCallback]:
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.fields[count]}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.description}"),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=1.0, count=f"0/{total}")

        def show(report: Progress) -> None:
            done = int(report.fraction * total + 1e-6)
            text = escape(one_line(report.stage))
            bars.update(task, completed=report.fraction, description=text, count=f"{done}/{total}")

        yield show


class _Lines:
    """Progress where nobody watches a terminal: a line at most twice a minute."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._start = self._told = time.monotonic()

    def show(self, report: Progress) -> None:
        now = time.monotonic()
        if now - self._told < _SECONDS_BETWEEN_LINES or report.fraction <= 0:
            return
        self._told = now
        left = (now - self._start) * (1 - report.fraction) / report.fraction
        done = int(report.fraction * self._total + 1e-6)
        remark(f"{done}/{self._total}, about {duration(left)} left")


def duration(seconds: float) -> str:
    """Seconds below half a minute, else minutes, and hours where there are some."""
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    if hours:
        return f"{hours} h {rest} min"
    return f"{minutes} min" if minutes else f"{round(seconds)} s"
