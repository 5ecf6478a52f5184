"""A repository's wanted files, one after the other, into the cache: each verified, then placed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import Timeout
from huggingface_hub.utils import WeakFileLock

from layerstudio.errors import UnreadableFile, UnwritableFile
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.weights import lock
from layerstudio.weights.hub import Hub, RemoteFile, RemoteRepository, refusals_of
from layerstudio.weights.hub_cache import CachedRepository, default_root, remove_empty_folders
from layerstudio.weights.integrity import Digest, Expected, difference, digest
from layerstudio.weights.progress import Meter
from layerstudio.weights.subject import Subject
from layerstudio.weights.transfer import download, place, size_of, unwritable

_WAIT = 0.5  # seconds between looks at whether another program's download is done


@dataclass(frozen=True)
class Download:
    """The files of one subject from one commit."""

    subject: Subject
    hub: Hub
    remote: RemoteRepository
    cancel: CancelToken
    progress: ProgressCallback

    @property
    def cached(self) -> CachedRepository:
        return CachedRepository(default_root(), self.subject.repository)

    def run(self, paths: tuple[str, ...]) -> Path:
        """Fetch what is missing, record what was seen, and return the snapshot's folder."""
        name = self.subject.repository
        files = [self.hub.file(name, self.remote, path, self.cancel) for path in paths]
        self._check_room(files)
        meter = Meter([file.size for file in files], self.progress)
        for file in files:
            with self._alone(file):
                found = self._ensure(file, meter)
            self._record(file, found)
            meter.finish(file.path, found.bytes)
        self._name_commit()
        remove_empty_folders(self.cached.partials_folder)
        return self.cached.snapshot(self.remote.commit)

    def _ensure(self, file: RemoteFile, meter: Meter) -> Digest:
        """The file in its place, from the cache or the hub."""
        blob, link = self.cached.blob(file.etag), self._link(file)
        for present in (blob, link):
            if not present.is_file():
                continue
            found = self._read(present, file, meter)
            if difference(found, Expected(file.size, etag=file.etag)) is not None:
                present.unlink()  # not what the cache says it is: of use to no program
                continue
            self._trust(found, file)
            if present == blob:
                place(blob, blob, link)
            return found
        partial = self._partial(file)
        with refusals_of(self.hub.endpoint, self.subject.repository, self.remote.commit, file.path):
            download(
                self.hub.source(self.subject.repository, self.remote.commit, file),
                partial,
                lambda size: meter.report("downloading", file.path, size, file.size),
                self.cancel,
            )
        found = self._read(partial, file, meter)
        try:
            self._trust(found, file)
        except UnreadableFile:
            partial.unlink(missing_ok=True)
            raise
        place(partial, blob, link)
        return found

    def _link(self, file: RemoteFile) -> Path:
        return self.cached.snapshot(self.remote.commit) / file.path

    def _partial(self, file: RemoteFile) -> Path:
        return self.cached.partial(self.remote.commit, file.path)

    def _read(self, path: Path, file: RemoteFile, meter: Meter) -> Digest:
        size = size_of(path)

        def on_bytes(count: int) -> None:
            self.cancel.check()
            meter.report("checking", file.path, size, file.size)

        return digest(path, on_bytes)

    def _trust(self, found: Digest, file: RemoteFile) -> None:
        """Raise ``UnreadableFile`` unless the bytes are those that all who know of them name."""
        expected = self.subject.expected(file.path, file.size, file.etag)
        seen = self.subject.seen
        if seen is None or seen.commit != self.remote.commit:
            expected = replace(expected, first_seen=None)  # another commit may differ
        problem = difference(found, expected)
        if problem is not None:
            raise UnreadableFile(
                f"{file.path} of {self.subject.repository} is not what was published: {problem}."
                " It is not used.",
                advice="Pull again; if that does not help, do not trust where it comes from"
                f" ({self.hub.endpoint}).",
            )

    def _check_room(self, files: list[RemoteFile]) -> None:
        """Raise ``UnwritableFile`` where the disk cannot hold what is still to come."""
        missing = {
            file.etag: (file.size or 0)
            - size_of(self.cached.partial(self.remote.commit, file.path))
            for file in files
            if not self._link(file).is_file() and not self.cached.blob(file.etag).is_file()
        }
        needed = sum(max(size, 0) for size in missing.values())
        root = default_root()
        existing = next(folder for folder in (root, *root.parents) if folder.is_dir())
        free = shutil.disk_usage(existing).free
        if needed > free:
            raise UnwritableFile(
                f"{self.subject.name} needs {needed / 1e9:.1f} GB more on the disk of {root},"
                f" which has {free / 1e9:.1f} GB free.",
                advice="Make room, or name another place for the cache with HF_HOME.",
            )

    @contextmanager
    def _alone(self, file: RemoteFile) -> Iterator[None]:
        """Hold the lock that ``huggingface_hub`` takes for the same file, in any program."""
        path = default_root() / ".locks" / self.cached.folder.name / f"{file.etag}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from None
        with ExitStack() as stack:
            while True:
                self.cancel.check()
                try:
                    stack.enter_context(WeakFileLock(path, timeout=_WAIT))
                    break
                except Timeout:
                    continue
                except OSError as error:
                    raise unwritable(path, error) from None
            yield

    def _record(self, file: RemoteFile, found: Digest) -> None:
        """Into the lock file at once, so that a download broken off later keeps its commit."""
        key = lock.key_of(self.subject.repository, self.subject.revision)
        seen_file = lock.SeenFile(found.bytes, found.sha256, file.etag)

        def change(now: lock.Lock) -> lock.Lock:
            seen = now.repositories.get(key)
            files = dict(seen.files) if seen and seen.commit == self.remote.commit else {}
            files[file.path] = seen_file
            added = {key: lock.SeenRepository(self.remote.commit, files)}
            return replace(now, repositories=now.repositories | added)

        lock.update(change)

    def _name_commit(self) -> None:
        """Tell other programs what the branch stood for, unless one of them knows it already."""
        ref = self.cached.folder / "refs" / self.subject.revision
        if self.subject.revision == self.remote.commit or ref.exists():
            return
        try:
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(self.remote.commit, encoding="ascii")
        except OSError as error:
            raise unwritable(ref, error) from None
