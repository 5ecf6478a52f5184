"""Where a model lies on this machine that was named by id, folder, file or hub name.

Nothing here downloads: what is not on the machine is an error that says how to get it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from layerstudio.errors import InvalidRequest, MissingWeights, UnreadableFile
from layerstudio.pipelines.needs import is_registered, revision_of
from layerstudio.weights.registry import checkpoint, checkpoints, is_repository
from layerstudio.weights.store import find_repository, is_present, located

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True)
class Found:
    """A folder or file; ``weights`` and ``revision`` are what the recipe remembers of it.

    ``variant`` is diffusers' name for the precision that is a part of the file names.
    """

    path: Path
    weights: str
    revision: str = ""
    variant: str | None = None


def find_model(name: str, what: str) -> Found:
    """The model called ``name``: a registry id, a path, or a hub name that is in the cache.

    ``what`` names its part in the errors ("base model"). Raises ``MissingWeights`` for what could
    be fetched, ``UnreadableFile`` for a path that leads nowhere, ``InvalidRequest`` for a name
    that is none of these.
    """
    if is_registered(name):
        row = checkpoint(name)
        return Found(located(name), name, revision_of(name), row.variant)
    path = Path(name).expanduser()
    if path.exists():
        return Found(path, path.name, variant=_variant_of(path))
    if not is_repository(name) or path.suffix in WEIGHT_SUFFIXES:
        raise _no_such(name, what)
    cached = find_repository(name)
    if cached is None:
        raise MissingWeights(
            f"The {what} {name!r} is neither a file nor in the cache of downloaded models.",
            advice=f"Get it with `layerstudio models pull {name}`, or give a path or an id from "
            "`layerstudio models list`.",
        )
    return Found(cached, name, cached.name, _variant_of(cached))


def configured_like(family: str, default: str) -> Path:
    """A base model of ``family`` on this machine, whose configuration and tokenizers a single file
    is read with; raises ``MissingWeights`` where there is none."""
    bases = [row.id for row in checkpoints() if row.kind == "base" and row.family == family]
    present = next((id for id in bases if is_present(id)), None)
    if present is None:
        raise MissingWeights(
            "A single file holds no tokenizer, which is taken from a base model of its family, "
            "and none is on this machine.",
            advice=f"Get one with `layerstudio models pull {default}`.",
        )
    return located(present)


def only_file(found: Found, patterns: Sequence[str], what: str) -> Path:
    """``found`` if it is a file, else the one file in its folder that matches a pattern."""
    if found.path.is_file():
        return found.path
    matching = sorted({path for pattern in patterns for path in found.path.rglob(pattern)})
    if len(matching) != 1:
        names = ", ".join(path.name for path in matching[:5]) or "none"
        raise InvalidRequest(
            f"{str(found.path)!r} should hold one file for the {what}, and it holds {names}.",
            advice="Give the path of the file itself.",
        )
    return matching[0]


def _no_such(name: str, what: str) -> UnreadableFile | InvalidRequest:
    is_path = "/" in name or "\\" in name or Path(name).suffix in WEIGHT_SUFFIXES
    if is_path:
        return UnreadableFile(f"The {what} {name!r} does not exist.")
    return InvalidRequest(
        f"There is no {what} {name!r}.",
        advice="Give an id from `layerstudio models list`, a folder, a file, or a hub name.",
    )


def _variant_of(path: Path) -> str | None:
    """ "fp16" where a folder holds half-precision files only."""
    if path.is_file():
        return None
    weights = [file.name for file in path.rglob("*.safetensors")]
    return "fp16" if weights and all(".fp16." in name for name in weights) else None
