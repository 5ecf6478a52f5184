"""Where things lie: as their words say, else as the planner by rule lays pictures out."""

from __future__ import annotations

from collections.abc import Sequence

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.layout.planning import PlanRequest
from layerstudio.pipelines.multilayer.layout.rules import RulePlanner
from layerstudio.pipelines.studio.reading import Thing

_SHARE = {1: 0.6, 2: 0.46, 3: 0.4, 4: 0.36}  # of the shorter side, by how many things there are
_LEAST_SHARE = 0.3
_MARGIN = 0.04


def boxes_of(things: Sequence[Thing], extent: Extent, seed: int) -> tuple[Bounds, ...]:
    """A square for each thing, within the canvas. Raises ``InvalidRequest`` for one too small."""
    if not things:
        return ()
    captions = tuple(f"object: {thing.caption}" for thing in things)
    wanted = PlanRequest(prompt="", extent=extent, captions=captions, seed=seed)
    planned = RulePlanner().plan(wanted).boxes
    share = _SHARE.get(len(things), _LEAST_SHARE)
    return tuple(
        _placed(thing, box, share, extent) for thing, box in zip(things, planned, strict=True)
    )


def square_in(box: Bounds, extent: Extent) -> Bounds:
    """The square around the middle of ``box`` that holds it, moved onto the canvas."""
    return _square(box.x + box.width / 2, box.y + box.height / 2, max(box.extent), extent)


def _placed(thing: Thing, box: Bounds, share: float, extent: Extent) -> Bounds:
    shorter = min(extent)
    fitting = min(box.extent) if thing.across is None and thing.down is None else shorter
    side = max(8.0, min(share * shorter, fitting) * thing.size)
    x, y = box.x + box.width / 2, box.y + box.height / 2
    margin = _MARGIN * shorter + side / 2
    if thing.across is not None:
        x = margin + thing.across * (extent.width - 2 * margin)
    if thing.down is not None:
        y = margin + thing.down * (extent.height - 2 * margin)
    return _square(x, y, side, extent)


def _square(x: float, y: float, side: float, extent: Extent) -> Bounds:
    size = max(1, min(round(side), *extent))
    left = min(max(0, round(x - size / 2)), extent.width - size)
    top = min(max(0, round(y - size / 2)), extent.height - size)
    return Bounds(left, top, size, size)
