"""One decomposition from picture to document: what happens before and after every method."""

from __future__ import annotations

import shutil
from dataclasses import replace

from layerstudio.document import Document, Provenance
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.picture import PictureSource, read_picture
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.picture import Picture
from layerstudio.pipelines.methods import DEFAULT_DECOMPOSE, MethodCard, load_decomposer
from layerstudio.pipelines.recording import signed, title_of
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress
from layerstudio.requests import DecomposeRequest

ERROR_KEY = "recomposition_max_error"


def decompose(
    source: PictureSource,
    request: DecomposeRequest | None = None,
    *,
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Document:
    """Read, check, run the method of ``request``, and record what made the document.

    ``document.metadata["recomposition_max_error"]`` is the largest difference between the
    flattened layers and the picture, in [0, 1]: 1/255 is one 8-bit level.
    Raises ``UnreadableFile``, ``InvalidRequest``, ``MissingWeights``, ``MismatchedWeights``,
    ``NumericalFailure``, ``OutOfMemory``, ``Cancelled``.
    """
    progress = progress or ignore_progress
    cancel = cancel or CancelToken()
    cancel.check()
    picture = read_picture(source, limits or DEFAULT_LIMITS)
    request = request or DecomposeRequest()
    method = load_decomposer(request.method or DEFAULT_DECOMPOSE)
    resolved = resolved_for(method.card, request, picture)
    cancel.check()
    document = method.run(
        resolved, picture, runtime=runtime or Runtime(), progress=progress, cancel=cancel
    )
    cancel.check()
    finished = _recorded(document, resolved, picture)
    progress(Progress("done", 1.0))
    return finished


def reads_text() -> bool:
    """Whether an OCR program is installed; ``read_text=None`` means "if it is"."""
    return shutil.which("tesseract") is not None


def resolved_for(card: MethodCard, request: DecomposeRequest, picture: Picture) -> DecomposeRequest:
    """The request as the method of ``card`` gets it; raises ``InvalidRequest``."""
    request.check_against(picture.extent)
    return request.resolve(
        default_method=card.id,
        settings=card.settings,
        can_read_text=reads_text(),
        source=picture.source,
        sha256=picture.sha256,
    )


def _recorded(document: Document, request: DecomposeRequest, picture: Picture) -> Document:
    made_by = Provenance(
        method=request.method or "", seed=request.seed, source_sha256=request.source_sha256
    )

    def signature(known: Provenance | None) -> Provenance:
        """What the method knows (prompt, weights) stays; seed and source are the run's."""
        return replace(known or made_by, seed=made_by.seed, source_sha256=made_by.source_sha256)

    error = recomposition_error(document, picture.pixels)
    return replace(
        signed(document, signature),
        icc_profile=picture.icc_profile,
        dpi=picture.dpi,
        notes=(*picture.notes, *document.notes),
        metadata={
            **title_of(picture.source),
            **document.metadata,
            ERROR_KEY: f"{error.max_error:.6f}",
        },
        request=request.to_dict(),
    )
