"""From what a user names to the works of a batch: every one settled before the first runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from layerstudio.errors import InvalidRequest, LayerStudioError
from layerstudio.generate_request import GenerateRequest
from layerstudio.io.files import FORMATS
from layerstudio.io.picture import PICTURE_SUFFIXES
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.rows import Row, csv_rows, json_rows
from layerstudio.pipelines.batch.templates import Namer, Naming
from layerstudio.pipelines.batch.work import AnyRequest, Work, asked_for, digest_of, key_of
from layerstudio.pipelines.methods import DEFAULT_DECOMPOSE, DEFAULT_GENERATE, Task, card_of
from layerstudio.pipelines.needs import require
from layerstudio.pipelines.rerunning import recipe_of
from layerstudio.progress import CancelToken
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import resolve

STANDARD_INPUT = "-"
_LISTS = {".jsonl", ".ndjson", ".csv", ".txt"}
_DEFAULTS: Mapping[Task, str] = {"decompose": DEFAULT_DECOMPOSE, "generate": DEFAULT_GENERATE}
_LAYERED = {suffix for suffix, row in FORMATS.items() if row.readable and not row.is_folder}


@dataclass(frozen=True)
class Asked:
    """What the command was given: inputs, and what is done with those that are no requests."""

    inputs: tuple[str, ...]
    out: str
    formats: tuple[str, ...] = (".psd",)
    template: str = "{stem}"
    task: str = "decompose"  # or "convert", or "again": what is done with files and folders
    defaults: Mapping[str, Any] = field(default_factory=dict)  # fields of decompositions
    recursive: bool = False
    settled: float = 0.0  # seconds since a file last changed: younger ones are left for later
    may_be_empty: bool = False  # of a folder that is watched

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(map(places.localised, self.inputs)))
        object.__setattr__(self, "out", places.localised(self.out))


@dataclass(frozen=True)
class Refused:
    """An input that makes no work, and why."""

    origin: str
    message: str


@dataclass(frozen=True)
class Plan:
    works: tuple[Work, ...]
    refused: tuple[Refused, ...]
    duplicates: int


@dataclass(frozen=True)
class _Draft:
    """``identity`` None is still to be asked for."""

    row: Row
    identity: str | None = None
    folder: str = ""


def planned(
    asked: Asked,
    standard_input: Iterator[str] | None = None,
    cancel: CancelToken | None = None,
) -> Plan:
    """All works in a fixed order, each once.

    Raises ``InvalidRequest`` for options that make no sense, ``UnreadableFile`` for a list or
    folder that cannot be read, and ``MissingWeights`` for methods that could not run. A single
    input that makes no sense is among ``refused``. Raises ``Cancelled`` too.
    """
    cancel = cancel or CancelToken()
    namer = Namer(asked.template)
    works: dict[str, Work] = {}
    refused: list[Refused] = []
    duplicates = 0
    checks = _Checks(asked.defaults)
    if asked.task == "decompose" and not all(map(_is_list, asked.inputs)):
        checks.plain()  # raises for what is wrong for every file
    for draft in _drafts(asked, standard_input):
        cancel.check()
        try:
            made = list(_works(draft, asked, namer, checks, len(works) + len(refused) + 1))
        except LayerStudioError as error:
            refused.append(Refused(draft.row.origin, str(error)))
            continue
        for work in made:
            duplicates += work.key in works
            works.setdefault(work.key, work)
    checks.require_weights()
    return Plan(tuple(works.values()), tuple(refused), duplicates)


class _Checks:
    """Requests against what their methods take; each pair of method and settings once."""

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        self._defaults = defaults
        self._plain: AnyRequest | None = None
        self._needed: dict[str, tuple[str, ...]] = {}

    def plain(self) -> AnyRequest:
        """The decomposition that a file gets whose row says nothing: one for all of them."""
        if self._plain is None:
            self._plain = self.settled(DecomposeRequest.from_dict(dict(self._defaults)))
        return self._plain

    def settled(self, request: AnyRequest) -> AnyRequest:
        """With its method named and its settings resolved; raises ``InvalidRequest``."""
        task = "decompose" if isinstance(request, DecomposeRequest) else "generate"
        method = request.method or _DEFAULTS[task]
        card = card_of(method, task)
        if not request.base:
            self._needed[method] = card.needs
        settings = resolve(card.settings, request.settings, method)
        return replace(request, method=method, settings=settings)

    def require_weights(self) -> None:
        for method, needs in self._needed.items():
            require(needs, f"The method {method!r}")


def _works(
    draft: _Draft, asked: Asked, namer: Namer, checks: _Checks, index: int
) -> Iterator[Work]:
    row = draft.row
    if row.problem:
        raise InvalidRequest(row.problem)
    source, identity = row.source, draft.identity
    if identity is None:
        identity = places.identity_of(source) if source else ""
    if row.task == "again":
        if places.is_address(source):
            raise InvalidRequest("Recipes are read from local files alone.")
        request: AnyRequest | None = recipe_of(source, {**asked.defaults, **(row.fields or {})})
        source = request.source or "" if isinstance(request, DecomposeRequest) else ""
        identity = f"{identity} {places.identity_of(source)}" if source else identity
    elif row.task == "decompose" and not row.fields:
        request = checks.plain()
    else:
        request = row.request(asked.defaults)
    if request is not None and row.fields:
        request = checks.settled(request)
    if source and row.task != "again" and not identity:
        raise InvalidRequest(f"{places.shown(source)!r} does not exist.")
    for number, one in enumerate(_single(request)):
        naming = Naming(source or row.source, one, index + number, row.name, draft.folder)
        stem = namer.name(naming)
        targets = tuple(places.joined(asked.out, stem + suffix) for suffix in asked.formats)
        yield Work(key_of(source, identity, one, targets), source, one, targets, row.origin)


def _single(request: AnyRequest | None) -> Iterator[AnyRequest | None]:
    """A generation of several pictures as several generations, so that each stands alone.

    Without a seed it gets one that follows from the rest of it: a batch that is continued must make
    what the undisturbed one would have made.
    """
    if not isinstance(request, GenerateRequest):
        yield request
        return
    first = request.seed
    if first is None:
        first = int(digest_of(asked_for(request))[:8], 16)
    for number in range(request.count):
        yield replace(request, count=1, seed=first + number)


def _drafts(asked: Asked, standard_input: Iterator[str] | None) -> Iterator[_Draft]:
    for given in asked.inputs:
        if given == STANDARD_INPUT:
            yield from map(_Draft, json_rows(standard_input or iter(()), "standard input"))
        elif _is_list(given):
            yield from map(_Draft, _listed(given))
        else:
            yield from _files(given, asked)


def _listed(place: str) -> Iterator[Row]:
    from layerstudio.io.limits import DEFAULT_LIMITS

    data = places.read(place, DEFAULT_LIMITS)
    origin = places.name_of(place)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{origin} is not UTF-8: {error.reason}.") from None
    if _suffix(place) == ".csv":
        return csv_rows(text, origin)
    return json_rows(iter(text.splitlines()), origin)


def _files(given: str, asked: Asked) -> Iterator[_Draft]:
    """A file, the files of a folder, or those that a pattern with ``*`` or ``?`` matches."""
    if any(character in given for character in "*?[") and not _exists(given):
        found = list(places.matching(given))
        if not found and not asked.may_be_empty:
            raise InvalidRequest(f"Nothing matches {places.shown(given)!r}.")
    elif _is_folder(given):
        wanted = _LAYERED if asked.task != "decompose" else PICTURE_SUFFIXES
        listed = places.listing(given, deep=asked.recursive)
        found = [(place, identity) for place, identity in listed if _suffix(place) in wanted]
        if not found and not asked.may_be_empty:
            what = "layered files" if asked.task != "decompose" else "pictures"
            raise InvalidRequest(f"The folder {places.shown(given)!r} holds no {what}.")
    else:
        found = [(given, None)]
    for place, identity in found:
        if asked.settled and places.age_of(place) < asked.settled:
            continue
        row = Row(places.shown(place), asked.task, place, fields={})
        yield _Draft(row, identity, _below(place, given))


def _exists(place: str) -> bool:
    """Of a local file whose name looks like a pattern."""
    return not places.is_address(place) and Path(place).exists()


def _is_folder(place: str) -> bool:
    if not places.is_address(place):
        path = Path(place)
        return path.is_dir() and not FORMATS.get(path.suffix.lower(), _NO_FORMAT).is_folder
    return places.is_folder(place)


_NO_FORMAT = FORMATS[".png"]  # any format that is no folder


def _is_list(given: str) -> bool:
    return given == STANDARD_INPUT or _suffix(given) in _LISTS


def _suffix(place: str) -> str:
    return os.path.splitext(places.name_of(place))[1].lower()


def _below(place: str, given: str) -> str:
    """The folders between a folder that was given and a file in it, with ``/``."""
    inner = place.removeprefix(given).strip("/\\").replace("\\", "/")
    return inner.rpartition("/")[0] if place.startswith(given) and inner != place else ""
