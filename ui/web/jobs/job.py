"""One job of a session: what it does, how far it is, what became of it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from layerstudio.color import U8
from layerstudio.io.png_codec import encode_png
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.ui.web.jobs.estimates import Measure

State = Literal["queued", "running", "done", "failed", "cancelled"]
Lane = Literal["compute", "light", "fetch"]
PREVIEW_SIDE = 512  # pixels: more tells no more and takes longer to send


@dataclass(frozen=True)
class JobFile:
    """A file that a job made, in the session's folder; ``notes`` say what its format lost."""

    path: Path
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class JobResult:
    """``document`` is whether the session's document changed; ``notes`` are sentences for a person;
    ``data`` goes to programs only."""

    document: bool = False
    files: tuple[JobFile, ...] = ()
    notes: tuple[str, ...] = ()
    data: Mapping[str, Any] | None = None


Work = Callable[[ProgressCallback, CancelToken], JobResult]


class Job:
    """Written by the worker that runs it, read by any thread."""

    def __init__(
        self,
        owner: str,
        kind: str,
        title: str,
        work: Work,
        *,
        lane: Lane = "compute",
        measure: Measure | None = None,
    ) -> None:
        self.id = secrets.token_urlsafe(9)
        self.owner, self.kind, self.title = owner, kind, title
        self.work: Work | None = work
        self.lane: Lane = lane
        self.measure = measure
        self.cancel = CancelToken()
        self.finished = threading.Event()
        self.state: State = "queued"
        self.stage = ""
        self.fraction: float | None = None
        self.error: dict[str, Any] | None = None
        self.result: JobResult | None = None
        self.preview: U8 | None = None
        self.preview_number = 0
        self._started: float | None = None
        self._ended: float | None = None

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def elapsed(self) -> float:
        """Seconds that it has run."""
        if self._started is None:
            return 0.0
        return (self._ended or time.monotonic()) - self._started

    def begin(self) -> None:
        self.state, self._started = "running", time.monotonic()

    def end(
        self,
        state: State,
        *,
        result: JobResult | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        """What it held on to while it ran (pictures, documents) is let go."""
        self._ended = time.monotonic()
        self.result, self.error, self.work = result, error, None
        if state == "done":
            self.fraction = 1.0
        else:
            self.preview = None
        self.state = state
        self.finished.set()

    def report(self, progress: Progress) -> None:
        """Take in how far it is; the fraction never goes back."""
        self.stage = progress.stage
        self.fraction = max(self.fraction or 0.0, min(max(progress.fraction, 0.0), 1.0))
        if progress.preview is not None and progress.preview.size:
            self.preview = small(progress.preview)
            self.preview_number += 1

    def preview_png(self) -> bytes | None:
        """The last preview, lossless; None where there was none."""
        preview = self.preview
        return None if preview is None else encode_png(preview)

    def view(self, position: int = 0, eta: float | None = None) -> dict[str, Any]:
        """JSON-ready. ``position`` is how many jobs go first, ``eta`` the seconds to its end."""
        base = f"/studio/jobs/{self.id}"
        has_preview = self.preview is not None and not self.is_over
        return {
            "id": self.id,
            "kind": self.kind,
            "title": self.title,
            "state": self.state,
            "position": position,
            "stage": self.stage,
            "fraction": self.fraction,
            "eta_s": None if eta is None else round(eta, 1),
            "elapsed_s": round(self.elapsed, 1),
            "cancelling": self.cancel.is_cancelled and not self.is_over,
            "preview": f"{base}/preview.png?n={self.preview_number}" if has_preview else None,
            "error": self.error,
            "result": None if self.result is None else _result_view(self.result, base),
        }


def small(pixels: U8) -> U8:
    """(h, w, 4) of at most 512 pixels a side, of a preview (h, w, 3 or 4)."""
    height, width = pixels.shape[:2]
    scale = PREVIEW_SIDE / max(height, width)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    if pixels.shape[2] == 4:
        return np.array(pixels)
    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    return np.concatenate([pixels[..., :3], opaque], axis=2)


def _result_view(result: JobResult, base: str) -> dict[str, Any]:
    files = [
        {
            "name": file.name,
            "url": f"{base}/files/{number}/{_in_address(file.name)}",
            "bytes": file.path.stat().st_size if file.path.is_file() else 0,
            "notes": list(file.notes),
        }
        for number, file in enumerate(result.files)
    ]
    return {"document": result.document, "files": files, "notes": list(result.notes)}


def _in_address(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")
