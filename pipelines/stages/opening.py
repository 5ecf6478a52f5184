"""Stages ready to use: opened once, kept for the next picture as long as there is room.

Whoever borrows a stage has it alone. What is idle is let go, the longest unused first, as soon as
less memory than a reserve is free, and always on ``forget``.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from layerstudio.errors import Cancelled, OutOfMemory
from layerstudio.machine import GIB, free_memory
from layerstudio.models.memory import empty_cache
from layerstudio.pipelines.needs import require
from layerstudio.pipelines.out_of_memory import is_shortage
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import StageKind
from layerstudio.pipelines.stages.table import stage_class

_RESERVE = 4 * GIB  # free memory below which idle stages are let go
_MOST_IDLE = 6


class _Idle:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages: list[tuple[Hashable, Any]] = []  # the longest unused first

    def take(self, key: Hashable) -> Any | None:
        with self._lock:
            for index, (known, stage) in enumerate(self._stages):
                if known == key:
                    del self._stages[index]
                    return stage
        return None

    def give_back(self, key: Hashable, stage: Any) -> None:
        with self._lock:
            self._stages.append((key, stage))
        self.shrink(_MOST_IDLE)

    def shrink(self, most: int) -> None:
        """Let go of all but ``most``, and of more where memory is short."""
        while True:
            with self._lock:
                is_short = bool(self._stages) and _is_short()
                if not self._stages or (len(self._stages) <= most and not is_short):
                    return
                gone = weakref.ref(self._stages.pop(0)[1])
            if is_short or gone() is not None:
                gc.collect()  # hooks of diffusers may tie networks to themselves
            empty_cache()


_idle = _Idle()


@contextmanager
def opened(kind: StageKind, id: str, runtime: Runtime, base: str = "") -> Iterator[Any]:
    """The stage of that id, from the last run or opened now.

    Raises ``InvalidRequest`` for an unknown id, whatever opening raises, and ``OutOfMemory`` when
    memory runs out inside the ``with``.
    """
    found = stage_class(id, kind)
    key = (id, base, replace(runtime, previews=False))
    stage = _idle.take(key)
    if stage is None:
        if not base:
            require(found.card.needs, f"The stage {id!r}")
        _idle.shrink(_MOST_IDLE)
        stage = found.open(runtime, base)
    try:
        yield stage
    except Cancelled:
        _idle.give_back(key, stage)
        raise
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        del stage
        forget()
        raise OutOfMemory(
            f"Memory ran out in the stage {id!r}.",
            advice="Close other programs, choose a smaller stage, or --device cpu.",
        ) from error
    _idle.give_back(key, stage)


def forget() -> None:
    """Let every idle stage go."""
    _idle.shrink(0)


def _is_short() -> bool:
    free = free_memory()
    if free is not None and free < _RESERVE:
        return True
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.mem_get_info()[0] < _RESERVE
    return False
