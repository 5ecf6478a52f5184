"""Published pieces to the folder that ``MultiLayerPipeline.from_pretrained`` reads."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import diffusers
import torch

from layerstudio.errors import InvalidRequest, MismatchedWeights, UnreadableFile, UnwritableFile
from layerstudio.models.tensor_folder import read_json
from layerstudio.models.tensor_writer import size_of, write_network
from layerstudio.pipelines.memory_layout import Dtype
from layerstudio.pipelines.multilayer.fusing import (
    Network,
    adapter_of,
    decoder_of,
    transformer_of,
)
from layerstudio.pipelines.multilayer.pieces import Pieces
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress

# Taken over from FLUX as they are.
_FROM_BASE = ("scheduler", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
_BASES = ("FluxPipeline", "MultiLayerPipeline")
_CHUNK = 16 * 2**20


def convert(
    pieces: Pieces,
    target: Path,
    *,
    dtype: Dtype = "bfloat16",
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Write the pipeline that ``pieces`` make into the new folder ``target``.

    LoRAs are fused in float32 in their order, tensor by tensor: memory stays near that of the
    largest tensor. ``dtype`` is that of transformer and adapter; the transparency decoder stays in
    float32, because 8 bits of alpha are finer than bfloat16; text encoders and VAE are copied.
    ``target`` appears when it is complete, or not at all.

    Raises ``InvalidRequest`` for a target that exists or another dtype, ``UnwritableFile`` for one
    that cannot be written or a disk without room, ``UnreadableFile``, ``MissingWeights`` and
    ``MismatchedWeights`` for pieces that are damaged, missing or do not go together, ``Cancelled``.
    """
    if dtype not in get_args(Dtype):
        raise InvalidRequest(
            f"Weights are not stored as {dtype!r}.", advice=f"Choose {', '.join(get_args(Dtype))}."
        )
    _check_target(target)
    stored = getattr(torch, dtype)
    index = _base_index(pieces.base)
    networks = {"transformer": (transformer_of(pieces), stored)}
    adapter = adapter_of(pieces)
    if adapter is not None:
        networks["adapter"] = (adapter, stored)
    networks["decoder"] = (decoder_of(pieces), torch.float32)
    files = {path: pieces.base / path for path in _base_files(pieces.base)}
    sizes = [size_of(network.shapes, kind) for network, kind in networks.values()]
    total = sum(sizes) + sum(path.stat().st_size for path in files.values())
    _check_room(target, total)
    meter = _Meter(total, progress, cancel or CancelToken())
    partial = target.with_name(f".{uuid.uuid4().hex[:12]}.part")
    try:
        for name, (network, kind) in networks.items():
            _write_network(partial / name, network, kind, meter.of(name))
        for path, source in files.items():
            _copy(source, partial / path, meter.of(path.parts[0]))
        _write_json(partial / "model_index.json", _index(index, networks))
        os.replace(partial, target)
    except OSError as error:
        raise UnwritableFile(
            f"{str(target)!r} could not be written: {error.strerror or error}."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


@dataclass
class _Meter:
    """Bytes done of all there are; looks for the wish to stop each time."""

    total: int
    progress: ProgressCallback
    cancel: CancelToken
    done: int = field(default=0, init=False)

    def of(self, stage: str) -> Callable[[int], None]:
        def add(count: int) -> None:
            self.cancel.check()
            self.done += count
            self.progress(Progress(stage, min(1.0, self.done / max(1, self.total))))

        return add


def _check_target(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not _is_empty_folder(target)):
        raise InvalidRequest(f"{str(target)!r} exists already.", advice="Name a new folder.")
    if not target.absolute().parent.is_dir():
        raise UnwritableFile(f"The folder {str(target.absolute().parent)!r} does not exist.")


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _base_index(base: Path) -> dict[str, Any]:
    """The base's list of components; raises ``MismatchedWeights`` for another pipeline's."""
    index = read_json(base / "model_index.json")
    if index.get("_class_name") not in _BASES:
        raise MismatchedWeights(
            f"{str(base)!r} holds a {index.get('_class_name')}, and layers are made on FLUX.1.",
            advice="Give the folder of FLUX.1 [dev].",
        )
    lacking = [name for name in _FROM_BASE if not (base / name).is_dir() or name not in index]
    if lacking:
        raise UnreadableFile(f"{str(base)!r} is incomplete: it has no {', '.join(lacking)}.")
    return index


def _base_files(base: Path) -> list[Path]:
    return sorted(
        path.relative_to(base)
        for name in _FROM_BASE
        for path in (base / name).rglob("*")
        if path.is_file()
    )


def _check_room(target: Path, needed: int) -> None:
    free = shutil.disk_usage(target.absolute().parent).free
    if needed > free:
        raise UnwritableFile(
            f"The pipeline takes {needed / 1e9:.1f} GB, and the disk of {str(target)!r} has"
            f" {free / 1e9:.1f} GB free.",
            advice="Make room, or name a folder on another disk.",
        )


def _write_network(
    folder: Path, network: Network, dtype: torch.dtype, on_bytes: Callable[[int], None]
) -> None:
    folder.mkdir(parents=True)
    config = {"_class_name": network.kind.__name__, "_diffusers_version": diffusers.__version__}
    public = {k: v for k, v in network.config.items() if not k.startswith("_")}
    _write_json(folder / "config.json", config | public)

    def cast(key: str) -> torch.Tensor:
        value = network.tensor(key).to(dtype)
        if not bool(torch.isfinite(value).all()):
            raise MismatchedWeights(
                f"{key} of the {folder.name} holds values that are not numbers in {dtype}.",
                advice="Convert to bfloat16 or float32; if that does not help, fetch it again.",
            )
        return value

    write_network(folder, network.shapes, dtype, cast, on_bytes)


def _copy(source: Path, target: Path, on_bytes: Callable[[int], None]) -> None:
    """What links lead to, not the links: the folder must outlive the cache it came from."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        reading = source.open("rb")
    except OSError as error:
        raise UnreadableFile(f"{str(source)!r} cannot be read.") from error
    with reading, target.open("wb") as writing:
        while chunk := reading.read(_CHUNK):
            writing.write(chunk)
            on_bytes(len(chunk))


def _index(base: dict[str, Any], networks: dict[str, tuple[Network, torch.dtype]]) -> dict:
    index: dict[str, Any] = {
        "_class_name": "MultiLayerPipeline",
        "_diffusers_version": diffusers.__version__,
        "adapter": [None, None],
    }
    index |= {name: base[name] for name in _FROM_BASE}
    for name, (network, _) in networks.items():
        index[name] = [network.kind.__module__, network.kind.__name__]
    return index


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
