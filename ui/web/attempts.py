"""How often a login may be tried: the longer wrong, the longer the wait."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 900.0
_FORGOTTEN_AFTER_S = 3600.0
_MOST_KEYS = 10_000  # what a flood of names or addresses may take of the memory


class Attempts:
    """Wrong attempts by key. After ``free`` of them each one doubles the wait. Thread-safe."""

    def __init__(self, free: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` answers seconds that only grow."""
        self._free = free
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds until an attempt with this key is looked at; 0 for now."""
        with self._lock:
            count, last = self._wrong.get(key, (0, 0.0))
        if count < self._free:
            return 0.0
        wait = min(_FIRST_WAIT_S * 2.0 ** min(count - self._free, 32), _LONGEST_WAIT_S)
        return max(0.0, last + wait - self._clock())

    def failed(self, key: str) -> None:
        now = self._clock()
        with self._lock:
            count, last = self._wrong.pop(key, (0, now))
            count = 0 if now - last > _FORGOTTEN_AFTER_S else count
            self._wrong[key] = (count + 1, now)
            while len(self._wrong) > _MOST_KEYS:
                self._wrong.popitem(last=False)

    def succeeded(self, key: str) -> None:
        with self._lock:
            self._wrong.pop(key, None)
