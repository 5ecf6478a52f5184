"""Tables of a report, as text cells, for every form that a report is written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from layerstudio.metrics.layerd import AggregateRow
from layerstudio.pipelines.evaluation.summary import PSNR_CAP, CldSummary, LayerDMeans, Summary

Better = Literal["", "low", "high"]


@dataclass(frozen=True)
class Column:
    """``group`` is a heading above neighbours that share it; ``better`` says which value wins."""

    title: str
    group: str = ""
    better: Better = ""
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """``rows`` are cells as they are shown; ``best`` are the (row, column) that win theirs."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    best: frozenset[tuple[int, int]] = field(default_factory=frozenset)


def result_tables(summaries: Sequence[Summary], edits: int) -> tuple[Table, ...]:
    """All that is told of the contestants, by protocol."""
    every = (
        layerd_table(summaries, edits),
        colour_table(summaries),
        cld_table(summaries),
        recomposition_table(summaries),
    )
    return tuple(table for table in every if table.rows)


def tag_tables(
    by_tag: Mapping[str, Sequence[Summary]], summaries: Sequence[Summary]
) -> tuple[Table, ...]:
    """For each contestant a row for every kind of sample, the last for all of them."""
    columns = (
        Column("samples", is_text=True),
        Column("n"),
        Column("alpha IoU"),
        Column("RGB L1"),
        Column("alpha IoU, merged"),
        Column("RGB L1, merged"),
        Column("max error"),
        Column("layers (true)"),
        Column("s median"),
        Column("s max"),
    )
    tables = []
    for index, total in enumerate(summaries):
        parts = [*((tag, many[index]) for tag, many in by_tag.items()), ("all", total)]
        rows = tuple(_tag_row(tag, part) for tag, part in parts if part.all)
        if rows:
            tables.append(Table(total.contestant, columns, rows))
    return tuple(tables)


def layerd_table(summaries: Sequence[Summary], edits: int) -> Table:
    """All samples, and below those that LayerD's own command would score where they differ."""
    rows = [_layerd_row(item.contestant, item.all) for item in summaries if item.all]
    best = _best(rows, layerd_columns(edits))
    skipped = {s.contestant: s.count - (s.published.count if s.published else 0) for s in summaries}
    for item in summaries:
        if item.published and skipped[item.contestant]:
            rows.append(_layerd_row(f"{item.contestant} *", item.published))
    notes = tuple(
        f"* {name} without {counted(count, 'sample')} of fewer than two layers on either side, "
        "which LayerD's command leaves out."
        for name, count in skipped.items()
        if count
    )
    return Table(
        "LayerD's protocol, by allowed merges", layerd_columns(edits), tuple(rows), notes, best
    )


def colour_table(summaries: Sequence[Summary]) -> Table:
    """Three readings of the colour error, without merges, and how sure the means are."""
    columns = (
        Column("method", is_text=True),
        Column("samples"),
        Column("protocol ↓", "RGB L1", "low"),
        Column("95 %", "RGB L1"),
        Column("weighted by alpha ↓", "RGB L1", "low"),
        Column("premultiplied ↓", "RGB L1", "low"),
        Column("mean ↑", "alpha IoU", "high"),
        Column("95 %", "alpha IoU"),
        Column("unified ↓", "", "low"),
    )
    rows = []
    for item in summaries:
        if item.all is None:
            continue
        row, colour = item.all.rows[0], item.all.colours[0]
        rows.append(
            (
                item.contestant,
                str(item.count),
                four(row.rgb_l1),
                "{:.4f}–{:.4f}".format(*item.all.rgb_l1_interval),
                four(colour.weighted_l1),
                four(colour.premul_l1),
                four(row.alpha_iou),
                "{:.4f}–{:.4f}".format(*item.all.alpha_iou_interval),
                four((row.rgb_l1 + 1 - row.alpha_iou) / 2),
            )
        )
    notes = (
        "Without merges. “Protocol” counts every pixel where the true layer has alpha above 0 "
        "alike, as LayerD's code does; “weighted by alpha” is what its paper says. Intervals are "
        "a bootstrap over samples.",
    )
    return Table("Readings of the colour error", columns, tuple(rows), notes, _best(rows, columns))


def cld_table(summaries: Sequence[Summary]) -> Table:
    columns = (
        Column("method", is_text=True),
        Column("paired", is_text=True),
        Column("samples"),
        Column("layers"),
        Column("missing"),
        Column("surplus"),
        Column("PSNR ↑", "layers", "high"),
        Column("SSIM ↑", "layers", "high"),
        Column("IoU ↑", "masks", "high"),
        Column("precision ↑", "masks", "high"),
        Column("recall ↑", "masks", "high"),
        Column("F1 ↑", "masks", "high"),
        Column("PSNR ↑", "composite", "high"),
        Column("SSIM ↑", "composite", "high"),
    )
    rows = [_cld_row(item.contestant, "at least cost", item.cld) for item in summaries if item.cld]
    best = _best(rows, columns)
    rows += [
        _cld_row(item.contestant, "by index", item.cld_by_index)
        for item in summaries
        if item.cld_by_index
    ]
    notes = [
        "The protocol pairs layers by index, which it can where boxes ask for each, or where the "
        "counts agree; even then a method that was given no boxes has an order of its own. “At "
        "least cost” is the best assignment of one layer to one. A true layer without a partner is "
        "compared with an empty one; surplus layers do not count.",
        "FID is not computed: it needs Inception weights, and CLD's is on class scores, so that it "
        f"compares with no other. A PSNR above {PSNR_CAP:.0f} dB counts as {PSNR_CAP:.0f} dB.",
    ]
    notes += [
        f"{item.contestant}: {item.cld.grown} boxes below 7 x 7 pixels were taken larger; CLD's "
        "command drops such samples."
        for item in summaries
        if item.cld and item.cld.grown
    ]
    return Table("CLD's protocol", columns, tuple(rows), tuple(notes), best)


