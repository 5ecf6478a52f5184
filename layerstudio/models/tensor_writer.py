"""Writing a network's safetensors tensor by tensor, so that it is never in memory as a whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from layerstudio.models.tensor_folder import INDEX_SUFFIX, WEIGHTS_NAME

Shapes = Mapping[str, tuple[int, ...]]

SHARD_BYTES = 5 * 10**9  # diffusers' 10 GB halved: some file systems and mirrors balk at more
_ALIGNMENT = 8
_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def size_of(shapes: Shapes, dtype: torch.dtype) -> int:
    """Bytes of all tensors."""
    return sum(math.prod(shape) for shape in shapes.values()) * dtype.itemsize


def write_network(
    folder: Path,
    shapes: Shapes,
    dtype: torch.dtype,
    tensor_of: Callable[[str], Tensor],
    on_bytes: Callable[[int], None] = lambda count: None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write ``tensor_of(key)`` for every key into ``folder``, in files that diffusers reads.

    Tensors are cast to ``dtype`` (float32, float16 or bfloat16). ``on_bytes`` is called with the
    size of each one written, and may raise. One file, or several with an index where they are more
    than ``shard_bytes``. Raises ``OSError`` where the disk refuses.
    """
    shards = list(_shards(shapes, dtype, shard_bytes))
    names = _file_names(len(shards))
    for name, keys in zip(names, shards, strict=True):
        own = {key: shapes[key] for key in keys}
        _write_file(folder / name, own, dtype, tensor_of, on_bytes)
    if len(shards) > 1:
        placed = {key: name for name, keys in zip(names, shards, strict=True) for key in keys}
        index = {"metadata": {"total_size": size_of(shapes, dtype)}, "weight_map": placed}
        text = json.dumps(index, indent=2, sort_keys=True)
        (folder / f"{WEIGHTS_NAME}{INDEX_SUFFIX}").write_text(text, encoding="utf-8")


def _write_file(
    path: Path,
    shapes: Shapes,
    dtype: torch.dtype,
    tensor_of: Callable[[str], Tensor],
    on_bytes: Callable[[int], None],
) -> None:
    with path.open("wb") as file:
        file.write(_header(shapes, dtype))
        for key, shape in shapes.items():
            value = tensor_of(key).to(dtype).contiguous()
            assert tuple(value.shape) == shape, (key, value.shape, shape)
            file.write(value.reshape(-1).view(torch.uint8).numpy().data)
            on_bytes(value.numel() * dtype.itemsize)


def _header(shapes: Shapes, dtype: torch.dtype) -> bytes:
    """Its length in 8 bytes, little-endian, then JSON padded with spaces to whole words."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for key, shape in shapes.items():
        end = start + math.prod(shape) * dtype.itemsize
        place = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        entries[key], start = place, end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _shards(shapes: Shapes, dtype: torch.dtype, limit: int) -> Iterator[list[str]]:
    keys: list[str] = []
    size = 0
    for key, shape in shapes.items():
        own = math.prod(shape) * dtype.itemsize
        if keys and size + own > limit:
            yield keys
            keys, size = [], 0
        keys.append(key)
        size += own
    yield keys


def _file_names(count: int) -> list[str]:
    if count == 1:
        return [f"{WEIGHTS_NAME}.safetensors"]
    return [f"{WEIGHTS_NAME}-{k + 1:05}-of-{count:05}.safetensors" for k in range(count)]
