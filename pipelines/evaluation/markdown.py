"""A report as Markdown: its tables, for a page of results or a pull request."""

from __future__ import annotations

from layerstudio.pipelines.evaluation.published import CAVEATS
from layerstudio.pipelines.evaluation.published_tables import published_tables
from layerstudio.pipelines.evaluation.report import Report
from layerstudio.pipelines.evaluation.tables import Table, result_tables, tag_tables


def markdown(report: Report) -> str:
    parts = [f"# Benchmark, {report.day}", _head(report), *_warnings(report)]
    parts += [_section(table, 2) for table in result_tables(report.summaries(), report.edits)]
    common = report.common()
    if common:
        parts.append("## The samples that every method finished")
        parts += [_section(table, 3) for table in result_tables(common, report.edits)]
    by_tag = report.by_tag()
    if by_tag:
        parts.append("## By kind of sample")
        parts += [_section(table, 3) for table in tag_tables(by_tag, report.summaries())]
    parts.append("## Published figures, and what keeps them apart")
    parts += [_section(table, 3) for table in published_tables()]
    parts.append("\n".join(f"- {caveat}" for caveat in CAVEATS))
    if report.failed or report.unread:
        parts.append("## What failed\n\n" + "\n".join(_failures(report)))
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """Headings of groups go before their columns' titles; the best values are bold."""
    heads = [f"{c.group}: {c.title}" if c.group else c.title for c in table.columns]
    marks = ["---" if column.is_text else "---:" for column in table.columns]
    rows = [
        [
            f"**{_safe(cell)}**" if (y, x) in table.best else _safe(cell)
            for x, cell in enumerate(row)
        ]
        for y, row in enumerate(table.rows)
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, marks, *rows))


def _section(table: Table, level: int) -> str:
    notes = "\n".join(f"- {note}" for note in table.notes)
    text = f"{'#' * level} {table.title}\n\n{markdown_table(table)}"
    return f"{text}\n\n{notes}" if notes else text


def _head(report: Report) -> str:
    count = len(report.samples)
    return f"{count} of {report.expected} samples, {report.facts['dataset']}. {report.machine}."


def _warnings(report: Report) -> list[str]:
    lines = [*report.hints, *report.notes]
    if report.is_partial:
        lines.insert(0, "The run was stopped before its end.")
    return ["\n".join(f"> {line}" for line in lines)] if lines else []


def _failures(report: Report) -> list[str]:
    return [
        f"- {failure.contestant or 'not read'}, {_safe(failure.where)}: {_safe(failure.error)}"
        for failure in report.failures()
    ]


def _safe(text: str) -> str:
    """On one line, and without what would end a cell."""
    return " ".join(text.split()).replace("|", "\\|")
