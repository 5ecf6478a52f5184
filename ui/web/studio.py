"""One session's open document: its revisions, its history, and what the pages are told.

Changes hold ``lock``; whoever computes an edit of the current document for long may hold it too.
Readers need no lock: ``moment`` is one immutable value, replaced as a whole.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from layerstudio.document import Document, NodePath
from layerstudio.edits import Edited
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.picture import Picture
from layerstudio.ui.web.errors_json import NotFound, StaleRevision
from layerstudio.ui.web.events import Events
from layerstudio.ui.web.following import followed, has_node
from layerstudio.ui.web.history import Entry, History, Snapshot
from layerstudio.viewing import Viewer, changed_bounds

_RECENT = 4  # revisions whose pictures may still be on their way to a page
_NOTHING = Bounds(0, 0, 0, 0)


@dataclass(frozen=True)
class Moment:
    """What is shown at one revision; ``trail`` is the history as pairs of label and key."""

    revision: int
    snapshot: Snapshot | None = None
    solo: tuple[NodePath, ...] = ()
    trail: tuple[tuple[str, str], ...] = ()
    position: int = -1

    @property
    def document(self) -> Document:
        """The open document; raises ``NotFound`` where there is none."""
        if self.snapshot is None:
            raise NotFound("No document is open.", advice="Open or make one first.")
        return self.snapshot.document

    @property
    def selection(self) -> tuple[NodePath, ...]:
        return () if self.snapshot is None else self.snapshot.selection


@dataclass(frozen=True)
class Change:
    """What a change led to; the picture differs from before in ``dirty`` only (canvas pixels)."""

    moment: Moment
    dirty: Bounds


Edit = Callable[[Document, tuple[NodePath, ...]], Edited]


class Studio:
    """The document of one session. Thread-safe."""

    def __init__(self, events: Events, budget: Callable[[], int]) -> None:
        """``budget`` answers how many bytes of pixels the history may hold; see ``History``."""
        self.lock = threading.RLock()
        self.viewer = Viewer()
        self._events = events
        self._history = History(budget)
        self._moment = Moment(revision=0)
        self._recent = deque([self._moment], maxlen=_RECENT)

    @property
    def moment(self) -> Moment:
        return self._moment

    @property
    def document(self) -> Document | None:
        snapshot = self._moment.snapshot
        return None if snapshot is None else snapshot.document

    @property
    def source(self) -> Picture | None:
        """The picture that the document was made from, if there was one."""
        snapshot = self._moment.snapshot
        return None if snapshot is None else snapshot.source

    @property
    def revision(self) -> int:
        return self._moment.revision

    @property
    def selection(self) -> tuple[NodePath, ...]:
        return self._moment.selection

    @property
    def recent(self) -> tuple[Moment, ...]:
        """The last few moments, oldest first."""
        return tuple(self._recent)

    def at(self, revision: int | None) -> Moment:
        """The moment of a recent revision, None for now; raises ``StaleRevision``."""
        if revision is None:
            return self._moment
        found = next((it for it in self.recent if it.revision == revision), None)
        if found is None:
            raise _stale(revision)
        return found

    def open(
        self, document: Document, *, name: str, source: Picture | None, label: str, label_key: str
    ) -> Change:
        """Show another document; the one before stays in the history."""
        snapshot = Snapshot(document, (), name, secrets.token_urlsafe(9), source)
        with self.lock:
            self._history.seal()
            self._history.push(Entry(snapshot, label, label_key))
            return self._show(solo=())

    def apply(
        self,
        edited: Edited,
        *,
        label: str,
        label_key: str,
        merge: str | None = None,
        base_revision: int | None = None,
        started_from: tuple[NodePath, ...] = (),
    ) -> Change:
        """Show an edited document, as a new entry of the history or merged into the last one.

        Raises ``StaleRevision`` if ``base_revision`` is given and not the current one, and
        ``NotFound`` if no document is open. An edit that gave the same document makes no entry.
        """
        with self.lock:
            self._check(base_revision)
            before = self._moment
            now = before.document
            assert before.snapshot is not None  # ``document`` would have raised
            if edited.document is now:
                return Change(self._reselected(edited.selection), _NOTHING)
            dirty = _dirty(now, edited.document)
            snapshot = replace(
                before.snapshot,
                document=edited.document,
                selection=edited.selection,
                as_made=before.snapshot.as_made and dirty.is_empty,
            )
            self._history.push(Entry(snapshot, label, label_key, merge, started_from))
            return self._show(solo=followed(before.solo, now, edited.document))

    def edit(
        self,
        edit: Edit,
        paths: tuple[NodePath, ...],
        *,
        label: str,
        label_key: str,
        merge: str | None = None,
        starts_again: bool = False,
        base_revision: int | None = None,
    ) -> Change:
        """``edit`` of the current document, applied.

        With ``starts_again`` an edit that merges takes the place of the one before: it is applied
        to the document and the paths that the first with its key was applied to.
        """
        with self.lock:
            self._check(base_revision)
            document = self._moment.document
            last = self._history.current
            if starts_again and last is not None and self._history.merges_with(merge):
                document = self._history.before_merge().document
                paths = last.started_from
            edited = edit(document, paths)
            return self.apply(
                edited, label=label, label_key=label_key, merge=merge, started_from=paths
            )

    def select(self, paths: Collection[NodePath]) -> tuple[NodePath, ...]:
        """Select nodes; raises ``InvalidRequest`` for a path of none."""
        with self.lock:
            wanted = tuple(dict.fromkeys(paths))
            self._require(wanted)
            if wanted != self._moment.selection:
                self._history.seal()
                self._reselected(wanted)
            return wanted

    def solo(self, paths: Collection[NodePath]) -> Change:
        """Show these nodes alone, or all again with none; no entry of the history."""
        with self.lock:
            wanted = tuple(dict.fromkeys(paths))
            self._require(wanted)
            if wanted == self._moment.solo:
                return Change(self._moment, _NOTHING)
            return self._show(solo=wanted)

    def undo(self) -> Change:
        """Raises ``InvalidRequest`` where nothing can be undone."""
        with self.lock:
            if not self._history.can_undo:
                raise InvalidRequest("There is nothing to undo.")
            return self.jump(self._history.position - 1)

    def redo(self) -> Change:
        """Raises ``InvalidRequest`` where nothing can be done again."""
        with self.lock:
            if not self._history.can_redo:
                raise InvalidRequest("There is nothing to redo.")
            return self.jump(self._history.position + 1)

    def jump(self, index: int) -> Change:
        """Show an entry of the history by its index; raises ``InvalidRequest``."""
        with self.lock:
            before = self._moment
            try:
                entry = self._history.jump(index)
            except IndexError:
                raise InvalidRequest(f"The history has no entry {index}.") from None
            if before.snapshot is entry.snapshot:
                return Change(before, _NOTHING)
            return self._show(solo=followed(before.solo, before.document, entry.snapshot.document))

    def close(self) -> Change:
        """Close the document and forget its history."""
        with self.lock:
            self._history.clear()
            self.rest()
            change = self._show(solo=())
            self._recent.clear()
            self._recent.append(change.moment)
            return change

    def rest(self) -> None:
        """Give up what makes pictures fast; the next ones are painted anew."""
        with self.lock:
            self.viewer = Viewer()

    @property
    def held_bytes(self) -> int:
        """Bytes of pixels that only the history holds."""
        with self.lock:
            return self._history.held_bytes

    def _check(self, revision: int | None) -> None:
        if revision is not None and revision != self._moment.revision:
            raise _stale(revision)

    def _require(self, paths: tuple[NodePath, ...]) -> None:
        document = self._moment.document
        for path in paths:
            if not has_node(document, path):
                raise InvalidRequest(f"There is no layer at {'.'.join(map(str, path))!r}.")

    def _reselected(self, selection: tuple[NodePath, ...]) -> Moment:
        """The same revision with another selection, which the history remembers too."""
        self._history.reselect(selection)
        self._recent.pop()
        return self._publish(replace(self._moment, snapshot=self._current_snapshot()))

    def _show(self, solo: tuple[NodePath, ...]) -> Change:
        """The history's current entry as a new revision."""
        before = self._moment
        after = Moment(
            revision=before.revision + 1,
            snapshot=self._current_snapshot(),
            solo=solo,
            trail=tuple((entry.label, entry.label_key) for entry in self._history.entries),
            position=self._history.position,
        )
        self._publish(after)
        self._events.publish("document", {"revision": after.revision})
        return Change(after, _dirty_between(before, after))

    def _publish(self, moment: Moment) -> Moment:
        self._recent.append(moment)
        self._moment = moment
        return moment

    def _current_snapshot(self) -> Snapshot | None:
        current = self._history.current
        return None if current is None else current.snapshot


def _stale(revision: int) -> StaleRevision:
    return StaleRevision(
        f"Revision {revision} is not the document's any more.",
        advice="It was changed meanwhile; look at it and try again.",
    )


def _dirty_between(before: Moment, after: Moment) -> Bounds:
    """Where two moments look different; all of the canvas where layers are shown alone."""
    if after.snapshot is None:
        return _NOTHING
    if before.snapshot is None or before.solo or after.solo:
        return Bounds.full(after.document.extent)
    return _dirty(before.document, after.document)


def _dirty(before: Document, after: Document) -> Bounds:
    if before.extent != after.extent:
        return Bounds.full(after.extent)
    return changed_bounds(before, after).clamped(after.extent)
