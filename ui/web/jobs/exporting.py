"""``export``: the document, or chosen layers, as files to take away."""

from __future__ import annotations

import secrets
import shutil

from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.exports import export, wanted_of
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.job import Job, JobResult


def start(context: Context, body: Fields) -> Job:
    """The document as it is now. Raises ``InvalidRequest`` for formats and paths that there are
    not, ``NotFound`` without a document."""
    body.only(("kind", "formats", "paths", "options"))
    document = context.document
    snapshot = context.studio.moment.snapshot
    assert snapshot is not None, "there is a document"
    name = snapshot.name
    wanted = wanted_of(body, document)

    def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
        folder = context.session.folder / f"export-{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        try:
            files = export(document, name, wanted, folder, progress=progress, cancel=cancel)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return JobResult(files=files)

    return context.submit("export", name, work, lane="light")
