"""A photograph to a document: every step of the method ``instances``, in order."""

from __future__ import annotations

from layerstudio.document import Document
from layerstudio.picture import Picture
from layerstudio.pipelines.instances.choices import StageChoice
from layerstudio.pipelines.instances.wanted import Wanted
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback


def disassemble(
    picture: Picture,
    wanted: Wanted,
    stages: StageChoice,
    *,
    method: str = "instances",
    runtime: Runtime,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Document:
    """The document of ``picture``: its background, and the objects from far to near, each right
    above its contact shadow where it casts one.

    ``method`` signs the layers. Without any object the document is the background alone, and a
    note says so. Raises ``MissingWeights`` before anything runs, ``InvalidRequest``,
    ``OutOfMemory``, ``Cancelled``.
    """
    raise NotImplementedError
