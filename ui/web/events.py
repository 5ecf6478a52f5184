"""What happens in a session, told to the pages that show it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

EventCallback = Callable[[str, dict[str, Any]], None]
CLOSED = "close"  # the last event: the session or the studio ended
_MOST = 32  # subscribers: pages of one browser


class Events:
    """Callbacks by subscription; ``publish`` may be called from any thread.

    A callback gets the name and the JSON-ready data of an event, in the publisher's thread, and
    must return at once. After ``close`` every subscriber got ``CLOSED``, and later ones get it
    right away. The oldest gets it too when there are more than 32.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[int, EventCallback] = {}
        self._next = 0
        self._closed = False

    def subscribe(self, callback: EventCallback) -> Callable[[], None]:
        """Returns the function that ends the subscription."""
        ended: EventCallback | None = callback
        with self._lock:
            number = self._next
            self._next += 1
            if not self._closed:
                self._callbacks[number] = callback
                ended = self._surplus()
        if ended is not None:
            ended(CLOSED, {})
        return lambda: self._drop(number)

    def _surplus(self) -> EventCallback | None:
        if len(self._callbacks) <= _MOST:
            return None
        return self._callbacks.pop(min(self._callbacks))

    @property
    def count(self) -> int:
        """Subscribers now."""
        return len(self._callbacks)

    def publish(self, name: str, data: dict[str, Any]) -> None:
        with self._lock:
            callbacks = tuple(self._callbacks.values())
        for callback in callbacks:
            callback(name, data)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            callbacks = tuple(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback(CLOSED, {})

    def _drop(self, number: int) -> None:
        with self._lock:
            self._callbacks.pop(number, None)
