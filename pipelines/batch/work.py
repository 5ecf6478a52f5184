"""One item of a batch, and what became of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from layerstudio.generate_request import GenerateRequest
from layerstudio.pipelines.batch.places import shown
from layerstudio.requests import DecomposeRequest

Task = Literal["decompose", "generate", "convert"]
AnyRequest = DecomposeRequest | GenerateRequest

# Why an item did not succeed. What passes by itself (memory, network, a worker that died, a full
# disk) is tried again; what is wrong with the input is set aside at once.
Trouble = Literal["input", "weights", "memory", "network", "disk", "crash", "timeout", "fault"]


@dataclass(frozen=True)
class Work:
    """What to run and where the results go.

    ``key`` names the item in the journal: equal work has an equal key in every run. ``source`` is
    the picture or layered file, "" for a generation. ``request`` is None for a conversion.
    ``targets`` are paths or addresses, one for each format. ``origin`` says where the item was
    asked for, for messages ("list.csv, row 7").
    """

    key: str
    source: str
    request: AnyRequest | None
    targets: tuple[str, ...]
    origin: str

    @property
    def task(self) -> Task:
        return "convert" if self.request is None else _TASKS[type(self.request)]

    @property
    def method(self) -> str:
        return "" if self.request is None else self.request.method or ""


_TASKS: dict[type[AnyRequest], Task] = {DecomposeRequest: "decompose", GenerateRequest: "generate"}


@dataclass(frozen=True)
class Written:
    """A finished file on its way: complete and synced at ``part``, to be moved to ``target``."""

    part: str
    target: str
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        """For the journal, without what may be secret in an address."""
        return {"part": self.part, "target": shown(self.target), "bytes": self.bytes}


@dataclass(frozen=True)
class Result:
    """What a worker made of a work: files, or the trouble it had. Seconds are the method's own,
    ``peak_bytes`` the most memory that the worker held so far.

    ``thumbnail`` is a small WebP of the flattened result for the report. ``details`` are for a log:
    a traceback, of faults alone.
    """

    key: str
    files: tuple[Written, ...] = ()
    seconds: float = 0.0
    layers: int = 0
    max_error: float | None = None
    notes: tuple[str, ...] = ()
    thumbnail: bytes = b""
    peak_bytes: int = 0
    trouble: Trouble | None = None
    message: str = ""
    details: str = ""


def key_of(source: str, identity: str, request: AnyRequest | None, targets: tuple[str, ...]) -> str:
    """16 hex digits: the same for the same request of the same file into the same files.

    ``identity`` tells versions of the source apart, as size and time do. Passwords in addresses
    do not count: they change, and the work is the same.
    """
    places = [shown(target) for target in targets]
    return digest_of([shown(source), identity, asked_for(request), places])[:16]


def digest_of(value: Any) -> str:
    """SHA-256 of JSON-ready data, in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=256)
def asked_for(request: AnyRequest | None) -> str:
    """A request as text; pictures of one folder share theirs."""
    return "" if request is None else json.dumps(request.to_dict(), sort_keys=True)
