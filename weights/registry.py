"""The checkpoints that LayerStudio knows, read from ``registry.toml`` and checked on loading."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.weights.patterns import is_pattern, is_safe

Family = Literal[
    "sdxl", "sd15", "flux", "birefnet", "lama", "qwen-layered", "sam", "sam2", "sam3",
    "grounding-dino", "owlv2", "depth-anything", "dpt", "vitmatte",
]  # fmt: skip
Kind = Literal[
    "base", "vae", "delta", "patch", "lora", "attention-sharing", "transparency-encoder",
    "transparency-decoder", "transparent-vae", "preview-decoder", "controlnet", "ip-adapter",
    "multilayer", "matting", "inpainting", "detecting", "segmenting", "depth", "layering",
]  # fmt: skip

_REGISTRY = Path(__file__).with_name("registry.toml")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Licence:
    """``commercial`` is False where the terms rule commercial use out, ``recorded`` False
    where nobody here could look up what the publisher states."""

    name: str
    url: str
    commercial: bool = True
    recorded: bool = True


@dataclass(frozen=True)
class WeightFile:
    """A path in the repository, or a pattern; size and hash only where known for certain."""

    path: str
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Checkpoint:
    """One row: what is pulled, located, verified and removed as one.

    ``base`` is the id of the row that it goes with. ``variant`` is diffusers' name for the
    precision in the files' names, ``dtype`` that of the numbers stored. ``provenance`` says what
    is doubtful about the material it was trained on; a download then waits for
    ``--accept-provenance``. ``withdrawn`` says why its publisher took it back; it is never
    downloaded then.
    """

    id: str
    title: str
    family: Family
    kind: Kind
    repository: str
    files: tuple[WeightFile, ...]
    licence: Licence
    revision: str = "main"
    gated: bool = False
    base: str | None = None
    variant: str | None = None
    dtype: str | None = None
    notes: str = ""
    provenance: str = ""
    withdrawn: str = ""

    @property
    def patterns(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files)

    @property
    def needs_provenance_acceptance(self) -> bool:
        return bool(self.provenance)

    @property
    def page(self) -> str:
        """Where a person reads about it."""
        return f"https://huggingface.co/{self.repository}"


def checkpoints() -> tuple[Checkpoint, ...]:
    """Every row, in the registry's order."""
    return tuple(_table().values())


def checkpoint(id: str) -> Checkpoint:
    """The row of that id; raises ``InvalidRequest`` that suggests the nearest one."""
    row = _table().get(id)
    if row is None:
        near = difflib.get_close_matches(id, _table(), n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InvalidRequest(
            f"There is no checkpoint {id!r}.", advice=f"{hint}`layerstudio models list` shows them."
        )
    return row


def rows_of(repository: str) -> tuple[Checkpoint, ...]:
    """The rows that lie in a repository of the hub, which does not tell capitals apart."""
    wanted = repository.lower()
    return tuple(row for row in checkpoints() if row.repository.lower() == wanted)


def is_repository(name: str) -> bool:
    """Whether a name is the hub's ``organisation/name``."""
    return _REPOSITORY.fullmatch(name) is not None and ".." not in name and "--" not in name


@cache
def _table() -> dict[str, Checkpoint]:
    return {row.id: row for row in parse(_REGISTRY.read_text(encoding="utf-8"))}


def parse(text: str, origin: str = "registry.toml") -> tuple[Checkpoint, ...]:
    """The rows of a registry; raises ``UnreadableFile`` naming the row and what is wrong in it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableFile(f"{origin} is not valid TOML: {error}.") from None
    licences = {
        key: _built(Licence, entry, f"{origin}, licence {key!r}")
        for key, entry in data.get("licences", {}).items()
    }
    rows = tuple(_row(entry, licences, origin) for entry in data.get("checkpoint", []))
    _check_references(rows, origin)
    return rows


def _row(entry: dict[str, Any], licences: dict[str, Licence], origin: str) -> Checkpoint:
    where = f"{origin}, row {entry.get('id', '(without id)')!r}"
    licence = licences.get(entry.get("licence", ""))
    if licence is None:
        raise UnreadableFile(f"{where}: licence {entry.get('licence')!r} is not in [licences].")
    listed = entry.get("files")
    if not isinstance(listed, list) or not listed:
        raise UnreadableFile(f"{where}: files must be a list of at least one.")
    files = tuple(_file(one, where) for one in listed)
    row: Checkpoint = _built(Checkpoint, entry | {"licence": licence, "files": files}, where)
    _check_row(row, where)
    return row


def _file(entry: Any, where: str) -> WeightFile:
    given = entry if isinstance(entry, dict) else {"path": entry}
    file: WeightFile = _built(WeightFile, given, where)
    problem = None
    if not isinstance(file.path, str) or not is_safe(file.path):
        problem = "is not a path inside the repository"
    elif is_pattern(file.path) and (file.bytes is not None or file.sha256 is not None):
        problem = "is a pattern and has no one size or hash"
    elif file.sha256 is not None and not _SHA256.fullmatch(str(file.sha256)):
        problem = "has a sha256 that is not 64 lower-case hexadecimal digits"
    elif file.bytes is not None and (not isinstance(file.bytes, int) or file.bytes < 1):
        problem = "has a size that is not a number of bytes"
    if problem:
        raise UnreadableFile(f"{where}: file {file.path!r} {problem}.")
    return file


def _built(kind: type[Any], entry: dict[str, Any], where: str) -> Any:
    """A dataclass from a table, its keys and the types of its plain fields checked."""
    known = {field.name: str(field.type) for field in fields(kind)}
    unknown = sorted(set(entry) - set(known))
    if unknown:
        raise UnreadableFile(f"{where}: unknown key {unknown[0]!r}.")
    for key, value in entry.items():
        expected = {"str": str, "bool": bool, "str | None": str}.get(known[key])
        if expected and not isinstance(value, expected):
            raise UnreadableFile(f"{where}: {key} must be a {expected.__name__}, not {value!r}.")
    try:
        return kind(**entry)
    except TypeError:
        needed = [field.name for field in fields(kind) if field.default is MISSING]
        missing = ", ".join(name for name in needed if name not in entry)
        raise UnreadableFile(f"{where}: {missing} missing.") from None


def _check_row(row: Checkpoint, where: str) -> None:
    problems = {
        "id must be lower-case words joined by '-'": not _ID.fullmatch(row.id),
        f"family {row.family!r} is none of {get_args(Family)}": row.family not in get_args(Family),
        f"kind {row.kind!r} is none of {get_args(Kind)}": row.kind not in get_args(Kind),
        f"repository {row.repository!r} is not 'organisation/name'": not is_repository(
            row.repository
        ),
        f"revision {row.revision!r} is not a branch, tag or commit": not is_safe(row.revision),
        "a file is listed twice": len(set(row.patterns)) != len(row.files),
    }
    for problem, found in problems.items():
        if found:
            raise UnreadableFile(f"{where}: {problem}.")


def _check_references(rows: tuple[Checkpoint, ...], origin: str) -> None:
    families: dict[str, str] = {}
    for row in rows:
        if row.id in families:
            raise UnreadableFile(f"{origin}, row {row.id!r}: the id is taken by an earlier row.")
        families[row.id] = row.family
    for row in rows:
        if row.base is not None and families.get(row.base) != row.family:
            raise UnreadableFile(
                f"{origin}, row {row.id!r}: base {row.base!r} is not a row of family {row.family}."
            )
