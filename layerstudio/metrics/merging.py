"""Merge edits: the granularity of two stacks is evened out, two neighbours at a time."""

from __future__ import annotations

from dataclasses import dataclass

from layerstudio.metrics.pairs import PairScores
from layerstudio.metrics.sheets import Sheet
from layerstudio.metrics.warping import Path

_FEWEST_LAYERS = 2  # a stack is never merged below this many, as in LayerD's evaluation


@dataclass(frozen=True, eq=False)
class Merge:
    """Replace the layers ``index`` and ``index + 1`` by ``merged``."""

    gain: float
    index: int
    merged: Sheet

    def applied(self, stack: list[Sheet]) -> list[Sheet]:
        return [*stack[: self.index], self.merged, *stack[self.index + 2 :]]


class Merger:
    """Finds the most useful merge of neighbours; merged candidates are made once."""

    def __init__(self, scores: PairScores) -> None:
        self._scores = scores
        self._candidates: dict[tuple[Sheet, Sheet], Sheet] = {}

    def best(self, stack: list[Sheet], others: list[Sheet], path: Path) -> Merge | None:
        """The merge in ``stack`` that gains most, the lowest of equals; None where none gains.

        ``path`` pairs indices of ``stack`` with indices of ``others``.
        """
        best: Merge | None = None
        if len(stack) <= _FEWEST_LAYERS:
            return None
        for index in range(len(stack) - 1):
            partners = [[others[j] for i, j in path if i == own] for own in (index, index + 1)]
            merge = self._merge(stack, index, partners)
            if merge.gain > (best.gain if best else 0.0):
                best = merge
        return best

    def _merge(self, stack: list[Sheet], index: int, partners: list[list[Sheet]]) -> Merge:
        """The merge at ``index`` and what it gains in similarity to the layers' partners.

        The merged layer takes over the lower layer's partners; the upper one's are taken over by
        whichever is best, and where the layer above would do better with either set, that counts.
        """
        lower, upper = stack[index : index + 2]
        merged = self._candidate(lower, upper)
        now = self._likeness(lower, partners[0]) + self._likeness(upper, partners[1])
        ways = [self._likeness(merged, partners[1])]
        for above in stack[index + 2 : index + 3]:
            ways += [self._likeness(above, theirs) for theirs in partners]
        then = max(ways) + self._likeness(merged, partners[0])
        merged.release()
        return Merge(then - now, index, merged)

    def _candidate(self, lower: Sheet, upper: Sheet) -> Sheet:
        if (lower, upper) not in self._candidates:
            self._candidates[lower, upper] = lower.under(upper)
        return self._candidates[lower, upper]

    def _likeness(self, sheet: Sheet, partners: list[Sheet]) -> float:
        """The published code measures colour on the support of the partner, here as there, also
        where the edited stack is the truth."""
        return sum(1 - self._scores.cost(sheet, partner) for partner in partners)
