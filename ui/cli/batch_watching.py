"""What a batch tells while it runs: a bar for people, lines of JSON or metrics for programs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.progress import CancelToken
from layerstudio.ui.cli.boundary import one_line
from layerstudio.ui.cli.output import print_json_line, remark

Listener = Callable[[Mapping[str, Any]], None]


@contextmanager
def listening(as_json: bool, metrics_port: int | None) -> Iterator[Listener]:
    """A listener that passes every event on to all who were asked for."""
    with ExitStack() as open_:
        listeners: list[Listener] = [
            _json_lines if as_json else open_.enter_context(_progress_bar())
        ]
        if metrics_port is not None:
            listeners.append(open_.enter_context(_metrics(metrics_port)))

        def listen(event: Mapping[str, Any]) -> None:
            for listener in listeners:
                listener(event)

        yield listen


def _json_lines(event: Mapping[str, Any]) -> None:
    """Whoever read along may go: the batch does not end for that."""
    try:
        print_json_line(event)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def stopping_on_interrupt(cancel: CancelToken) -> Iterator[None]:
    """Ctrl-C, and a polite kill, end the batch between two events: what is finished stays so.

    A second one ends it at once, in the middle of a work that runs in this process.
    """

    def stop(number: int, frame: Any) -> None:
        if cancel.is_cancelled:
            raise KeyboardInterrupt
        cancel.cancel()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress_bar() -> Iterator[Listener]:
    """Items, throughput and the time left, on stderr if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("planning", total=None)
        state = _Pace()

        def show(event: Mapping[str, Any]) -> None:
            state.take(event)
            if event["event"] == "waiting":
                remark(f"{event['message']} It is looked at again.")
            if event["event"] == "retry":
                remark(f"{event['source']}: {event['message']} It is tried again.")
            bars.update(
                task,
                total=state.total,
                completed=state.finished,
                description=one_line(state.description),
            )

        yield show


class _Pace:
    """How fast the items of this run are, and so how long the rest takes."""

    def __init__(self) -> None:
        self.total = 0
        self.finished = 0
        self._before = 0
        self._refused = 0
        self._start = time.monotonic()

    def take(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "planned":
            self._refused = len(event["refused"])
            self.total = event["done"] + event["todo"] + self._refused
            self._before = self.finished = event["done"] + self._refused
            self._start = time.monotonic()
        elif event["event"] in ("done", "refused"):
            self.finished += 1
            self._refused += event["event"] == "refused"

    @property
    def description(self) -> str:
        made = self.finished - self._before
        aside = f", {self._refused} set aside" if self._refused else ""
        if not made:
            return f"starting{aside}"
        seconds = (time.monotonic() - self._start) / made
        left = _duration(seconds * (self.total - self.finished))
        return f"{60 / seconds:.1f} a minute, {left} left{aside}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


@contextmanager
def _metrics(port: int) -> Iterator[Listener]:
    """Counters for Prometheus at http://127.0.0.1:PORT/metrics; raises ``InvalidRequest``."""
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

    registry = CollectorRegistry()
    items = Counter(
        "layerstudio_items", "Items by what became of them", ["state"], registry=registry
    )
    waiting = Gauge("layerstudio_items_waiting", "Items still to do", registry=registry)
    planned = Gauge(
        "layerstudio_items_planned", "Items of the last plan", ["state"], registry=registry
    )
    seconds = Histogram(
        "layerstudio_item_seconds",
        "Seconds that the method took",
        buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000),
        registry=registry,
    )
    written = Counter("layerstudio_written_bytes", "Bytes of results", registry=registry)

    def count(event: Mapping[str, Any]) -> None:
        kind = event["event"]
        if kind == "planned":
            waiting.set(event["todo"])
            for state in ("todo", "done"):
                planned.labels(state).set(event[state])
            planned.labels("refused").set(len(event["refused"]))
        elif kind in ("done", "refused", "retry"):
            items.labels(kind).inc()
        if kind in ("done", "refused"):
            waiting.dec()
        if kind == "done":
            seconds.observe(event["seconds"])
            written.inc(event["bytes"])

    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise InvalidRequest(
            f"Metrics cannot be served on port {port}: {error.strerror}.",
            advice="Give another --metrics-port.",
        ) from error
    try:
        yield count
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
