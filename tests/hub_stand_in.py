"""A hub on this machine: the part of the Hugging Face hub's HTTP interface that downloads use.

Model information with sizes and hashes, files by ``resolve`` with ranges, ETags and commits, large
files by redirection to another host, gated and private repositories, and answers that go wrong.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin", ".pth", ".pt")  # what the hub keeps in Git LFS
PIECE = 4096


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer: a status, a connection dropped after so many bytes, seconds
    between pieces, other bytes than published, a range ignored, or more than there should be."""

    status: int | None = None
    drop_after: int | None = None
    pause: float = 0.0
    corrupt: bool = False
    ignore_range: bool = False
    surplus: int = 0
    retry_after: int | None = None


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    range: str | None
    token: str | None


@dataclass(frozen=True)
class Repository:
    """One repository at one commit; earlier commits stay to be had."""

    files: dict[str, bytes]
    gated: bool = False
    private: bool = False
    licence: str | None = None
    lists_hashes: bool = True

    @property
    def commit(self) -> str:
        content = repr(sorted(self.files.items())).encode()
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()

    def etag(self, path: str) -> str:
        return sha256(self.files[path]) if path.endswith(LARGE) else git_oid(self.files[path])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass
class HubStandIn:
    """``tokens`` may see private repositories, ``members`` of them have accepted gated terms."""

    endpoint: str = ""
    cdn: str = ""
    repositories: dict[str, dict[str, Repository]] = field(default_factory=dict)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    requests: list[Request] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tokens: frozenset[str] = frozenset({"hf_known", "hf_member"})
    members: frozenset[str] = frozenset({"hf_member"})

    def publish(self, name: str, files: dict[str, bytes], **options) -> str:
        """Make this the repository's ``main``; returns its commit."""
        repository = Repository(files, **options)
        revisions = self.repositories.setdefault(name, {})
        revisions["main"] = revisions[repository.commit] = repository
        return repository.commit

    def fail(self, path: str, *faults: Fault) -> None:
        """Let the next answers for a file's content, or for the listing ("info"), go wrong."""
        self.faults[path].extend(faults)

    def next_fault(self, path: str) -> Fault:
        return self.faults[path].popleft() if self.faults[path] else Fault()

    def downloads(self, path: str) -> list[Request]:
        """The requests that brought, or should have brought, a file's bytes."""
        return [one for one in self.requests if one.method == "GET" and one.path.endswith(path)]


@contextmanager
def running() -> Iterator[HubStandIn]:
    """The hub and the host of its large files, each on a port of its own."""
    hub = HubStandIn()
    handler = type("Handler", (_Handler,), {"hub": hub})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    hub.endpoint, hub.cdn = (f"http://127.0.0.1:{one.server_address[1]}" for one in servers)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are separate writes

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        authorization = self.headers.get("Authorization")
        token = authorization.removeprefix("Bearer ") if authorization else None
        self.hub.requests.append(Request(self.command, path, self.headers.get("Range"), token))
        parts = path.strip("/").split("/")
        if parts[0] == "cdn":
            self._cdn("/".join(parts[1:3]), parts[3], "/".join(parts[4:]), token)
        elif parts[:2] == ["api", "models"]:
            self._info("/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main", token)
        elif len(parts) > 4 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]), token)
        else:
            self._send(404, error="RepoNotFound")

    def _find(self, name: str, revision: str, token: str | None) -> Repository | None:
        """The repository as far as this caller may see that it exists; else an answer is sent."""
        revisions = self.hub.repositories.get(name)
        visible = revisions and (not revisions["main"].private or token in self.hub.tokens)
        if revisions is None or not visible:
            self._send(404 if token in self.hub.tokens else 401, error="RepoNotFound")
        elif revision not in revisions:
            self._send(404, error="RevisionNotFound")
        else:
            return revisions[revision]
        return None

    def _info(self, name: str, revision: str, token: str | None) -> None:
        fault = self.hub.next_fault("info")
        if fault.status is not None:
            self._send(fault.status, retry_after=fault.retry_after)
            return
        if fault.corrupt:
            self._send(200, b"<html>Please log in to the hotel's network</html>")
            return
        repository = self._find(name, revision, token)
        if repository is None:
            return
        siblings = [self._sibling(repository, path) for path in sorted(repository.files)]
        info = {
            "id": name,
            "sha": repository.commit,
            "gated": "auto" if repository.gated else False,
            "siblings": siblings,
            "cardData": {"license": repository.licence} if repository.licence else {},
        }
        self._send(200, json.dumps(info).encode())

    def _sibling(self, repository: Repository, path: str) -> dict[str, object]:
        content = repository.files[path]
        if not repository.lists_hashes:
            return {"rfilename": path}
        entry: dict[str, object] = {
            "rfilename": path,
            "size": len(content),
            "blobId": git_oid(content),
        }
        if path.endswith(LARGE):
            entry["lfs"] = {"size": len(content), "sha256": sha256(content), "pointerSize": 130}
        return entry

    def _resolve(self, name: str, revision: str, path: str, token: str | None) -> None:
        repository = self._find(name, revision, token)
        if repository is None:
            return
        if repository.gated and token not in self.hub.members:
            self._send(403 if token in self.hub.tokens else 401, error="GatedRepo")
        elif path not in repository.files:
            self._send(404, error="EntryNotFound", commit=repository.commit)
        elif path.endswith(LARGE):
            location = f"{self.hub.cdn}/cdn/{name}/{repository.commit}/{path}?signature=secret"
            self._redirect(repository, path, location)
        else:
            self._content(repository, path)

    def _redirect(self, repository: Repository, path: str, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("X-Linked-Etag", f'"{repository.etag(path)}"')
        self.send_header("X-Linked-Size", str(len(repository.files[path])))
        self.send_header("X-Xet-Hash", "0" * 64)  # plain HTTP must do all the same
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _cdn(self, name: str, commit: str, path: str, token: str | None) -> None:
        if token is not None:  # signed addresses and tokens exclude each other, as on S3
            self._send(400)
            return
        self._content(self.hub.repositories[name][commit], path)

    def _content(self, repository: Repository, path: str) -> None:
        fault = self.hub.next_fault(path) if self.command == "GET" else Fault()
        if fault.status is not None:
            self._send(fault.status, retry_after=fault.retry_after)
            return
        content = repository.files[path]
        if fault.corrupt:
            content = bytes(byte ^ 0xFF for byte in content)
        content += b"\0" * fault.surplus
        start = self._start() if not fault.ignore_range else 0
        if start and start >= len(content):
            self._send(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{repository.etag(path)}"')
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "GET":
            self._pour(path, content[start:], fault)

    def _start(self) -> int:
        given = self.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
        return int(given) if given else 0

    def _pour(self, path: str, content: bytes, fault: Fault) -> None:
        cut = content if fault.drop_after is None else content[: fault.drop_after]
        for at in range(0, len(cut), PIECE):
            piece = cut[at : at + PIECE]
            self.hub.sent[path] += len(piece)  # before the other side can have it and go on
            try:
                self.wfile.write(piece)
            except OSError:  # the other side has hung up
                self.hub.sent[path] -= len(piece)
                self.close_connection = True
                return
            time.sleep(fault.pause)
        if len(cut) < len(content):
            self.close_connection = True

    def _send(
        self,
        status: int,
        body: bytes = b"{}",
        *,
        error: str | None = None,
        commit: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.send_response(status)
        headers = {"X-Error-Code": error, "X-Error-Message": error, "X-Repo-Commit": commit}
        headers["Retry-After"] = str(retry_after) if retry_after is not None else None
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
