"""LaMa's weights out of the files in which they are published."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import torch

from layerstudio.errors import UnreadableFile
from layerstudio.models.checkpoints import State, read_state
from layerstudio.models.lama import Lama
from layerstudio.models.tensor_file import FETCH_AGAIN, check_is_file
from layerstudio.models.torch_archive import archived_tensors

# big-lama.zip holds models/best.ckpt of 0.4 GB; more than this is not it.
_LARGEST_MEMBER = 2**32
_CHECKPOINT = "best.ckpt"


def lama_from_file(path: Path | str, *, dtype: torch.dtype = torch.float32) -> Lama:
    """The network of a file of any published form; see ``lama_state``.

    Raises ``UnreadableFile`` and ``MismatchedWeights``.
    """
    return Lama.from_published(lama_state(path), dtype=dtype)


def lama_state(path: Path | str) -> State:
    """The tensors of ``big-lama.pt`` (TorchScript), ``big-lama.zip``, a trainer's ``.ckpt``, or a
    ``.safetensors``; of trainers' files those of the generator. No code in them is run.

    Raises:
        UnreadableFile: no such file, or damaged, or nothing of that kind.
    """
    path = Path(path)
    check_is_file(path)
    if path.suffix == ".safetensors":
        return read_state(path)
    source = io.BytesIO(_packed(path)) if path.suffix == ".zip" else path
    found = archived_tensors(source, path.name, _of_generator)
    if not found:
        raise UnreadableFile(f"{path.name!r} holds no weights of LaMa's generator.")
    return found


def _of_generator(key: str) -> bool:
    """A trainer keeps discriminators and perceptual losses beside it."""
    return key.startswith("model.") or "generator." in key


def _packed(path: Path) -> bytes:
    """The checkpoint inside ``big-lama.zip``."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = [i for i in archive.infolist() if Path(i.filename).name == _CHECKPOINT]
            if len(found) == 1 and found[0].file_size <= _LARGEST_MEMBER:
                return archive.read(found[0])
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError) as error:
        raise UnreadableFile(
            f"{path.name!r} is damaged or is not a zip file.", advice=FETCH_AGAIN
        ) from error
    raise UnreadableFile(f"{path.name!r} holds no {_CHECKPOINT}, as big-lama.zip does.")
