"""Which element throws a shadow."""

from __future__ import annotations

from collections.abc import Sequence

from layerstudio.document import Role
from layerstudio.pipelines.flat.element import Element

_CLEARLY = 1.05  # how much better an element must fit than one further down


def caster_of(elements: Sequence[Element], index: int) -> int | None:
    """The element above the shadow at ``index`` that hides most of it and stands on it itself."""
    shadow = elements[index]
    darkness = max(float(shadow.alpha.sum()), 1e-6)
    best, most = None, 0.0
    for above in range(index + 1, len(elements)):
        other = elements[above]
        common = shadow.bounds.intersection(other.bounds)
        if other.role is Role.SHADOW or common.is_empty:
            continue
        here = shadow.alpha[common.relative_to(shadow.bounds).slices]
        on_it = other.alpha[common.relative_to(other.bounds).slices]
        hidden = float((here * on_it).sum()) / darkness
        standing = float(on_it[here > 0].sum()) / max(float(other.alpha.sum()), 1e-6)
        if hidden * standing > _CLEARLY * most:
            best, most = above, hidden * standing
    return best
