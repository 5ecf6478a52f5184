"""One file over HTTP into a partial file, going on where an earlier attempt ended.

``huggingface_hub`` discards a partial file when a download ends early; here it stays, so that
the next attempt, in this process or a later one, asks only for the rest. Plain HTTP ranges work
for every file of the hub, those in its Xet storage included.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx2
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session, hf_raise_for_status

from layerstudio.errors import UnreadableFile, UnwritableFile
from layerstudio.progress import CancelToken
from layerstudio.weights.hub_cache import blob_of

# Attempts in a row that brought nothing new; one that brought bytes starts the count again.
RETRIES = 5
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
# Between two pieces of data, not for the whole file: a slow server may take all day.
SILENCE = 10.0

_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_TICK = 0.1


@dataclass(frozen=True)
class Source:
    """Where a file is read from; ``headers`` may hold a token and are never printed."""

    url: str
    size: int | None
    headers: dict[str, str] = field(repr=False)


class Truncated(Exception):
    """The connection ended before the file did."""


def download(
    source: Source, partial: Path, on_size: Callable[[int], None], cancel: CancelToken
) -> None:
    """Fetch a file's missing bytes into ``partial``; ``on_size`` hears of its size so far.

    Raises ``Cancelled``; ``UnwritableFile`` where the disk is full; and, after ``RETRIES`` attempts
    without a new byte, the HTTP error. The partial file is kept in each case. ``UnreadableFile``
    where more comes than the file should have; then it is not.
    """
    retries = Retries(cancel)
    while True:
        before = size_of(partial)
        if source.size is not None and before >= source.size:
            if before == source.size and before > 0:
                return
            partial.unlink(missing_ok=True)
        try:
            _append(source, partial, on_size, cancel)
            return
        except UnreadableFile:
            partial.unlink(missing_ok=True)
            raise
        except (httpx2.TransportError, HfHubHTTPError, Truncated) as error:
            if size_of(partial) > before:
                retries.begin_again()
            retries.wait_or_raise(error)


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


class Retries:
    """Failures in a row, and the growing pauses after them."""

    def __init__(self, cancel: CancelToken, limit: int = RETRIES) -> None:
        self._cancel = cancel
        self._limit = limit
        self._failures = 0

    def begin_again(self) -> None:
        self._failures = 0

    def wait_or_raise(self, error: Exception) -> None:
        """Pause before the next attempt, or raise what it is no use to try again."""
        self._cancel.check()
        self._failures += 1
        if self._failures > self._limit or not _is_passing(error):
            raise error
        pause = min(FIRST_PAUSE * 2 ** (self._failures - 1), LONGEST_PAUSE)
        ends = time.monotonic() + max(pause, _asked_pause(error))
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, _TICK))
            self._cancel.check()


def _is_passing(error: Exception) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _TRY_AGAIN
    return True


def _asked_pause(error: Exception) -> float:
    """Seconds that a busy server asks for, within reason."""
    if not isinstance(error, HfHubHTTPError):
        return 0.0
    asked = error.response.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isdecimal() else 0.0


def _append(
    source: Source, partial: Path, on_size: Callable[[int], None], cancel: CancelToken
) -> None:
    """One attempt: ask for the rest, append what comes."""
    start = size_of(partial)
    headers = source.headers | {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    stream = get_session().stream(
        "GET", source.url, headers=headers, timeout=SILENCE, follow_redirects=True
    )
    with stream as response:
        if response.status_code == 416:  # the partial is not the beginning of this file
            partial.unlink(missing_ok=True)
            raise Truncated("The server cannot go on from here.")
        hf_raise_for_status(response)
        start = _start_of(response, start)
        with _appending(partial, start) as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
                start += len(chunk)
                if source.size is not None and start > source.size:
                    raise UnreadableFile(f"{partial.name} is longer than the hub says it is.")
                on_size(start)
                cancel.check()
    if source.size is not None and start < source.size:
        raise Truncated(f"{start} of {source.size} bytes have come.")


def _start_of(response: httpx2.Response, asked: int) -> int:
    """Where the answer begins: servers may ignore a range and send everything."""
    if response.status_code != 206:
        return 0
    given = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(given) if given.isdecimal() and int(given) <= asked else 0


@contextmanager
def _appending(partial: Path, start: int) -> Iterator[BinaryIO]:
    """The partial file cut to ``start`` and open for more; on the disk when it is closed."""
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as file:
            if size_of(partial) > start:
                file.truncate(start)
            try:
                yield file
            finally:
                file.flush()
            os.fsync(file.fileno())
    except (httpx2.HTTPError, HfHubHTTPError):
        raise
    except OSError as error:
        raise unwritable(partial, error) from None


def unwritable(path: Path, error: OSError) -> UnwritableFile:
    """A full disk, or a folder that cannot be written, in a sentence."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UnwritableFile(
            f"The disk is full: {path} cannot be written.",
            advice="Make room and pull again: what has arrived is kept.",
        )
    return UnwritableFile(f"{path} cannot be written: {error.strerror or error}.")


def place(partial: Path, blob: Path, link: Path) -> None:
    """A complete file's last step: from its partial name into the cache, and into the snapshot."""
    try:
        blob.parent.mkdir(parents=True, exist_ok=True)
        if partial.exists():
            os.replace(partial, blob)
        if blob_of(link) == blob:
            return
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            link.unlink()
        try:
            link.symlink_to(os.path.relpath(blob, link.parent))
        except OSError:  # a file system without links: the cache keeps the file itself there
            os.replace(blob, link)
    except OSError as error:
        raise unwritable(blob, error) from None
