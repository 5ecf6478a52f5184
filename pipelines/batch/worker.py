"""A worker process: the next picture is read and the last result written while one is computed.

A worker ends with its parent, whatever ended that: its pipe closes then.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection

import cv2

from layerstudio.pipelines.batch.engine import Event, Started
from layerstudio.pipelines.batch.performing import Made, Read, Setup, make, read, store
from layerstudio.pipelines.batch.work import Result, Work


class Ready:
    """Sent once, when everything is imported: from then on works take the time that they take."""


@dataclass(frozen=True)
class _Lanes:
    """What waits between the three steps: one item each, so that memory stays bounded. None
    follows the last."""

    to_make: queue.Queue[Read | Result | None]
    to_store: queue.Queue[Made | Result | None]


def serve(pipe: Connection, setup: Setup, threads: int) -> None:
    """Carry out the works that come through ``pipe`` until ``None`` comes or it closes."""
    _leave_signals_to_the_parent()
    os.dup2(2, 1)  # what libraries print must not mix with the parent's results
    threading.excepthook = _end_at_once
    _limit_threads(threads)
    lanes = _Lanes(queue.Queue(1), queue.Queue(1))
    sending = _Sending(pipe)
    reader = threading.Thread(target=_read_all, args=(pipe, setup, lanes), daemon=True)
    writer = threading.Thread(target=_store_all, args=(setup, lanes, sending), daemon=True)
    reader.start()
    writer.start()
    sending.send(Ready())
    while (found := lanes.to_make.get()) is not None:
        if isinstance(found, Read):
            sending.send(Started(found.work.key))
            lanes.to_store.put(make(found, setup))
        else:
            lanes.to_store.put(found)
    lanes.to_store.put(None)
    writer.join()
    pipe.close()


class _Sending:
    """Two threads send; each message goes as a whole."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def send(self, event: Event | Ready) -> None:
        try:
            with self._lock:
                self._pipe.send(event)
        except OSError:  # the parent is gone
            os._exit(1)


def _read_all(pipe: Connection, setup: Setup, lanes: _Lanes) -> None:
    while True:
        try:
            work: Work | None = pipe.recv()
        except (EOFError, OSError):
            os._exit(1)  # the parent is gone: whatever is being computed is wanted by nobody
        if work is None:
            lanes.to_make.put(None)
            _await_the_end(pipe)
            return
        lanes.to_make.put(read(work, setup))


def _await_the_end(pipe: Connection) -> None:
    """A parent that dies after the last work was sent still ends this process."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        return


def _store_all(setup: Setup, lanes: _Lanes, sending: _Sending) -> None:
    while (made := lanes.to_store.get()) is not None:
        sending.send(store(made, setup) if isinstance(made, Made) else made)


def _leave_signals_to_the_parent() -> None:
    """A Ctrl-C or polite kill of all processes at once is for the parent to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):  # blocked since before the process began
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def _end_at_once(failure: threading.ExceptHookArgs) -> None:
    """A worker without one of its threads would wait for ever."""
    traceback.print_exception(failure.exc_value)
    os._exit(1)


def _limit_threads(threads: int) -> None:
    """OpenCV's pool; the other libraries find the number in the environment when they load."""
    cv2.setNumThreads(threads)
