"""Exact copies of a network's weights, kept where they cost least.

Weights on a CUDA device are copied to the system's memory, page-locked where it allows. Weights
in the system's memory are written to a file without a name: a second copy in memory would double
what the network needs, and the operating system frees such a file when the process ends, however
it ends. The file lies in /var/tmp, unless TMPDIR names a place: /tmp itself is memory on many
systems.
"""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from layerstudio.errors import UnwritableFile

# A power of two: PyTorch rounds page-locked blocks up to one, which would waste up to half.
_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class _InFile:
    start: int
    shape: torch.Size
    dtype: torch.dtype


class OriginalWeights:
    """Weights by name; what comes out is bit for bit what went in."""

    def __init__(self) -> None:
        self._places: dict[str, _InFile | Tensor] = {}
        self._file: RawIOBase | None = None
        self._end = 0
        self._block = torch.empty(0, dtype=torch.uint8)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __len__(self) -> int:
        return len(self._places)

    def save(self, name: str, weight: Tensor) -> None:
        """Keep a copy of ``weight``.

        Raises:
            UnwritableFile: there is no room for the file.
        """
        if weight.is_cuda:
            self._places[name] = self._copied(weight)
        else:
            self._places[name] = self._written(weight)

    def restore(self, name: str, weight: Tensor) -> None:
        """Copy the original into ``weight``, wherever that lies now."""
        place = self._places[name]
        direct = weight.device.type == "cpu" and weight.is_contiguous()
        if isinstance(place, _InFile) and direct and weight.dtype == place.dtype:
            self._read_into(place, weight)
        else:
            weight.copy_(self.read(name))

    def read(self, name: str) -> Tensor:
        """The original in system memory; not to be written to."""
        place = self._places[name]
        if isinstance(place, Tensor):
            return place
        target = torch.empty(place.shape, dtype=place.dtype)
        self._read_into(place, target)
        return target

    def discard(self, name: str) -> None:
        """Forget a copy; the last one takes file and memory with it."""
        self._places.pop(name, None)
        if not self._places:
            if self._file is not None:
                self._file.close()
            self._file, self._end = None, 0
            self._block = torch.empty(0, dtype=torch.uint8)

    def _written(self, weight: Tensor) -> _InFile:
        place = _InFile(self._end, weight.shape, weight.dtype)
        rest = _bytes_of(weight.detach().cpu().contiguous())
        try:
            if self._file is None:
                opened = tempfile.TemporaryFile(dir=_folder(), buffering=0)  # noqa: SIM115
                self._file = cast(RawIOBase, opened)
            self._file.seek(self._end)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise UnwritableFile(
                "There is no room on the disk to set the original weights aside.",
                advice="Free some, or name a folder that has room in TMPDIR.",
            ) from error
        self._end = self._file.tell()
        return place

    def _read_into(self, place: _InFile, target: Tensor) -> None:
        assert self._file is not None
        self._file.seek(place.start)
        rest = _bytes_of(target)
        while rest:
            count = self._file.readinto(rest)
            assert count, "nobody else can shorten a file without a name"
            rest = rest[count:]

    def _copied(self, weight: Tensor) -> Tensor:
        size = weight.numel() * weight.element_size()
        # Tensors begin where any number may: 16 bytes is the most that a type asks for.
        padded = math.ceil(size / 16) * 16
        if padded > self._block.numel():
            self._block = _page_locked(max(padded, _BLOCK_BYTES))
        room, self._block = self._block[:size], self._block[padded:]
        copy = room.view(weight.dtype).view(weight.shape)
        return copy.copy_(weight.detach())


def _bytes_of(tensor: Tensor) -> memoryview:
    return tensor.detach().reshape(-1).view(torch.uint8).numpy().data


def _page_locked(size: int) -> Tensor:
    """Memory that a GPU copies from at full speed, or ordinary memory where none is granted."""
    try:
        return torch.empty(size, dtype=torch.uint8, pin_memory=True)
    except RuntimeError:
        return torch.empty(size, dtype=torch.uint8)


def _folder() -> str | None:
    roomy = Path("/var/tmp")
    chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return str(roomy) if not chosen and os.access(roomy, os.W_OK) else None
