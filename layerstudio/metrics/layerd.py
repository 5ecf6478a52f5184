"""LayerD's protocol: how well two stacks match, and how well after a few merges.

Source: Suzuki et al., "LayerD: Decomposing Raster Graphic Designs into Layers" (ICCV 2025,
arXiv 2509.25134) and its published evaluation, whose values these are to 1e-6. Layers that do not
overlap are grouped, the groups of both stacks are aligned by dynamic time warping, and RGB L1 and
soft alpha IoU are averaged over the aligned pairs. Then, up to five times, the two neighbours
whose merge helps most are merged, in either stack, and the score is taken again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from layerstudio.metrics.grouping import group_layers
from layerstudio.metrics.merging import Merger
from layerstudio.metrics.pairs import PairScores
from layerstudio.metrics.sheets import Sheet, Stack, check_stacks
from layerstudio.metrics.warping import Path, warping_path

MAX_EDITS = 5  # the published default


class Row(NamedTuple):
    """The score after ``edits`` merges: RGB L1 (lower is better), alpha IoU, both in [0, 1]."""

    edits: int
    rgb_l1: float
    alpha_iou: float

    @property
    def cost(self) -> float:
        """(RGB L1 + 1 - alpha IoU) / 2: the unified score, lower is better."""
        return (self.rgb_l1 + 1 - self.alpha_iou) / 2


class ColourRow(NamedTuple):
    """Two other readings of "RGB L1" over the same pairs, in [0, 1], lower is better: weighted by
    the truth's alpha, and of premultiplied colour. Neither is the published code's."""

    weighted_l1: float
    premul_l1: float


class LayerDScore(NamedTuple):
    """Rows for 0, 1, 2 ... merges, up to the last merge that helped; ``colours`` has as many rows
    where they were asked for, else none."""

    rows: tuple[Row, ...]
    colours: tuple[ColourRow, ...] = ()

    def at(self, edits: int) -> Row:
        """The row with at most ``edits`` merges allowed: the last one, where fewer helped."""
        assert edits >= 0, edits
        return self.rows[min(edits, len(self.rows) - 1)]


@dataclass(frozen=True)
class AggregateRow:
    """Means over samples with at most ``max_edits`` merges allowed in each.

    ``avg_edits`` is the mean number of merges made, ``count`` the samples that made them all.
    """

    max_edits: int
    avg_edits: float
    rgb_l1: float
    alpha_iou: float
    count: int


def evaluate(
    predicted: Stack, truth: Stack, max_edits: int = MAX_EDITS, *, colours: bool = False
) -> LayerDScore:
    """Score ``predicted`` against ``truth``: (h, w, 4) uint8 layers of one size, bottom to top.

    Layer counts may differ, and either stack may have one layer (the published command skips
    such samples). Colour under alpha 0 counts where the other layer has alpha > 0. Merges whose
    gains differ by rounding alone may be taken in another order than by the published code.
    ``colours`` asks for the other readings of the colour error. Raises ``InvalidRequest`` for empty
    stacks and for layers of different sizes.
    """
    check_stacks(predicted, truth)
    ours, theirs = (
        [Sheet.of(group) for group in group_layers(stack)] for stack in (predicted, truth)
    )
    scores = PairScores()
    merger = Merger(scores)
    path, row = _aligned(ours, theirs, scores, edits=0)
    rows = [row]
    others = [_colour_row(ours, theirs, path, scores)] if colours else []
    while len(rows) <= max_edits:
        here = merger.best(ours, theirs, path)
        there = merger.best(theirs, ours, [(j, i) for i, j in path])
        if here is not None and (there is None or here.gain > there.gain):
            ours = here.applied(ours)
        elif there is not None:
            theirs = there.applied(theirs)
        else:
            break
        path, row = _aligned(ours, theirs, scores, edits=len(rows))
        rows.append(row)
        if colours:
            others.append(_colour_row(ours, theirs, path, scores))
    return LayerDScore(tuple(rows), tuple(others))


def aggregate(scores: Sequence[LayerDScore]) -> tuple[AggregateRow, ...]:
    """Means over samples for 0, 1, 2 ... allowed merges; a sample that stopped earlier counts
    with its last row. No samples give no rows."""
    levels = max((len(score.rows) for score in scores), default=0)
    return tuple(_aggregate_row(scores, level) for level in range(levels))


def _aggregate_row(scores: Sequence[LayerDScore], level: int) -> AggregateRow:
    rows = [score.at(level) for score in scores]
    return AggregateRow(
        max_edits=level,
        avg_edits=float(np.mean([row.edits for row in rows])),
        rgb_l1=float(np.mean([row.rgb_l1 for row in rows])),
        alpha_iou=float(np.mean([row.alpha_iou for row in rows])),
        count=sum(row.edits == level for row in rows),
    )


def _aligned(
    predicted: list[Sheet], truth: list[Sheet], scores: PairScores, edits: int
) -> tuple[Path, Row]:
    """The warping path, and the mean scores of its pairs."""
    path = warping_path(np.array([[scores.cost(p, t) for t in truth] for p in predicted]))
    pairs = [(predicted[i], truth[j]) for i, j in path]
    rgb_l1 = float(np.mean([scores.rgb_l1(*pair) for pair in pairs]))
    alpha_iou = float(np.mean([scores.alpha_iou(*pair) for pair in pairs]))
    return path, Row(edits, rgb_l1, alpha_iou)


def _colour_row(
    predicted: list[Sheet], truth: list[Sheet], path: Path, scores: PairScores
) -> ColourRow:
    pairs = [(predicted[i], truth[j]) for i, j in path]
    return ColourRow(
        float(np.mean([scores.weighted_l1(*pair) for pair in pairs])),
        float(np.mean([scores.premul_l1(*pair) for pair in pairs])),
    )
