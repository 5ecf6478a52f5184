"""``pull``: a checkpoint fetched, verified and kept for later runs."""

from __future__ import annotations

from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.job import Job, JobResult
from layerstudio.weights.fetch import pull
from layerstudio.weights.registry import checkpoint


def start(context: Context, body: Fields) -> Job:
    """The page shows the licence beside the button that starts this, so that starting accepts it
    unless ``accept_licence`` is false; ``accept_provenance`` has to be given.

    Only rows of the registry are fetched. Raises ``InvalidRequest`` for another name.
    """
    body.only(("kind", "weights", "accept_licence", "accept_provenance"))
    row = checkpoint(body.text("weights"))
    licence = body.flag("accept_licence", True)
    provenance = body.flag("accept_provenance", False)

    def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
        pull(
            row.id,
            progress=progress,
            cancel=cancel,
            accept_licence=licence,
            accept_provenance=provenance,
        )
        return JobResult()

    return context.submit("pull", row.title, work, lane="fetch")
