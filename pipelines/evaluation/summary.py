"""Means over many samples, for each contestant, by every protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from layerstudio.metrics import cld, layerd
from layerstudio.metrics.cld import CldMeans
from layerstudio.metrics.layerd import AggregateRow, ColourRow
from layerstudio.pipelines.evaluation.scores import Cld, Outcome, Scores

# A mean has no room for the infinite PSNR of equal pictures; 100 dB is that of a megapixel in which
# twenty values are off by one level.
PSNR_CAP = 100.0
_RESAMPLES = 2000
_LEVEL = 0.95


class Interval(NamedTuple):
    """Where the mean of other samples of the kind would lie, with 95 % confidence."""

    low: float
    high: float


@dataclass(frozen=True)
class LayerDMeans:
    """LayerD's protocol over ``count`` samples: a row for each number of allowed merges, from 0.

    The intervals are those of the first row.
    """

    count: int
    rows: tuple[AggregateRow, ...]
    colours: tuple[ColourRow, ...]
    rgb_l1_interval: Interval
    alpha_iou_interval: Interval


@dataclass(frozen=True)
class CldSummary:
    """CLD's protocol over ``samples`` with ``layers`` true layers; a PSNR counts as 100 dB at most.

    ``equal`` layers were equal to the truth, ``missing`` ones were compared with nothing,
    ``surplus`` predicted ones were left over, ``grown`` boxes taken larger.
    """

    samples: int
    layers: int
    means: CldMeans
    equal: int
    missing: int
    surplus: int
    grown: int


@dataclass(frozen=True)
class RecompositionMeans:
    """Over samples: the largest error of all, means of the others, and the samples that are exact
    to one 8-bit level. In full scale, [0, 1]; a PSNR counts as 100 dB at most."""

    max_error: float
    mean_error: float
    share_off_by_2: float
    psnr: float
    exact: int


@dataclass(frozen=True)
class Summary:
    """One contestant over the samples that it finished; None where there is none.

    ``published`` leaves out what LayerD's own command would skip. ``cld`` pairs layers at least
    cost, ``cld_by_index`` in their order, on the samples where CLD's protocol provides for that.
    """

    contestant: str
    failed: int
    all: LayerDMeans | None
    published: LayerDMeans | None
    cld: CldSummary | None
    cld_by_index: CldSummary | None
    recomposition: RecompositionMeans | None
    seconds_median: float = 0.0
    seconds_max: float = 0.0
    layers: float = 0.0
    true_layers: float = 0.0
    resized: int = 0

    @property
    def count(self) -> int:
        return 0 if self.all is None else self.all.count


def summarise(contestant: str, outcomes: Iterable[Outcome], edits: int) -> Summary:
    """The ``contestant``'s outcomes; rows go up to ``edits`` merges, needed or not."""
    mine = [outcome for outcome in outcomes if outcome.contestant == contestant]
    scores = [outcome.scores for outcome in mine if outcome.scores is not None]
    found = [item.cld for item in scores if item.cld is not None]
    summary = Summary(
        contestant=contestant,
        failed=len(mine) - len(scores),
        all=_layerd_means(scores, edits),
        published=_layerd_means([item for item in scores if item.is_published], edits),
        cld=_cld_summary([(c, c.assigned) for c in found]),
        cld_by_index=_cld_summary([(c, c.by_index) for c in found if c.by_index is not None]),
        recomposition=_recomposition_means(scores),
    )
    if not scores:
        return summary
    seconds = [item.seconds for item in scores]
    return replace(
        summary,
        seconds_median=float(np.median(seconds)),
        seconds_max=max(seconds),
        layers=float(np.mean([item.layers for item in scores])),
        true_layers=float(np.mean([item.true_layers for item in scores])),
        resized=sum(bool(item.resized_from) for item in scores),
    )


def finished_by_all(outcomes: Sequence[Outcome]) -> frozenset[str]:
    """The samples that every contestant of ``outcomes`` finished."""
    contestants = {outcome.contestant for outcome in outcomes}
    done = [
        {o.sample for o in outcomes if o.contestant == contestant and o.scores is not None}
        for contestant in contestants
    ]
    return frozenset(set.intersection(*done)) if done else frozenset()


def capped(psnr: float) -> float:
    return min(psnr, PSNR_CAP)


def _layerd_means(scores: Sequence[Scores], edits: int) -> LayerDMeans | None:
    if not scores:
        return None
    return LayerDMeans(
        count=len(scores),
        rows=_rows([item.layerd for item in scores], edits),
        colours=tuple(_colours(scores, level) for level in range(edits + 1)),
        rgb_l1_interval=_interval([item.layerd.at(0).rgb_l1 for item in scores]),
        alpha_iou_interval=_interval([item.layerd.at(0).alpha_iou for item in scores]),
    )


def _rows(scores: Sequence[layerd.LayerDScore], edits: int) -> tuple[AggregateRow, ...]:
    """The metric's rows, the last one repeated where no sample had use for as many merges."""
    rows = layerd.aggregate(scores)
    more = range(len(rows), edits + 1)
    return (*rows, *(replace(rows[-1], max_edits=level, count=0) for level in more))


def _colours(scores: Sequence[Scores], level: int) -> ColourRow:
    """As the protocol's own rows: a sample that stopped earlier counts with its last."""
    rows = [item.layerd.colours[min(level, len(item.layerd.colours) - 1)] for item in scores]
    return ColourRow(*map(float, np.mean(rows, axis=0)))


def _interval(values: Sequence[float]) -> Interval:
    """The percentile bootstrap of the mean (Efron 1979), drawn from a fixed seed."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(values), (_RESAMPLES, len(values)))
    means = np.asarray(values)[draws].mean(axis=1)
    tail = (1 - _LEVEL) / 2
    return Interval(*map(float, np.quantile(means, (tail, 1 - tail))))


def _cld_summary(found: Sequence[tuple[Cld, cld.CldScore]]) -> CldSummary | None:
    if not found:
        return None
    layers = [row for _, score in found for row in score.layers]
    return CldSummary(
        samples=len(found),
        layers=len(layers),
        means=cld.aggregate([_capped_score(score) for _, score in found]),
        equal=sum(math.isinf(row.psnr) for row in layers),
        missing=sum(item.missing for item, _ in found),
        surplus=sum(item.surplus for item, _ in found),
        grown=sum(item.grown for item, _ in found),
    )


def _capped_score(score: cld.CldScore) -> cld.CldScore:
    layers = tuple(row._replace(psnr=capped(row.psnr)) for row in score.layers)
    return score._replace(layers=layers, composite_psnr=capped(score.composite_psnr))


def _recomposition_means(scores: Sequence[Scores]) -> RecompositionMeans | None:
    if not scores:
        return None
    errors = [item.recomposition for item in scores]
    one_level = 1 / 255 + 1e-6  # errors are float32
    return RecompositionMeans(
        max_error=max(error.max_error for error in errors),
        mean_error=float(np.mean([error.mean_error for error in errors])),
        share_off_by_2=float(np.mean([error.share_off_by_2 for error in errors])),
        psnr=float(np.mean([capped(error.psnr) for error in errors])),
        exact=sum(error.max_error <= one_level for error in errors),
    )
