"""Gradio's named endpoints ``/decompose``, ``/generate`` and ``/export``, for programs.

They run through the same queue as the page's jobs. An endpoint is a generator: while its job waits
and runs it yields reports, and when its client cancels or goes away Gradio closes it, which cancels
the job. Files lie in folders of random names in Gradio's cache, where only who was told the name
finds them, and are removed after an hour.

Imported when the page is built, because it needs Gradio.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from layerstudio.document import Document
from layerstudio.errors import InvalidRequest, LayerStudioError
from layerstudio.io.picture import read_picture
from layerstudio.picture import Picture
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.ui.web.events import Events
from layerstudio.ui.web.exports import Wanted, export, format_views, formats_of
from layerstudio.ui.web.jobs.estimates import Measure
from layerstudio.ui.web.jobs.job import Job, JobFile, JobResult, Lane, Work
from layerstudio.ui.web.jobs.job_list import JobList
from layerstudio.ui.web.jobs.queue import JobQueue
from layerstudio.ui.web.options import WebOptions

_OUTPUTS = "outputs"
_KEPT_S = 3600.0  # how long files may be fetched
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.05, 0.5

_CACHE_ONLY = "A program names files of its own, which its client uploads: handle_file(...)."

Answer = tuple[list[str] | None, dict[str, Any]]


@dataclass
class Caller:
    """All programs of one user, as the queue sees them: they take turns with the pages."""

    id: str
    events: Events = field(default_factory=Events)
    jobs: JobList | None = None


class UploadedFile(gr.File):
    """A file that the caller uploaded. Gradio checks that in applications that it launches itself
    only; in a mounted one it would read any path of this machine and fetch any address."""

    async def async_move_resource_to_block_cache(
        self, url_or_file_path: str | Path | None
    ) -> str | None:
        if url_or_file_path is None:
            return None
        path = Path(os.path.abspath(url_or_file_path))
        cache = Path(self.GRADIO_CACHE).absolute()
        if cache not in path.parents or not path.is_file():
            raise gr.Error(_CACHE_ONLY, title="InvalidRequest", print_exception=False)
        return str(path)

    def get_block_name(self) -> str:
        return "file"  # the part of Gradio's page that shows it


class Endpoints:
    """What the endpoints of one application share."""

    def __init__(self, app: FastAPI, options: WebOptions, cache: Path) -> None:
        self._app = app
        self.options = options
        self._outputs = cache / _OUTPUTS
        self._callers: dict[str, Caller] = {}

    async def run(
        self,
        request: gr.Request | None,
        kind: str,
        title: str,
        work: Work,
        *,
        lane: Lane = "compute",
        measure: Measure | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """Reports of a job, then its files and what it found; raises ``gr.Error``."""
        queue: JobQueue = self._app.state.jobs
        caller = self._caller(request)
        try:
            job = queue.submit(caller, kind, title, work, lane=lane, measure=measure)
        except LayerStudioError as error:
            raise _refusal(error) from None
        pause = _FIRST_LOOK_S
        try:
            while not job.is_over:
                yield None, _report(queue, job)
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_LOOK_S)
            yield _answer(job)
        finally:
            queue.cancel(caller, job.id)
            if job.is_over:  # its files stay for the client to fetch
                job.result = None
                queue.dismiss(caller, job.id)

    def folder(self) -> Path:
        """A new one for the files of a job; those of an hour ago go."""
        self._outputs.mkdir(mode=0o700, exist_ok=True)
        for old in self._outputs.iterdir():
            if time.time() - old.stat().st_mtime > _KEPT_S:
                shutil.rmtree(old, ignore_errors=True)
        made = self._outputs / secrets.token_urlsafe(24)
        made.mkdir(mode=0o700)
        return made

    def _caller(self, request: gr.Request | None) -> Caller:
        user = getattr(request, "username", None) or ""
        return self._callers.setdefault(user, Caller(f"program {user}"))


def written(
    endpoints: Endpoints,
    documents: tuple[Document, ...],
    name: str,
    formats: tuple[str, ...],
    progress: ProgressCallback,
    cancel: CancelToken,
) -> JobResult:
    """The files of documents, numbered if there are several, and the report about them."""
    folder = endpoints.folder()
    files: list[JobFile] = []
    try:
        for number, document in enumerate(documents, 1):
            stem = name if len(documents) == 1 else f"{name}-{number}"
            wanted = Wanted(formats)
            files += export(document, stem, wanted, folder, progress=progress, cancel=cancel)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return JobResult(files=tuple(files), data={"documents": [_facts(one) for one in documents]})


def _facts(document: Document) -> dict[str, Any]:
    error = document.metadata.get("recomposition_max_error")
    return {
        "extent": list(document.extent),
        "layers": [
            {"name": layer.name, "bounds": list(layer.bounds), "role": str(layer.role)}
            for layer in document.layers
        ],
        "recomposition_max_error": None if error is None else float(error),
        "notes": list(document.notes),
        "request": None if document.request is None else dict(document.request),
    }


def _report(queue: JobQueue, job: Job) -> dict[str, Any]:
    view = queue.view(job)
    return {name: view[name] for name in ("state", "position", "stage", "fraction", "eta_s")}


def _answer(job: Job) -> Answer:
    if job.state == "cancelled":
        raise gr.Error("The job was cancelled.", print_exception=False)
    if job.error is not None:
        sentence = f"{job.error['message']} {job.error['advice']}".strip()
        raise gr.Error(sentence, title=str(job.error["kind"]), print_exception=False)
    result = job.result
    assert result is not None, job.state
    files = [{"name": file.name, "notes": list(file.notes)} for file in result.files]
    report = {"state": job.state, "seconds": round(job.elapsed, 3), "files": files}
    return [str(file.path) for file in result.files], {**report, **(result.data or {})}


def _refusal(error: LayerStudioError) -> gr.Error:
    return gr.Error(str(error), title=type(error).__name__, print_exception=False)


def add(app: FastAPI, options: WebOptions, cache: Path) -> None:
    """Give the ``gr.Blocks`` that is being built the endpoints, on components out of sight."""
    endpoints = Endpoints(app, options, cache)
    choices = [view["id"] for view in format_views()]
    with gr.Column(visible=False):
        picture = UploadedFile(label="Picture to take apart: PNG, JPEG, WebP, TIFF and others")
        layered = UploadedFile(label="Layered file: PSD, PSB, ORA, TIFF or zip of PNG layers")
        parts = gr.JSON(label="Fields of a DecomposeRequest; those left out have their defaults")
        wish = gr.JSON(label="Fields of a GenerateRequest, such as prompt, method and seed")
        formats = gr.Dropdown(choices, value=["psd"], multiselect=True, label="Formats to write")
        files = gr.File(label="The written files", file_count="multiple")
        report = gr.JSON(label="Layers, notes, seconds, and the request that makes it again")
        button = gr.Button("Run")
    outputs = [files, report]
    for function, inputs in (
        (_decompose(endpoints), [picture, parts, formats]),
        (_generate(endpoints), [wish, formats]),
        (_export(endpoints), [layered, formats]),
    ):
        button.click(function, inputs, outputs, api_name=function.__name__)


def _decompose(endpoints: Endpoints) -> Callable[..., AsyncIterator[Answer]]:
    async def decompose(
        picture: str, request: Any = None, formats: list[str] | None = None,
        caller: gr.Request | None = None,
    ) -> AsyncIterator[Answer]:  # fmt: skip
        """Take a flat picture apart into layers and write them as files.

        While the job waits and runs, files are null and the report says how far it is; the last
        answer has both.
        """
        from layerstudio.ui.web.jobs.decomposing import check_decompose, decompose_measure
        from layerstudio.ui.web.jobs.requests import decompose_request

        with _refusals():
            suffixes = formats_of(formats or ["psd"])
            wanted = decompose_request(_fields(request), endpoints.options)
            check_decompose(wanted)
            source = await run_in_threadpool(_picture, picture, endpoints.options)
            wanted.check_against(source.extent)

        def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
            from layerstudio.pipelines.api import decompose as run

            options = endpoints.options
            document = run(
                source, wanted, runtime=options.runtime, limits=options.limits,
                progress=progress, cancel=cancel,
            )  # fmt: skip
            name = Path(picture).stem
            return written(endpoints, (document,), name, suffixes, progress, cancel)

        measure = decompose_measure(wanted, source.extent)
        running = endpoints.run(caller, "decompose", Path(picture).name, work, measure=measure)
        async with aclosing(running):
            async for answer in running:
                yield answer

    return decompose


def _generate(endpoints: Endpoints) -> Callable[..., AsyncIterator[Answer]]:
    async def generate(
        request: Any, formats: list[str] | None = None, caller: gr.Request | None = None
    ) -> AsyncIterator[Answer]:
        """Make layers from text and write them as files.

        Pictures to start from are not taken here. While the job waits and runs, files are null and
        the report says how far it is; the last answer has both.
        """
        from layerstudio.ui.web.jobs.generating import check_generate, generate_measure
        from layerstudio.ui.web.jobs.requests import generate_request

        with _refusals():
            suffixes = formats_of(formats or ["psd"])
            wanted = generate_request(_fields(request), endpoints.options)
            check_generate(wanted)

        def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
            from layerstudio.pipelines.generating import generate as run

            options = endpoints.options
            documents = run(
                wanted, runtime=options.runtime, limits=options.limits,
                progress=progress, cancel=cancel,
            )  # fmt: skip
            name = documents[0].metadata.get("title", "picture")
            return written(endpoints, documents, name, suffixes, progress, cancel)

        measure = generate_measure(wanted)
        running = endpoints.run(caller, "generate", "from a program", work, measure=measure)
        async with aclosing(running):
            async for answer in running:
                yield answer

    return generate


def _export(endpoints: Endpoints) -> Callable[..., AsyncIterator[Answer]]:
    async def export(
        layered: str, formats: list[str] | None = None, caller: gr.Request | None = None
    ) -> AsyncIterator[Answer]:
        """Write a layered file in other formats. What a format cannot hold is in its notes."""
        with _refusals():
            suffixes = formats_of(formats or ["psd"])
            if not layered:
                raise InvalidRequest("No layered file was given.")

        def work(progress: ProgressCallback, cancel: CancelToken) -> JobResult:
            from layerstudio.io.files import open_document

            document = open_document(layered, endpoints.options.limits)
            name = Path(layered).stem
            return written(endpoints, (document,), name, suffixes, progress, cancel)

        running = endpoints.run(caller, "export", Path(layered).name, work, lane="light")
        async with aclosing(running):
            async for answer in running:
                yield answer

    return export


@contextmanager
def _refusals() -> Iterator[None]:
    """What the caller can change, as Gradio reports it."""
    try:
        yield
    except LayerStudioError as error:
        raise _refusal(error) from None


def _fields(request: Any) -> dict[str, Any]:
    if request is None:
        return {}
    if not isinstance(request, dict):
        raise InvalidRequest("The request is a JSON object.")
    return request


def _picture(path: str, options: WebOptions) -> Picture:
    """Called as its file, without the folder of this machine."""
    if not path:
        raise InvalidRequest("No picture was given.")
    return replace(read_picture(path, options.limits), source=Path(path).name)
