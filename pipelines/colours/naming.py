"""Names of layers that are colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from layerstudio.pipelines.flat.naming import colour_name


def unique_names(names: Sequence[str]) -> list[str]:
    """``names`` in their order, numbered where several are equal: "Red 1", "Red 2"."""
    total = Counter(names)
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(f"{name} {seen[name]}" if total[name] > 1 else name)
    return result


def colour_title(levels: Sequence[float]) -> str:
    """The everyday name of 8-bit RGB, as a layer's name begins."""
    return colour_name(levels).capitalize()
