"""A report as one web page: no script, no request to anywhere, light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files

from layerstudio.io.xml_text import xml_text
from layerstudio.pipelines.evaluation.cards import card, every_table, ranked
from layerstudio.pipelines.evaluation.charts import COLOURS, line_chart
from layerstudio.pipelines.evaluation.published import CAVEATS
from layerstudio.pipelines.evaluation.published_tables import published_tables
from layerstudio.pipelines.evaluation.report import Report
from layerstudio.pipelines.evaluation.summary import Summary
from layerstudio.pipelines.evaluation.tables import (
    Column,
    Table,
    counted,
    result_tables,
    tag_tables,
)

_TOKEN = re.compile(r"\{\{(\w+)\}\}")


def page(report: Report, pictures: int) -> str:
    """The page, with the pictures of the ``pictures`` worst samples."""
    worst = ranked(report)[:pictures]
    title = " and ".join(filter(None, (", ".join(report.contestants[:-1]), report.contestants[-1])))
    values = {
        "title": _text(f"Benchmark of {title}"),
        "css": _asset("report.css"),
        "facts": _facts(report),
        "warnings": _warnings(report),
        "charts": _charts(report.summaries()),
        "results": _tables(result_tables(report.summaries(), report.edits)),
        "common": _common(report),
        "kinds": _kinds(report),
        "published": _tables(published_tables()),
        "caveats": _items(CAVEATS),
        "failures": _failures(report),
        "lead": _text(_lead(len(worst), len(ranked(report)))),
        "cards": "\n".join(card(report, sample) for sample in worst),
        "every": table_html(every_table(report)),
        "machine": _text(f"{report.machine}. {report.day}."),
    }
    return _TOKEN.sub(lambda match: values[match[1]], _asset("report.html"))


def table_html(table: Table) -> str:
    """The table with its title and notes; it scrolls by itself where it is too wide."""
    title = f"<h3>{_text(table.title)}</h3>" if table.title else ""
    rows = "".join(
        f"<tr>{''.join(_cell(table, y, x) for x in range(len(row)))}</tr>"
        for y, row in enumerate(table.rows)
    )
    notes = f'<ul class="notes">{_items(table.notes)}</ul>' if table.notes else ""
    return (
        f'{title}<div class="scroll"><table><thead>{_head(table.columns)}</thead>'
        f"<tbody>{rows}</tbody></table></div>{notes}"
    )


def _head(columns: Sequence[Column]) -> str:
    """Titles, and above them the groups that neighbours share."""
    titles = "".join(f"<th{_kind(column)}>{_text(column.title)}</th>" for column in columns)
    if not any(column.group for column in columns):
        return f"<tr>{titles}</tr>"
    runs: list[tuple[str, int]] = []
    for column in columns:
        if runs and column.group and runs[-1][0] == column.group:
            runs[-1] = (column.group, runs[-1][1] + 1)
        else:
            runs.append((column.group, 1))
    groups = "".join(
        f'<th class="group" colspan="{count}">{_text(group)}</th>' if group else "<th></th>"
        for group, count in runs
    )
    return f"<tr>{groups}</tr><tr>{titles}</tr>"


def _cell(table: Table, y: int, x: int) -> str:
    text = _text(table.rows[y][x])
    return f"<td{_kind(table.columns[x])}>{f'<b>{text}</b>' if (y, x) in table.best else text}</td>"


def _kind(column: Column) -> str:
    return ' class="text"' if column.is_text else ""


def _facts(report: Report) -> str:
    facts = {
        "Samples": f"{len(report.samples)} of {report.expected}",
        "Data": str(report.facts["dataset"]),
        "Merges": f"up to {report.edits}",
    }
    if report.facts["short_side"]:
        facts["Size"] = f"short side at most {report.facts['short_side']} pixels"
    for label, own in report.facts["contestants"].items():
        facts[label] = _told(own)
    return "".join(f"<dt>{_text(k)}</dt><dd>{_text(v)}</dd>" for k, v in facts.items())


def _told(facts: Mapping) -> str:
    """What a person would type to have the same: what is not the default."""
    if "results" in facts:
        return f"results in {facts['results']}"
    request = facts["request"]
    layers = "truth" if facts["layers_from_truth"] else request["layers"]
    parts = [f"layers {layers}", f"seed {request['seed'] or 0}"]
    parts += ["boxes from truth"] if facts["boxes_from_truth"] else []
    parts += [] if request["exact"] else ["not made exact"]
    parts += [f"base {request['base']}"] if request["base"] else []
    parts += [f"{name} {value}" for name, value in request["settings"].items()]
    parts += [f"{k} {v}" for k, v in facts["runtime"].items() if v not in ("auto", False)]
    return ", ".join(parts)


def _warnings(report: Report) -> str:
    lines = [f"{hint} Such hints flatter." for hint in report.hints]
    if report.is_partial:
        left = counted(report.expected - len(report.samples), "sample")
        lines.insert(0, f"The run was stopped before its end, with {left} to go.")
    if report.unread:
        lines.append(f"Not read, and counted nowhere: {counted(len(report.unread), 'sample')}.")
    if report.failed:
        failed = counted(len(report.failed), "decomposition")
        lines.append(f"Failed: {failed}; means are over those that did not.")
    lines += report.notes
    return f'<ul class="warning">{_items(lines)}</ul>' if lines else ""


def _charts(summaries: Sequence[Summary]) -> str:
    shown = {item.contestant: item.all.rows for item in summaries if item.all}
    if not shown or max(map(len, shown.values())) < 2:
        return ""
    iou = {name: [row.alpha_iou for row in rows] for name, rows in shown.items()}
    rgb = {name: [row.rgb_l1 for row in rows] for name, rows in shown.items()}
    legend = "".join(
        f'<li class="c{number % COLOURS}"><span>{_text(name)}</span></li>'
        for number, name in enumerate(shown)
    )
    figures = "".join(
        f"<figure><figcaption>{title}</figcaption>{line_chart(title, 'allowed merges', lines)}"
        "</figure>"
        for title, lines in (("Alpha soft IoU ↑", iou), ("RGB L1 ↓", rgb))
    )
    return f'<div class="charts">{figures}</div><ul class="legend">{legend}</ul>'


def _common(report: Report) -> str:
    common = report.common()
    if not common:
        return ""
    tables = _tables(result_tables(common, report.edits))
    return f'<section id="common"><h2>The samples that all finished</h2>{tables}</section>'


def _kinds(report: Report) -> str:
    by_tag = report.by_tag()
    if not by_tag:
        return ""
    tables = _tables(tag_tables(by_tag, report.summaries()))
    return f'<section id="kinds"><h2>By kind of sample</h2>{tables}</section>'


def _failures(report: Report) -> str:
    rows = tuple((f.contestant or "not read", f.where, f.error) for f in report.failures())
    if not rows:
        return ""
    titles = ("method", "samples", "what happened")
    table = Table("", tuple(Column(title, is_text=True) for title in titles), rows)
    return f'<section id="failures"><h2>What failed</h2>{table_html(table)}</section>'


def _lead(shown: int, total: int) -> str:
    if shown == 0:
        return "No pictures were asked for."
    which = "All of them" if shown == total else f"The {shown} worst of {total}"
    return (
        f"{which}, the worst first, by the mean of (RGB L1 + 1 - alpha IoU) / 2 without merges. "
        "Layers are shown bottom to top, each as large as the canvas."
    )


def _tables(tables: Iterable[Table]) -> str:
    return "\n".join(map(table_html, tables))


def _items(lines: Iterable[str]) -> str:
    return "".join(f"<li>{_text(line)}</li>" for line in lines)


def _text(text: str) -> str:
    """Escaped; what HTML cannot hold is gone."""
    return escape(xml_text(text))


def _asset(name: str) -> str:
    folder = files("layerstudio.pipelines.evaluation").joinpath("page")
    return folder.joinpath(name).read_text(encoding="utf-8")
