"""What carries works out: worker processes on this machine, or a cluster. One contract for both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from layerstudio.errors import LayerStudioError
from layerstudio.pipelines.batch.work import Result, Work

# With whom a work may share: anybody; nobody in its worker (it may have killed one); nobody at
# all (memory ran out beside others).
Company = Literal["any", "own worker", "own machine"]


@dataclass(frozen=True)
class Started:
    """A worker began to compute."""

    key: str


Event = Started | Result
MOST_STILLBORN = 3  # workers in a row


class CannotWork(LayerStudioError):
    """Workers end before they begin: something is wrong with the machine or the installation."""


class Engine(Protocol):
    """Works go in, events come out; every work that was submitted ends in one ``Result``.

    A worker that dies gives its works the trouble "crash"; another takes its place. One that dies
    before it could begin says nothing about its works; ``events`` raises ``CannotWork`` when
    that happens again and again.
    """

    workers: int

    def has_room(self) -> bool:
        """Whether another work would start soon, or be read while its predecessor is computed."""
        ...

    def submit(self, work: Work, company: Company = "any") -> None: ...

    def events(self, seconds: float) -> list[Event]:
        """What happened, waiting for something at most that long."""
        ...

    def close(self, *, now: bool = False) -> None:
        """Let idle workers go; with ``now`` those at work too, whose works are then lost."""
        ...
