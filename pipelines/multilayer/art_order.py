"""What the network is asked for to make one document, and how its layers become that document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from layerstudio.document import Document, Layer
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent

COMPOSITE, BACKGROUND, FIRST = 0, 1, 2  # the network's numbers; ``FIRST`` is the lowest foreground
Made = Mapping[int, Layer]


@dataclass(frozen=True, eq=False)
class ArtOrder:
    """One document to make.

    ``boxes`` are the network's foregrounds, bottom to top; ``names``, ``prompts`` and ``given`` are
    by the network's numbers. ``given`` layers are kept. ``finished`` makes the document of the
    layers that the network made, and ``request`` is what makes that document again.
    """

    extent: Extent
    prompt: str
    boxes: tuple[Bounds, ...]
    seed: int
    names: Mapping[int, str]
    prompts: Mapping[int, str]
    request: Mapping[str, object]
    finished: Callable[[Made], Document]
    given: Mapping[int, Layer] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def guidance_of(self, named: tuple[tuple[str, float], ...]) -> dict[int, float]:
        """Guidance of single layers by number; raises ``InvalidRequest`` for an unknown name."""
        found: dict[int, float] = {}
        for name, scale in named:
            numbers = [k for k, own in self.names.items() if own.lower() == name.strip().lower()]
            if not numbers:
                raise InvalidRequest(
                    f"There is no layer {name!r} to guide.", advice=self._suggestion(name)
                )
            found |= dict.fromkeys(numbers, scale)
        return found

    def _suggestion(self, name: str) -> str:
        near = get_close_matches(name, self.names.values(), n=1)
        known = ", ".join(dict.fromkeys(self.names.values()))
        return f"Did you mean {near[0]!r}?" if near else f"There are: {known}."
