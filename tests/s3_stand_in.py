"""Object storage on this machine: the part of S3's interface that s3fs uses.

Buckets in memory, path-style addresses, listing (version 2, in pages), ranges, multipart uploads,
and answers that go wrong on demand. Signatures are recorded, not checked.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

DATE = "Sat, 28 Nov 2026 12:00:00 GMT"
PAGE = 3  # keys of one listing: every test of more sees pages
KEY, SECRET = "stand-in-key", "stand-in-secret"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request of a method: a status, or a connection that is dropped
    after so many seconds without an answer."""

    method: str
    status: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]


@dataclass
class Store:
    """``objects`` by bucket and key. Faults are used up, the first that fits first."""

    objects: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    def fault(self, method: str) -> Fault | None:
        with self.lock:
            found = next((fault for fault in self.faults if fault.method == method), None)
            if found is not None:
                self.faults.remove(found)
            return found

    def count(self, method: str) -> int:
        return sum(request.method == method for request in self.requests)


@contextmanager
def s3_stand_in(*buckets: str) -> Iterator[Store]:
    """A server with these buckets, and the environment that leads this process and its children
    to it."""
    store = Store({bucket: {} for bucket in buckets})

    class Handler(_Handler):
        pass

    Handler.store = store
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    ours = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.port}",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield store
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    store: Store
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_POST(self) -> None:
        self._answer("POST")

    def log_message(self, format: str, *args: object) -> None:
        return

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.store.lock:
            self.store.requests.append(Request(method, unquote(parts.path), query))
        fault = self.store.fault(method)
        if fault is not None:
            self._go_wrong(fault)
            return
        if bucket not in self.store.objects:
            self._error(404, "NoSuchBucket")
            return
        objects = self.store.objects[bucket]
        if method == "HEAD" and not key:
            self._send(200)
        elif method == "GET" and not key:
            self._send(200, _listing(bucket, objects, query))
        elif method in ("GET", "HEAD"):
            self._object(objects, key)
        elif method == "PUT" and "uploadId" in query:
            self.store.uploads[query["uploadId"]][int(query["partNumber"])] = body
            self._send(200, tag=_tag(body))
        elif method == "PUT":
            objects[key] = body
            self._send(200, tag=_tag(body))
        else:
            self._multipart(objects, bucket, key, query)

    def _go_wrong(self, fault: Fault) -> None:
        time.sleep(fault.seconds)
        if fault.status is None:
            self.close_connection = True
        else:
            self._error(fault.status, {503: "SlowDown", 403: "AccessDenied"}[fault.status])

    def _object(self, objects: dict[str, bytes], key: str) -> None:
        if key not in objects:
            self._error(404, "NoSuchKey")
            return
        data = objects[key]
        wanted = self.headers.get("Range")
        if wanted is None:
            self._send(200, data, tag=_tag(data))
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        piece = data[int(first) : int(last) + 1 if last else None]
        span = f"bytes {first}-{int(first) + len(piece) - 1}/{len(data)}"
        self._send(206, piece, tag=_tag(data), span=span)

    def _multipart(
        self, objects: dict[str, bytes], bucket: str, key: str, query: dict[str, str]
    ) -> None:
        if "uploads" in query:
            name = str(len(self.store.uploads))
            self.store.uploads[name] = {}
            inner = f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key><UploadId>{name}</UploadId>"
            self._send(200, _xml("InitiateMultipartUploadResult", inner))
            return
        parts = self.store.uploads.pop(query["uploadId"])
        objects[key] = b"".join(parts[number] for number in sorted(parts))
        inner = f"<ETag>{_tag(objects[key])}</ETag>"
        self._send(200, _xml("CompleteMultipartUploadResult", inner))

    def _error(self, status: int, code: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>{code} here</Message></Error>"  # no namespace
        self._send(status, text.encode())

    def _send(self, status: int, body: bytes = b"", tag: str = "", span: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", DATE)
        if tag:
            self.send_header("ETag", tag)
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _listing(bucket: str, objects: dict[str, bytes], query: dict[str, str]) -> bytes:
    """One page of the keys with a prefix; those with the delimiter behind it are folded."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    names: dict[str, bytes | None] = {}
    for key in sorted(key for key in objects if key.startswith(prefix)):
        inner, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        names[prefix + inner + delimiter if found else key] = None if found else objects[key]
    start = query.get("continuation-token", "")
    left = sorted(name for name in names if name > start)
    page = left[: min(PAGE, int(query.get("max-keys", PAGE)))]
    items = "".join(_item(name, names[name]) for name in page)
    more = len(left) > len(page)
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
    head = f"<Name>{bucket}</Name><KeyCount>{len(page)}</KeyCount>"
    return _xml(
        "ListBucketResult", f"{head}<IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}"
    )


def _item(name: str, data: bytes | None) -> str:
    if data is None:
        return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
    return (
        f"<Contents><Key>{escape(name)}</Key><Size>{len(data)}</Size>"
        f"<ETag>{_tag(data)}</ETag><LastModified>2026-11-28T12:00:00.000Z</LastModified></Contents>"
    )


def _xml(name: str, inner: str) -> bytes:
    space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    return f'<?xml version="1.0" encoding="UTF-8"?><{name} {space}>{inner}</{name}>'.encode()


def _tag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
