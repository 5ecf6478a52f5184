"""What a kind of job works with: the session that asks, the queue, how the studio was started."""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerstudio.document import Document, Layer, NodePath
from layerstudio.edits.editing import check_open
from layerstudio.edits.paths import node_at
from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.runtime import Runtime
from layerstudio.ui.web.jobs.estimates import Measure
from layerstudio.ui.web.jobs.job import Job, Lane, Work
from layerstudio.ui.web.jobs.queue import JobQueue
from layerstudio.ui.web.options import WebOptions
from layerstudio.ui.web.sessions import Session
from layerstudio.ui.web.studio import Studio


@dataclass(frozen=True)
class Context:
    """Of one request for a job."""

    session: Session
    queue: JobQueue
    options: WebOptions

    @property
    def studio(self) -> Studio:
        return self.session.studio

    @property
    def document(self) -> Document:
        """The open document; raises ``NotFound`` where there is none."""
        return self.studio.moment.document

    @property
    def runtime(self) -> Runtime:
        """As the studio was started, with the previews that people watch."""
        return replace(self.options.runtime, previews=True)

    def layer(self, path: NodePath) -> Layer:
        """A layer of the open document; raises ``InvalidRequest`` for a group or an empty one."""
        return layer_at(self.document, path)

    def submit(
        self,
        kind: str,
        title: str,
        work: Work,
        *,
        lane: Lane = "compute",
        measure: Measure | None = None,
    ) -> Job:
        return self.queue.submit(self.session, kind, title, work, lane=lane, measure=measure)


def layer_at(document: Document, path: NodePath) -> Layer:
    """Raises ``InvalidRequest`` where there is no layer with a pixel, or a locked one."""
    node = node_at(document, path)
    check_open(document, path)
    if not isinstance(node, Layer):
        raise InvalidRequest(f"{node.name!r} is a group.", advice="Choose one of its layers.")
    if not node.pixels[..., 3].any():
        raise InvalidRequest(f"The layer {node.name!r} is empty.")
    return node