def recomposition_table(summaries: Sequence[Summary]) -> Table:
    columns = (
        Column("method", is_text=True),
        Column("samples"),
        Column("failed"),
        Column("exact"),
        Column("largest ↓", "recomposition error, 8-bit levels", "low"),
        Column("mean ↓", "recomposition error, 8-bit levels", "low"),
        Column("off by > 2 ↓", "", "low"),
        Column("PSNR ↑", "", "high"),
        Column("found", "layers"),
        Column("true", "layers"),
        Column("median", "seconds", "low"),
        Column("longest", "seconds", "low"),
    )
    rows = []
    for item in summaries:
        error = item.recomposition
        if error is None:
            rows.append((item.contestant, "0", str(item.failed), *["–"] * 9))
            continue
        rows.append(
            (
                item.contestant,
                str(item.count),
                str(item.failed),
                f"{100 * error.exact / item.count:.0f} %",
                f"{255 * error.max_error:.2f}",
                f"{255 * error.mean_error:.3f}",
                f"{100 * error.share_off_by_2:.3f} %",
                f"{error.psnr:.2f} dB",
                f"{item.layers:.1f}",
                f"{item.true_layers:.1f}",
                f"{item.seconds_median:.2f}",
                f"{item.seconds_max:.2f}",
            )
        )
    notes = (
        "The predicted layers put together, against the picture. “Exact” is the share of samples "
        "off by one level at most. Seconds are the method's own, loading of weights included; 0 "
        "for results that were read.",
    )
    resized = [f"{s.contestant}: {counted(s.resized, 'sample')}" for s in summaries if s.resized]
    if resized:
        notes += (f"Predictions stretched to the canvas's size: {'; '.join(resized)}.",)
    return Table(
        "Recomposition, layers and time", columns, tuple(rows), notes, _best(rows, columns)
    )


def layerd_columns(edits: int, *, own: bool = True) -> tuple[Column, ...]:
    """Of one's own scores, or of published ones, which have no counts."""
    levels = [str(level) for level in range(edits + 1)]
    first = (Column("method", is_text=True), Column("samples"))
    return (
        *(first if own else (Column("system", is_text=True),)),
        *(Column(level, "RGB L1 ↓ after … merges", "low") for level in levels),
        *(Column(level, "alpha IoU ↑ after … merges", "high") for level in levels),
        *([Column("merges made")] if own else []),
    )


def _layerd_row(name: str, means: LayerDMeans) -> tuple[str, ...]:
    rows: tuple[AggregateRow, ...] = means.rows
    return (
        name,
        str(means.count),
        *(four(row.rgb_l1) for row in rows),
        *(four(row.alpha_iou) for row in rows),
        f"{rows[-1].avg_edits:.2f}",
    )


def _cld_row(name: str, paired: str, found: CldSummary) -> tuple[str, ...]:
    means = found.means
    return (
        name,
        paired,
        *map(str, (found.samples, found.layers, found.missing, found.surplus)),
        f"{means.layer_psnr:.2f}",
        four(means.layer_ssim),
        *map(four, (means.mask_iou, means.mask_precision, means.mask_recall, means.mask_f1)),
        f"{means.composite_psnr:.2f}",
        four(means.composite_ssim),
    )


def _tag_row(tag: str, summary: Summary) -> tuple[str, ...]:
    assert summary.all is not None and summary.recomposition is not None
    first, last = summary.all.rows[0], summary.all.rows[-1]
    return (
        tag,
        str(summary.count),
        *map(four, (first.alpha_iou, first.rgb_l1, last.alpha_iou, last.rgb_l1)),
        f"{255 * summary.recomposition.max_error:.2f}/255",
        f"{summary.layers:.1f} ({summary.true_layers:.1f})",
        f"{summary.seconds_median:.2f}",
        f"{summary.seconds_max:.2f}",
    )


def _best(rows: Sequence[Sequence[str]], columns: Sequence[Column]) -> frozenset[tuple[int, int]]:
    """The winners of each column as shown, all of them where several tie; none of a single row."""
    if len(rows) < 2:
        return frozenset()
    found = set()
    for index, column in enumerate(columns):
        values = [_number(row[index]) for row in rows]
        known = [value for value in values if value is not None]
        if column.better and known:
            winner = min(known) if column.better == "low" else max(known)
            found |= {(row, index) for row, value in enumerate(values) if value == winner}
    return frozenset(found)


def _number(cell: str) -> float | None:
    try:
        return float(cell.split()[0])
    except ValueError:
        return None


def four(value: float) -> str:
    """Four digits, as the papers print them."""
    return f"{value:.4f}"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
