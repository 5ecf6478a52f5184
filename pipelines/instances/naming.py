"""Names of layers: what a thing is called, else where it is; never twice the same."""

from __future__ import annotations

from collections.abc import Sequence

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.stages.contracts import Segment

BACKGROUND = "Background"
_LONGEST = 60  # characters of a label; panels show fewer
_LARGE, _SMALL = 0.15, 0.01  # shares of the picture


def names_of(segments: Sequence[Segment], extent: Extent) -> tuple[str, ...]:
    """One for each, in their order: "cat", "cat 2", "Large object, left"."""
    return unique([_name(segment, extent) for segment in segments], taken=(BACKGROUND,))


def unique(names: Sequence[str], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """Numbered from the second on where several are the same."""
    used = {name.lower() for name in taken}
    found = []
    for name in names:
        candidate, number = name, 2
        while candidate.lower() in used:
            candidate, number = f"{name} {number}", number + 1
        used.add(candidate.lower())
        found.append(candidate)
    return tuple(found)


def _name(segment: Segment, extent: Extent) -> str:
    label = " ".join(segment.label.split())[:_LONGEST].strip()
    if label:
        return label
    share = segment.area / extent.pixel_count
    size = "Large object" if share > _LARGE else "Small object" if share < _SMALL else "Object"
    return f"{size}, {_where(segment.bounds, extent)}"


def _where(box: Bounds, extent: Extent) -> str:
    """A third of the picture: "top left", "left", "centre"."""
    column = _third((box.x + box.width / 2) / extent.width, ("left", "", "right"))
    row = _third((box.y + box.height / 2) / extent.height, ("top", "", "bottom"))
    return " ".join(word for word in (row, column) if word) or "centre"


def _third(place: float, words: tuple[str, str, str]) -> str:
    return words[min(2, int(place * 3))]
