"""What every planner of layouts takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.multilayer.layout.plan import MOST_LAYERS, LayoutPlan
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken
from layerstudio.requests import LayerCount

MIN_SIDE = 16  # pixels: a token


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """A design to be laid out on a canvas of ``extent``.

    ``prompt`` describes the whole, ``captions`` one foreground each, as words or as
    "role: words"; ``background`` what is behind them. ``layers`` is the number of layers, the
    background counted, or "auto". Raises ``InvalidRequest`` for numbers that cannot be met.
    """

    prompt: str
    extent: Extent
    captions: tuple[str, ...] = ()
    background: str | None = None
    layers: LayerCount = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "extent", Extent(*self.extent))
        object.__setattr__(self, "captions", tuple(self.captions))
        if min(self.extent) < MIN_SIDE:
            raise InvalidRequest(f"A canvas of {self.extent} is too small to lay anything out on.")
        if len(self.captions) > MOST_LAYERS:
            raise InvalidRequest(
                f"{len(self.captions)} captions are more than the {MOST_LAYERS} layers of a layout."
            )
        self._check_count()

    def _check_count(self) -> None:
        if self.layers == "auto":
            return
        if isinstance(self.layers, bool) or not isinstance(self.layers, int):
            raise InvalidRequest(
                f'The number of layers is a number or "auto", not {self.layers!r}.'
            )
        if not 1 <= self.layers <= MOST_LAYERS + 1:
            raise InvalidRequest(
                f"A layout has 1 to {MOST_LAYERS + 1} layers with its background, "
                f"not {self.layers}."
            )
        if self.layers <= len(self.captions):
            raise InvalidRequest(
                f"{len(self.captions)} captions and a background are more than "
                f"{self.layers} layers.",
                advice="Ask for more layers, or leave the number to the planner.",
            )


class Planner(Protocol):
    """What lays a design out."""

    def plan(
        self,
        request: PlanRequest,
        *,
        runtime: Runtime | None = None,
        cancel: CancelToken | None = None,
    ) -> LayoutPlan:
        """The layout; raises ``InvalidRequest`` where none is found and ``Cancelled``."""
        ...
