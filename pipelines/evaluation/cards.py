"""Single samples in a report: which are the worst, and what each contestant made of them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from layerstudio.io.xml_text import xml_text
from layerstudio.pipelines.evaluation.report import Report
from layerstudio.pipelines.evaluation.scores import Outcome, SampleRecord, Scores, Thumb
from layerstudio.pipelines.evaluation.summary import capped
from layerstudio.pipelines.evaluation.tables import Column, Table, counted
from layerstudio.pipelines.evaluation.thumbs import MAX_THUMBS

_FAILED_COST = 2.0  # above every cost, which is 1 at most


def ranked(report: Report) -> list[SampleRecord]:
    """Samples that were read, the worst first; equally bad ones in the data set's order."""
    costs: dict[str, list[float]] = {}
    for outcome in report.outcomes:
        scores = outcome.scores
        cost = _FAILED_COST if scores is None else scores.layerd.at(0).cost
        costs.setdefault(outcome.sample, []).append(cost)
    read = [sample for sample in report.samples if not sample.error and sample.name in costs]
    return sorted(read, key=lambda s: -sum(costs[s.name]) / len(costs[s.name]))


def card(report: Report, sample: SampleRecord) -> str:
    """The sample's picture and true layers, and below a row for each contestant."""
    mine = [outcome for outcome in report.outcomes if outcome.sample == sample.name]
    facts = [sample.size, counted(sample.true_layers, "layer"), *sample.tags]
    if sample.truth_error > 1.5 / 255:
        facts.append(f"true layers differ from the picture by up to {_levels(sample.truth_error)}")
    rows = "".join(_made(outcome) for outcome in mine)
    return (
        f'<article class="card"><h3>{_text(sample.name)}<small>{_text(", ".join(facts))}</small>'
        f"</h3>{_strip(sample.thumbs, sample.true_layers, flat=True)}{_details(sample.notes)}"
        f"{rows}</article>"
    )


def every_table(report: Report) -> Table:
    """A row for each sample and contestant."""
    columns = (
        Column("sample", is_text=True),
        Column("method", is_text=True),
        Column("true", "layers"),
        Column("found", "layers"),
        Column("RGB L1", "without merges"),
        Column("alpha IoU", "without merges"),
        Column("RGB L1", f"{report.edits} merges"),
        Column("alpha IoU", f"{report.edits} merges"),
        Column("mask IoU", "CLD"),
        Column("error"),
        Column("seconds"),
    )
    rows = tuple(_row(outcome, report.edits) for outcome in report.outcomes)
    notes = ("Error: the largest difference after putting the layers together, in 8-bit levels.",)
    return Table("", columns, rows, notes)


def _row(outcome: Outcome, edits: int) -> tuple[str, ...]:
    scores = outcome.scores
    if scores is None:
        return (outcome.sample, outcome.contestant, *["–"] * 9)
    rows = scores.layerd.at(0), scores.layerd.at(edits)
    return (
        outcome.sample,
        outcome.contestant,
        str(scores.true_layers),
        str(scores.layers),
        *(f"{value:.4f}" for row in rows for value in (row.rgb_l1, row.alpha_iou)),
        _mask_iou(scores),
        f"{255 * scores.recomposition.max_error:.2f}",
        f"{scores.seconds:.2f}",
    )


def _mask_iou(scores: Scores) -> str:
    if scores.cld is None:
        return "–"
    rows = scores.cld.assigned.layers
    return f"{sum(row.iou for row in rows) / len(rows):.4f}"


def _made(outcome: Outcome) -> str:
    name = f"<b>{_text(outcome.contestant)}</b>"
    if outcome.scores is None:
        fault = f"<details><summary>Traceback</summary><pre>{_text(outcome.fault)}</pre></details>"
        failed = f'<p>{name}<span class="bad">{_text(outcome.error)}</span></p>'
        return f'<div class="made">{failed}{fault if outcome.fault else ""}</div>'
    facts = _text(" · ".join(_facts(outcome.scores)))
    strip = _strip(outcome.thumbs, outcome.scores.layers)
    return f'<div class="made"><p>{name}{facts}</p>{strip}{_details(outcome.notes)}</div>'


def _facts(scores: Scores) -> Iterable[str]:
    first = scores.layerd.at(0)
    yield f"RGB L1 {first.rgb_l1:.4f}"
    yield f"alpha IoU {first.alpha_iou:.4f}"
    if len(scores.layerd.rows) > 1:
        last = scores.layerd.rows[-1]
        yield f"{last.rgb_l1:.4f} and {last.alpha_iou:.4f} after {counted(last.edits, 'merge')}"
    yield counted(scores.layers, "layer")
    yield f"recomposes to {_levels(scores.recomposition.max_error)}"
    if scores.cld is not None:
        yield f"composite {capped(scores.cld.assigned.composite_psnr):.1f} dB"
    if scores.seconds:
        yield f"{scores.seconds:.2f} s"
    if scores.resized_from:
        yield f"stretched from {scores.resized_from}"
    if not scores.is_published:
        yield "LayerD's command would skip this sample"


def _strip(thumbs: tuple[Thumb, ...], layers: int, *, flat: bool = False) -> str:
    """``flat`` says that the first one is the picture, not a layer."""
    figures = [
        f"<figure{' class=flat' if flat and not index else ''}>"
        f'<img alt="{_text(thumb.caption)}" src="data:image/webp;base64,{thumb.webp}">'
        f'<figcaption title="{_text(thumb.caption)}">{_text(thumb.caption)}</figcaption></figure>'
        for index, thumb in enumerate(thumbs)
    ]
    more = layers - MAX_THUMBS
    if more > 0 and thumbs:
        figures.append(f"<figure><figcaption>and {more} more</figcaption></figure>")
    return f'<div class="strip">{"".join(figures)}</div>' if figures else ""


def _details(notes: tuple[str, ...]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{_text(note)}</li>" for note in notes)
    return f"<details><summary>{counted(len(notes), 'note')}</summary><ul>{items}</ul></details>"


def _levels(error: float) -> str:
    return f"{255 * error:.3g}/255"


def _text(text: str) -> str:
    return escape(xml_text(text))
