"""What is tried again, when, and in which company."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from layerstudio.pipelines.batch.engine import Company
from layerstudio.pipelines.batch.work import Trouble

_TRIES: dict[Trouble, int] = {"memory": 2, "network": 6, "crash": 3}
_COMPANY: dict[Trouble, Company] = {"memory": "own machine", "crash": "own worker"}
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds before a network is asked again; doubled each time


class Again(NamedTuple):
    """Try once more, after so many seconds."""

    seconds: float
    company: Company


@dataclass(frozen=True)
class Policy:
    """``most_failures`` ends the batch when more inputs than that were set aside; None never."""

    most_failures: int | None = None
    patience: float = 1.0  # factor on every wait; tests need none

    def again(self, trouble: Trouble, failures: int) -> Again | None:
        """What follows the ``failures``-th failure of a work (1 for the first); None: set aside.

        Memory is tried again alone on the machine, a crash alone in its worker, so that the one
        that caused it is found and those beside it are not blamed; networks with growing pauses.
        """
        if failures >= _TRIES.get(trouble, 1):
            return None
        wait = 0.0
        if trouble == "network":
            wait = self.patience * min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (failures - 1))
        return Again(wait, _COMPANY.get(trouble, "any"))
