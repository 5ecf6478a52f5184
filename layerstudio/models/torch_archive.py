"""The tensors of a PyTorch archive, whatever else is in it, with nothing of it executed.

``torch.load(weights_only=True)`` takes neither TorchScript nor checkpoints of trainers, which hold
objects of the trainer's classes, and ``torch.jit.load`` compiles what it is given and may run it
(``__setstate__`` is code of the archive's). Here the archive's pickle meets a table of six names;
every other name stands for an empty box that keeps what it is given.

An archive is a zip file of stored members: NAME/data.pkl, whose tensors refer to NAME/data/KEY
(PyTorch's ``torch/csrc/jit/serialization/docs/serialization.md``).
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from layerstudio.errors import UnreadableFile
from layerstudio.models.tensor_file import FETCH_AGAIN

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# What reading a damaged pickle or zip file raises depends on where the damage is.
_DAMAGE = (
    *(pickle.UnpicklingError, zipfile.BadZipFile, struct.error, EOFError, OSError, RuntimeError),
    *(ValueError, LookupError, TypeError, AttributeError, OverflowError, NotImplementedError),
    MemoryError,
)


def archived_tensors(
    source: Path | IO[bytes], name: str, wanted: Callable[[str], bool] = lambda key: True
) -> dict[str, Tensor]:
    """Tensors by their dotted places in the archive's objects, those that are ``wanted``.

    ``source`` is a file or its seekable contents, ``name`` what errors call it.

    Raises:
        UnreadableFile: it is not such an archive, or is damaged, or was written by a machine of
            the other byte order.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            root = _root(archive)
            loaded = _unpickled(archive.read(f"{root}data.pkl"))
            places = {key: place for key, place in _places(loaded) if wanted(key)}
            return {key: place.read(archive, root) for key, place in places.items()}
    except _DAMAGE as error:
        raise UnreadableFile(
            f"{name!r} is damaged or is not a PyTorch archive; no code in it was run.",
            advice=FETCH_AGAIN,
        ) from error


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: torch.dtype


@dataclass(frozen=True)
class _Place:
    """A tensor that has not been read."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def read(self, archive: zipfile.ZipFile, root: str) -> Tensor:
        data = bytearray(archive.read(_stored(archive, f"{root}data/{self.storage.key}")))
        if not data:
            return torch.empty(self.size, dtype=self.storage.dtype)
        flat = torch.frombuffer(data, dtype=self.storage.dtype)
        return flat.as_strided(self.size, self.stride, self.offset)  # refuses what lies outside


class _Box:
    """An object of a class that is not looked up."""

    def __init__(self, *arguments: object) -> None:
        self.contents: object = None

    def __setstate__(self, state: object) -> None:
        self.contents = state

    def __call__(self, *arguments: object) -> _Box:
        """A function that is not looked up either."""
        return _Box()

    def __setitem__(self, key: object, value: object) -> None:
        """Part of some dictionary of the trainer's: nothing that weights are kept in."""

    def append(self, value: object) -> None:
        """Part of some list of the trainer's."""


class _Dictionary(dict[Any, Any]):
    """Takes attributes too, as state dictionaries carry their version in one."""


def _unpickled(data: bytes) -> object:
    """Python makes room for the largest number under which a pickle keeps something."""
    for operation, argument, _ in pickletools.genops(data):
        if operation.name.endswith("PUT") and argument is not None and argument > len(data):
            raise pickle.UnpicklingError(f"a memo of {argument}")
    return _Unpickler(io.BytesIO(data)).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _Dictionary
        if module == "torch._utils":
            known = {"_rebuild_tensor_v2": _tensor, "_rebuild_parameter": _parameter}
            return known.get(name, _Box)
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        return _Box

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"a reference to {kind!r}")
        return _Storage(str(key), dtype)


def _tensor(
    storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> _Place:
    return _Place(storage, offset, tuple(size), tuple(stride))


def _parameter(place: _Place, *_: object) -> _Place:
    return place


def _places(loaded: object) -> Iterator[tuple[str, _Place]]:
    """Tensors under the names of the dictionaries and attributes that lead to them."""
    waiting, met = [("", loaded)], set()
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Place):
            yield path, value
            continue
        inside = value.contents if isinstance(value, _Box) else value
        if isinstance(inside, dict) and id(inside) not in met:
            met.add(id(inside))
            start = f"{path}." if path else ""
            waiting += [(f"{start}{key}", one) for key, one in inside.items()]


def _root(archive: zipfile.ZipFile) -> str:
    """What stands before the names of an archive's members."""
    found = [name for name in archive.namelist() if name.split("/", 1)[-1] == "data.pkl"]
    if len(found) != 1:
        raise zipfile.BadZipFile("no data.pkl, or several")
    _stored(archive, found[0])
    root = found[0].removesuffix("data.pkl")
    order = f"{root}byteorder"
    if order in archive.namelist() and archive.read(_stored(archive, order)) != b"little":
        raise NotImplementedError("big-endian numbers")
    return root


def _stored(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """A member that is not compressed: it cannot be larger than the file that holds it."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise zipfile.BadZipFile(f"{name} is compressed")
    return info
