"""A cache with a bound in bytes: what was used longest ago goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any


class ByteCache:
    """Values by key, at most ``capacity`` bytes of them together. Thread-safe.

    A value larger than the capacity is not kept at all.
    """

    def __init__(self, capacity: int) -> None:
        assert capacity >= 0, capacity
        self.capacity = capacity
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes held now."""
        return self._size

    def get(self, key: Hashable) -> Any | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep ``value``, which takes ``size`` bytes, in the place of what had its key."""
        with self._lock:
            self._drop(key)
            if size > self.capacity:
                return
            self._entries[key] = (value, size)
            self._size += size
            while self._size > self.capacity:
                self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._size = 0

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry[1]
