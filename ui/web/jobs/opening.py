"""``open``: an uploaded file becomes the session's document."""

from __future__ import annotations

from pathlib import PurePath

from layerstudio.document import Document, Layer, Role
from layerstudio.geometry import Bounds
from layerstudio.io.files import open_document
from layerstudio.io.limits import Limits
from layerstudio.io.picture import read_picture
from layerstudio.picture import Picture
from layerstudio.pipelines.recording import title_of
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.job import Job, JobResult
from layerstudio.ui.web.uploads import Upload


def start(context: Context, body: Fields) -> Job:
    """Raises ``NotFound`` for an unknown upload."""
    body.only(("kind", "upload"))
    upload = context.session.uploads.get(body.text("upload"))
    limits = context.options.limits

    def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
        progress(Progress("reading", 0.0))
        document, source = opened(upload, limits)
        cancel.check()
        context.studio.open(
            document,
            name=stem_of(upload.name),
            source=source,
            label=f"Opened {upload.name}",
            label_key="history.open",
        )
        return JobResult(document=True, notes=document.notes)

    return context.submit("open", upload.name, work, lane="light")


def opened(upload: Upload, limits: Limits) -> tuple[Document, Picture | None]:
    """A layered file's document; a flat picture as a document of one layer, and the picture."""
    if upload.kind == "document":
        return open_document(upload.path, limits), None
    picture = picture_of(upload, limits)
    layer = Layer(
        stem_of(upload.name), Bounds.full(picture.extent), picture.pixels, role=Role.BACKGROUND
    )
    document = Document(
        picture.extent,
        (layer,),
        icc_profile=picture.icc_profile,
        dpi=picture.dpi,
        notes=picture.notes,
        metadata=title_of(picture.source),
    )
    return document, picture


def picture_of(upload: Upload, limits: Limits) -> Picture:
    """The flat picture of an upload, called as the user called it: its path is nobody's business,
    and recipes that name it should make sense where the file is."""
    picture = read_picture(upload.path, limits)
    return Picture(
        picture.pixels,
        icc_profile=picture.icc_profile,
        dpi=picture.dpi,
        source=upload.name,
        lossy=picture.lossy,
        notes=picture.notes,
    )


def stem_of(name: str) -> str:
    """What a document is called by the file it came from."""
    return PurePath(name).stem or name
