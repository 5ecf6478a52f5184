"""By what a later run notices that a file of weights is another one: no hash of all of its bytes.

Weights from a hub have a commit, which is recorded with the layers. A LoRA or a base model from a
file of the user's has a name only, under which another one may lie next month.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from layerstudio.generate_request import GenerateRequest
from layerstudio.pipelines.needs import is_registered

_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".json")
# Fine-tunes of one model have the same header, size and often parts of their tensors: values from
# all over the file tell them apart. 65 reads take a disk some milliseconds.
_SAMPLES, _SAMPLE = 64, 4096
_LENGTH = 16  # hexadecimal digits, 64 bits: against accidents, not against forgery


def fingerprints_of(request: GenerateRequest) -> tuple[tuple[str, str], ...]:
    """Of every file or folder of weights that the request names, with its name."""
    adapters = (*request.loras, request.controlnet, request.ip_adapter)
    names = (request.base, *(adapter.source for adapter in adapters if adapter))
    paths = {name: Path(name).expanduser() for name in names if name and not is_registered(name)}
    return tuple((name, fingerprint(path)) for name, path in paths.items() if path.exists())


def fingerprint(path: Path) -> str:
    """Of a file, or of all weights and configurations in a folder: sizes and samples of them."""
    digest = sha256()
    for file in _files(path):
        size = file.stat().st_size
        name = file.relative_to(path).as_posix()
        digest.update(f"{name}\0{size}\0".encode())
        with file.open("rb") as stream:
            for index in range(_SAMPLES + 1):
                stream.seek(max(size - _SAMPLE, 0) * index // _SAMPLES)
                digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()[:_LENGTH]


def remarks(recorded: GenerateRequest, now: GenerateRequest) -> tuple[str, ...]:
    """What to tell where weights of a recipe are no longer those it was made with."""
    found = dict(now.fingerprints)
    changed = [name for name, seen in recorded.fingerprints if found.get(name, seen) != seen]
    return tuple(
        f"{name!r} is no longer what the recipe was made with, so the picture differs."
        for name in changed
    )


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        return iter([path])
    return (file for file in sorted(path.rglob("*")) if file.suffix in _SUFFIXES and file.is_file())
