"""Fewer layers: what a person would miss least as a layer of its own is merged first.

Merges are planned on boxes and areas; pixels are painted once, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.casting import caster_of
from layerstudio.pipelines.flat.element import Element

_STEP_BY_STEP = 120  # elements; with more of them many merges are decided in one look
_SHARE_AT_ONCE = 4  # of the merges still to make, one in so many

# Factors on the cost of a pair, which is the area of the smaller one times how far apart they are.
_CASTER = 0.02  # a shadow and what throws it
_SAME_ROLE = 0.25
_TEXTS = 1.0  # joined they are no live text any more
_CARRIED = 0.35  # something on a panel that holds it
_CARRIED_TEXT = 2.0
_UNLIKE = 4.0
_SHADOW = 50.0  # a shadow and anything else


def merge_to(elements: Sequence[Element], count: int) -> list[Element]:
    """At most ``count`` (1 or more) elements bottom to top, the same where they are as few.

    The background is one of them, and stays alone unless a single element is wanted.
    """
    if len(elements) <= count:
        return list(elements)
    if count == 1:
        return [merged(elements)]
    plan = _Plan.of(elements)
    while len(plan.members) > count:
        surplus = len(plan.members) - count
        many = len(plan.members) > _STEP_BY_STEP
        plan.merge(max(1, surplus // _SHARE_AT_ONCE) if many else 1)
    return [merged([elements[index] for index in group]) for group in plan.members]


def merged(elements: Sequence[Element]) -> Element:
    """All of them, bottom to top, as one element: source-over of their straight colours."""
    if len(elements) == 1:
        return elements[0]
    bounds = Bounds.around(element.bounds for element in elements)
    alpha = np.zeros(bounds.extent.shape, np.float32)
    colour_premul = np.zeros((*alpha.shape, 3), np.float32)
    for element in elements:
        view = element.bounds.relative_to(bounds).slices
        rest = 1 - element.alpha
        colour_premul[view] *= rest[..., None]
        colour_premul[view] += element.colour * element.alpha[..., None]
        alpha[view] = element.alpha + alpha[view] * rest
    colour = np.divide(
        colour_premul, alpha[..., None], out=colour_premul, where=alpha[..., None] > 0
    )
    main = _main(elements)
    role = Role.OBJECT if main.role is Role.TEXT and _is_mixed(elements) else main.role
    shape = main.shape if role is main.role else "drawing"
    return replace(
        main,
        role=role,
        shape=shape,
        bounds=bounds,
        alpha=alpha,
        colour=colour,
        block=None,
        text=None,
    )


def _main(elements: Sequence[Element]) -> Element:
    """The element that gives its name: the background, else the largest that is no shadow."""

    def rank(element: Element) -> tuple[bool, bool, float]:
        return (
            element.role is Role.BACKGROUND,
            element.role is not Role.SHADOW,
            float(element.alpha.sum()),
        )

    return max(elements, key=rank)


def _is_mixed(elements: Sequence[Element]) -> bool:
    return len({element.role for element in elements} - {Role.SHADOW}) > 1


@dataclass(eq=False)
class _Plan:
    """Groups of elements bottom to top: ``members`` are their indices, ``boxes`` (n, 4) the edges
    left, top, right, bottom, ``weights`` (n,) sums of alpha, ``roles`` those of the largest, and
    ``casters`` for each shadow the index of the element that throws it."""

    members: list[list[int]]
    boxes: NDArray[np.int64]
    weights: NDArray[np.float64]
    roles: list[Role]
    casters: list[int | None]

    @classmethod
    def of(cls, elements: Sequence[Element]) -> _Plan:
        boxes = [(e.bounds.x, e.bounds.y, e.bounds.right, e.bounds.bottom) for e in elements]
        return cls(
            [[index] for index in range(len(elements))],
            np.array(boxes, np.int64),
            np.array([float(e.alpha.sum()) for e in elements]),
            [e.role for e in elements],
            [
                caster_of(elements, index) if e.role is Role.SHADOW else None
                for index, e in enumerate(elements)
            ],
        )

    def merge(self, wanted: int) -> None:
        """Merge the ``wanted`` cheapest pairs that share no element, or fewer, but one at least."""
        overlap = self._overlaps()
        cost = self._costs(overlap)
        order = np.argsort(cost, axis=None, kind="stable")[: 8 * wanted]
        gone: list[int] = []
        touched: set[int] = set()
        for low, high in zip(*np.unravel_index(order, cost.shape), strict=True):
            low, high = int(low), int(high)
            if not np.isfinite(cost[low, high]) or len(gone) == wanted:
                break
            if not touched & {low, high} and self._can_sink(low, high, gone):
                self._join(low, high)
                touched |= {low, high}
                gone.append(high)
        assert gone, "neighbours in the stack can always be merged"
        self._remove(gone)

    def _overlaps(self) -> NDArray[np.bool_]:
        left, top, right, bottom = self.boxes.T
        across = (left[:, None] < right) & (left < right[:, None])
        return across & (top[:, None] < bottom) & (top < bottom[:, None])

    def _costs(self, overlap: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(n, n) of [low, high], infinite where high cannot sink to low."""
        count = len(self.members)
        ranks = np.arange(count)
        beneath = overlap & (ranks[:, None] < ranks)
        floor = np.where(beneath.any(axis=0), count - 1 - beneath[::-1].argmax(axis=0), -1)
        allowed = (ranks[:, None] < ranks) & (ranks[:, None] >= floor)
        if self.roles[0] is Role.BACKGROUND:
            allowed[0] = False
        cost = np.minimum(self.weights[:, None], self.weights) * self._spread() + 1e-3
        return np.where(allowed, cost * self._factors(), np.inf)

    def _spread(self) -> NDArray[np.float64]:
        """How much larger the joint box is than the two."""
        left, top, right, bottom = self.boxes.T
        width = np.maximum(right[:, None], right) - np.minimum(left[:, None], left)
        height = np.maximum(bottom[:, None], bottom) - np.minimum(top[:, None], top)
        areas = (right - left) * (bottom - top)
        return np.maximum(1.0, width * height / np.maximum(areas[:, None] + areas, 1))

    def _factors(self) -> NDArray[np.float64]:
        names = np.array([str(role) for role in self.roles])
        text, shape, shadow = (names == role for role in (Role.TEXT, Role.SHAPE, Role.SHADOW))
        factor = np.where(names[:, None] == names, _SAME_ROLE, _UNLIKE)
        factor[text[:, None] & text] = _TEXTS
        factor[self._contains() & shape[:, None] & ~text] = _CARRIED
        factor[self._contains() & shape[:, None] & text] = _CARRIED_TEXT
        factor[shadow[:, None] != shadow] = _SHADOW
        place = {index: at for at, group in enumerate(self.members) for index in group}
        for low, caster in enumerate(self.casters):
            if shadow[low] and caster is not None:
                factor[low, place[caster]] = _CASTER
        return factor

    def _contains(self) -> NDArray[np.bool_]:
        left, top, right, bottom = self.boxes.T
        across = (left[:, None] <= left) & (right[:, None] >= right)
        return across & (top[:, None] <= top) & (bottom[:, None] >= bottom)

    def _can_sink(self, low: int, high: int, gone: list[int]) -> bool:
        """Whether ``high`` passes nothing that it covers, as the boxes are by now."""
        left, top, right, bottom = self.boxes[low + 1 : high].T
        box = self.boxes[high]
        hit = (left < box[2]) & (box[0] < right) & (top < box[3]) & (box[1] < bottom)
        hit[[index - low - 1 for index in gone if low < index < high]] = False
        return not hit.any()

    def _join(self, low: int, high: int) -> None:
        self.members[low] += self.members[high]
        if self.roles[low] is Role.SHADOW or (
            self.weights[high] > self.weights[low] and self.roles[high] is not Role.SHADOW
        ):
            self.roles[low] = self.roles[high]
        self.weights[low] += self.weights[high]
        self.boxes[low, :2] = np.minimum(self.boxes[low, :2], self.boxes[high, :2])
        self.boxes[low, 2:] = np.maximum(self.boxes[low, 2:], self.boxes[high, 2:])

    def _remove(self, gone: list[int]) -> None:
        left = np.setdiff1d(np.arange(len(self.members)), gone)
        self.members = [self.members[index] for index in left]
        self.roles = [self.roles[index] for index in left]
        self.casters = [self.casters[index] for index in left]
        self.boxes, self.weights = self.boxes[left], self.weights[left]
