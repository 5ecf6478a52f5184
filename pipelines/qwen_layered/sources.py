"""Where the parts of Qwen-Image-Layered lie, and how the transformer's numbers are stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.pipelines.base_models import Found, find_model
from layerstudio.pipelines.needs import is_registered, require
from layerstudio.weights.registry import checkpoint

WHOLE, PARTS = "qwen-image-layered", "qwen-image-layered-parts"

Stored = Literal["full", "fp8", "gguf"]
_FOLDERS = ("text_encoder", "vae", "tokenizer", "processor", "scheduler", "transformer")
_TITLE = "Qwen-Image-Layered"


@dataclass(frozen=True)
class Source:
    """``folder`` has the published layout; ``file`` holds the transformer where it is one file.

    ``bytes`` are the transformer's on disk, ``parameters`` those of each network by its folder.
    ``stamps`` change when the files do.
    """

    folder: Path
    weights: str
    revision: str
    file: Path | None
    stored: Stored
    bytes: int
    parameters: tuple[tuple[str, int], ...]
    stamps: tuple[int, ...]

    def count(self, name: str) -> int:
        return dict(self.parameters)[name]


def find_source(name: str | None) -> Source:
    """What ``name`` leads to: a folder in the published layout, in which the transformer may be one
    GGUF file; such a file, or a safetensors file of the transformer, alone; an id or hub name.

    Raises ``MissingWeights``, ``InvalidRequest`` and ``UnreadableFile`` before anything is loaded.
    """
    if name in (None, "", WHOLE):
        require([WHOLE, PARTS], _TITLE)
    found = find_model(name or WHOLE, "base model")
    if is_registered(found.weights) and checkpoint(found.weights).family != "qwen-layered":
        raise _refused(found, checkpoint(found.weights).title)
    if found.path.is_file():
        return _source(_parts(), found, found.path)
    if (found.path / "model_index.json").is_file():
        return _source(found.path, found, _only(found.path / "transformer", "*.gguf"))
    alone = _only(found.path, "*.gguf") or _only(found.path, "*.safetensors")
    if alone is None:
        raise _refused(found, "a folder with neither model_index.json nor one GGUF file")
    return _source(_parts(), found, alone)


def _parts() -> Path:
    """The folder of everything but the transformer, to go with a file of it."""
    require([PARTS], f"A file of the transformer alone, without the rest of {_TITLE},")
    return find_model(PARTS, "base model").path


def _source(folder: Path, found: Found, file: Path | None) -> Source:
    absent = [name for name in _FOLDERS if not (folder / name).is_dir()]
    if absent:
        raise _refused(found, f"a folder without {', '.join(absent)}")
    files = [file] if file else sorted((folder / "transformer").glob("*.safetensors"))
    if not files:
        raise UnreadableFile(f"{str(folder / 'transformer')!r} holds no weights.")
    networks = {name: sorted((folder / name).glob("*.safetensors")) for name in _FOLDERS[:2]}
    parameters = {name: sum(map(_count, paths)) for name, paths in networks.items()}
    stored: Stored = "gguf" if file and _is_gguf(file) else _precision(files)
    parameters["transformer"] = 0 if stored == "gguf" else sum(map(_count, files))
    every = [*files, *(path for paths in networks.values() for path in paths)]
    return Source(
        folder=folder,
        weights=found.weights,
        revision=found.revision,
        file=file,
        stored=stored,
        bytes=sum(path.stat().st_size for path in files),
        parameters=tuple(parameters.items()),
        stamps=tuple(path.stat().st_mtime_ns for path in every),
    )


def _only(folder: Path, pattern: str) -> Path | None:
    paths = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths[:5])
        raise InvalidRequest(
            f"{str(folder)!r} holds several transformers: {names}.",
            advice="Give the path of the file itself.",
        )
    return paths[0] if paths else None


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"


def _count(path: Path) -> int:
    from layerstudio.models.tensor_file import TensorFile  # torch, which plans do without

    return sum(map(prod, TensorFile(path).shapes.values()))


def _precision(files: list[Path]) -> Stored:
    """That of most numbers; raises ``InvalidRequest`` for float8 with scales of its own."""
    from layerstudio.models.tensor_file import TensorFile

    sizes: Counter[str] = Counter()
    for path in files:
        tensors = TensorFile(path)
        for key, dtype in tensors.dtypes.items():
            sizes[str(dtype)] += prod(tensors.shapes[key])
        if any(key.endswith(("scale_weight", "weight_scale")) for key in tensors):
            raise InvalidRequest(
                f"{path.name!r} is float8 with scales beside it, which diffusers does not read.",
                advice="Use a GGUF file, or the published folder with the setting weights=fp8.",
            )
    return "fp8" if "float8" in sizes.most_common(1)[0][0] else "full"


def _refused(found: Found, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"The base model {found.weights!r} is {what}, and this method runs {_TITLE}.",
        advice="Give its folder as published, a GGUF file of its transformer, or nothing.",
    )
