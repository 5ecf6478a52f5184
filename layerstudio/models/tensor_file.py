"""A safetensors file whose tensors are read one by one, when they are wanted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from layerstudio.errors import UnreadableFile

FETCH_AGAIN = "Fetch it again; the copy on this machine may be incomplete."

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class _Place:
    """Where a tensor lies in the file, in bytes from its beginning."""

    start: int
    shape: tuple[int, ...]
    dtype: torch.dtype


class TensorFile(Mapping[str, Tensor]):
    """Keys, shapes and types of a safetensors file at once; its tensors when they are asked for.

    Each read copies one tensor with an ordinary file read. A memory map would count every page
    touched as this process's memory for as long as the file is open. ``metadata`` is the header's
    free text.

    Raises:
        UnreadableFile: no such file, or not a whole and sound safetensors file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        check_is_file(self.path)
        self.metadata, self._places = _header(self.path)
        self.shapes = {key: place.shape for key, place in self._places.items()}
        self.dtypes = {key: place.dtype for key, place in self._places.items()}

    def __getitem__(self, key: str) -> Tensor:
        place = self._places[key]
        count = math.prod(place.shape)
        buffer = bytearray(count * place.dtype.itemsize)
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(place.start)
                complete = _fill(file, memoryview(buffer))
        except OSError as error:
            raise UnreadableFile(f"{self.path.name!r} cannot be read any more.") from error
        if not complete:
            raise UnreadableFile(f"{self.path.name!r} was cut short while in use.")
        if not count:
            return torch.empty(place.shape, dtype=place.dtype)
        return torch.frombuffer(buffer, dtype=place.dtype).reshape(place.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes by key, without reading a tensor of a file."""
    if isinstance(state, TensorFile):
        return state.shapes
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


def check_is_file(path: Path) -> None:
    """Raise ``UnreadableFile`` unless there is a file with something in it."""
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise UnreadableFile(f"{str(path)!r} {what}.")
    if path.stat().st_size == 0:
        raise UnreadableFile(f"{path.name!r} is empty.", advice=FETCH_AGAIN)


def _header(path: Path) -> tuple[dict[str, str], dict[str, _Place]]:
    """From the header: its length (8 bytes, little-endian), JSON, then the tensors' bytes."""
    try:
        with safe_open(path, framework="pt"):  # checks lengths, overlaps and the JSON
            pass
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
    except (SafetensorError, OSError) as error:
        raise UnreadableFile(
            f"{path.name!r} is truncated or is not a safetensors file.", advice=FETCH_AGAIN
        ) from error
    metadata = header.pop("__metadata__", {})
    strange = {entry["dtype"] for entry in header.values()} - _DTYPES.keys()
    if strange:
        raise UnreadableFile(
            f"{path.name!r} stores numbers as {', '.join(sorted(strange))}, which is not supported."
        )
    places = {
        key: _Place(
            8 + length + entry["data_offsets"][0], tuple(entry["shape"]), _DTYPES[entry["dtype"]]
        )
        for key, entry in header.items()
    }
    return metadata, places


def _fill(file: RawIOBase, target: memoryview) -> bool:
    """Read until ``target`` is full; False where the file ends before. One read stops at 2 GiB."""
    while target:
        count = file.readinto(target)
        if not count:
            return False
        target = target[count:]
    return True
