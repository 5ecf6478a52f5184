"""One work carried out, in three steps that may overlap with those of its neighbours.

Reading and writing wait for disks and networks, the method for processors. This is a job boundary:
whatever goes wrong becomes a ``Result`` with its trouble, and the next work goes on.
"""

from __future__ import annotations

import errno
import io
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from layerstudio.color import to_depth
from layerstudio.composite import composite_pixels
from layerstudio.document import Document
from layerstudio.errors import (
    LayerStudioError,
    MismatchedWeights,
    MissingWeights,
    OutOfMemory,
)
from layerstudio.generate_request import GenerateRequest
from layerstudio.io.files import open_document, save_with_notes
from layerstudio.io.limits import Limits
from layerstudio.io.picture import read_picture
from layerstudio.picture import Picture
from layerstudio.pipelines.api import ERROR_KEY, decompose
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.passing import passes, system_error
from layerstudio.pipelines.batch.publishing import discard, part_of, scratch_of, sync
from layerstudio.pipelines.batch.work import Result, Trouble, Work, Written
from layerstudio.pipelines.generating import generate, require_same
from layerstudio.pipelines.runtime import Runtime
from layerstudio.requests import DecomposeRequest

T = TypeVar("T")

_THUMBNAIL = 160  # pixels of the longer side
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Setup:
    """What is the same for all works of a worker. ``spool`` holds what goes to addresses."""

    runtime: Runtime
    limits: Limits
    spool: Path
    thumbnails: bool = True


@dataclass(frozen=True)
class Read:
    """A work with what it starts from: a picture, a layered document, or nothing."""

    work: Work
    source: Picture | Document | None = None


@dataclass(frozen=True)
class Made:
    work: Work
    document: Document
    seconds: float


def perform(work: Work, setup: Setup, copy: Path | None = None) -> Result:
    """All three steps one after the other."""
    found = read(work, setup, copy)
    if isinstance(found, Result):
        return found
    made = make(found, setup)
    return made if isinstance(made, Result) else store(made, setup)


def read(work: Work, setup: Setup, copy: Path | None = None) -> Read | Result:
    """The picture or file of a work; ``copy`` is where its source lies on this machine, if that is
    not where the work says."""
    return _guarded(work, lambda: Read(work, _source(work, setup, copy)))


def bytes_of(work: Work, limits: Limits) -> bytes | Result | None:
    """The source of a work to send to another machine; None for what that reaches by itself."""
    if not work.source or places.is_address(work.source):
        return None
    return _guarded(work, lambda: places.read(work.source, limits))


def make(found: Read, setup: Setup) -> Made | Result:
    """Run the method."""

    def run() -> Made:
        start = time.perf_counter()
        document = _document(found, setup)
        return Made(found.work, document, time.perf_counter() - start)

    return _guarded(found.work, run)


def store(made: Made, setup: Setup) -> Result:
    """Write every format, complete and synced, beside where it will be moved."""
    files: list[Written] = []

    def write() -> Result:
        notes = list(made.document.notes)
        for target in made.work.targets:
            part = part_of(made.work.key, target, setup.spool)
            files.append(Written(str(part), target, 0))
            part.parent.mkdir(parents=True, exist_ok=True)
            remarks = save_with_notes(made.document, part)
            sync(part)
            files[-1] = Written(str(part), target, places.size_of(str(part)) or 0)
            notes += [f"{places.name_of(target)}: {remark}" for remark in remarks]
        error = made.document.metadata.get(ERROR_KEY)
        return Result(
            made.work.key,
            tuple(files),
            round(made.seconds, 3),
            layers=len(made.document.layers),
            max_error=None if error is None else float(error),
            notes=tuple(notes),
            thumbnail=thumbnail(made.document) if setup.thumbnails else b"",
            peak_bytes=peak_memory(),
        )

    result = _guarded(made.work, write)
    if result.trouble:
        discard(files)
    return result


def thumbnail(document: Document) -> bytes:
    """A small WebP of the flattened document."""
    pixels = np.asarray(to_depth(composite_pixels(document), np.uint8), np.uint8)
    small = Image.fromarray(pixels)
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    data = io.BytesIO()
    small.save(data, "WEBP", quality=80)
    return data.getvalue()


def peak_memory() -> int:
    """The most bytes that this process held at one time; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _source(work: Work, setup: Setup, copy: Path | None) -> Picture | Document | None:
    limits = setup.limits
    if work.task == "generate":
        return None
    with _on_disk(work, setup, copy) as path:
        if work.task == "convert":
            document = open_document(path, limits)
            stem = Path(places.name_of(work.source)).stem
            return replace(document, metadata={"title": stem, **document.metadata})
        return replace(read_picture(path, limits), source=places.shown(work.source))


@contextmanager
def _on_disk(work: Work, setup: Setup, copy: Path | None) -> Iterator[Path]:
    """Where a source can be opened: readers of layered files want a file with its own name."""
    if copy is not None or not places.is_address(work.source):
        yield copy or Path(work.source)
        return
    folder = scratch_of(work.key, setup.spool)
    try:
        fetched = folder / places.name_of(work.source)
        places.fetch(work.source, fetched, setup.limits)
        yield fetched
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _document(found: Read, setup: Setup) -> Document:
    request, source = found.work.request, found.source
    if isinstance(request, GenerateRequest):
        return generate(request, runtime=setup.runtime, limits=setup.limits)[0]
    if isinstance(request, DecomposeRequest):
        assert isinstance(source, Picture), found.work
        if request.source_sha256:
            require_same(source, request.source_sha256, repr(places.shown(found.work.source)))
        return decompose(source, request, runtime=setup.runtime, limits=setup.limits)
    assert isinstance(source, Document), found.work
    return source


def failed(work: Work, error: Exception) -> Result:
    """What went wrong, judged."""
    trouble, message = _explained(error, _is_far(work))
    details = "".join(traceback.format_exception(error)) if trouble == "fault" else ""
    return Result(
        work.key,
        trouble=trouble,
        message=places.without_secrets(message),
        details=places.without_secrets(details),
        peak_bytes=peak_memory(),
    )


def _guarded(work: Work, step: Callable[[], T]) -> T | Result:
    try:
        return step()
    except Exception as error:
        return failed(work, error)


def _explained(error: Exception, is_far: bool) -> tuple[Trouble, str]:
    if isinstance(error, MemoryError):
        return "memory", "This needs more memory than the machine has free."
    if system_error(error) in _FULL:
        return "disk", "There is no room left on the disk."
    if isinstance(error, OutOfMemory):
        return "memory", str(error)
    if isinstance(error, (MissingWeights, MismatchedWeights)):
        return "weights", str(error)
    if passes(error, is_far=is_far):
        return "network", str(error)
    if isinstance(error, LayerStudioError):
        return "input", str(error)
    if isinstance(error, OSError):
        return "input", f"{error.strerror or error}."
    return "fault", f"{type(error).__name__}: {error}"


def _is_far(work: Work) -> bool:
    """Whether a network file system is involved."""
    return any(places.is_address(place) for place in (work.source, *work.targets))
