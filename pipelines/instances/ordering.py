"""From far to near: what depth and contours say about every pair, made one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerstudio.color import F32
from layerstudio.geometry import Extent
from layerstudio.ops.occlusion import Evidence, evidence_of, median_nearness
from layerstudio.ops.order_graph import far_to_near
from layerstudio.pipelines.stages.contracts import Segment


@dataclass(frozen=True, eq=False)
class Stack:
    """``segments`` from far to near; ``touching`` are pairs of them (behind, front) that share a
    contour, as they lie in the stack; ``mutual`` are those that also hide each other the other
    way round, as far as the evidence goes."""

    segments: tuple[Segment, ...]
    touching: tuple[tuple[int, int], ...]
    mutual: tuple[tuple[int, int], ...]


def stacked(segments: Sequence[Segment], extent: Extent, nearness: F32 | None) -> Stack:
    """``nearness`` (h, w) of the same picture, or None: contours alone decide then."""
    masks = [segment.on_canvas(extent) for segment in segments]
    evidence = evidence_of(masks, extent, nearness)
    edges = [edge for one in evidence if (edge := one.edge()) is not None]
    ordered = far_to_near(len(segments), edges, median_nearness(masks, nearness))
    rank = {index: place for place, index in enumerate(ordered.order)}
    return Stack(
        tuple(segments[index] for index in ordered.order),
        tuple(sorted(_in_order(one, rank) for one in evidence)),
        tuple(sorted((rank[edge.front], rank[edge.behind]) for edge in ordered.dropped)),
    )


def _in_order(one: Evidence, rank: dict[int, int]) -> tuple[int, int]:
    behind, front = sorted((rank[one.first], rank[one.second]))
    return behind, front
