"""The tensors of a network that diffusers saved, in one file or in several with an index."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from layerstudio.errors import UnreadableFile
from layerstudio.models.tensor_file import FETCH_AGAIN, TensorFile

WEIGHTS_NAME = "diffusion_pytorch_model"
INDEX_SUFFIX = ".safetensors.index.json"


class TensorFolder(Mapping[str, Tensor]):
    """Keys and ``shapes`` at once, each tensor when it is asked for, from whichever file holds it.

    Raises:
        UnreadableFile: no such folder, no safetensors in it or several without an index, a file
            that the index names and is not there, a tensor that it promises and no file holds.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        files = [TensorFile(path) for path in _files(self.folder)]
        self._holder = {key: file for file in files for key in file}
        self.shapes = {key: file.shapes[key] for key, file in self._holder.items()}

    def __getitem__(self, key: str) -> Tensor:
        return self._holder[key][key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._holder)

    def __len__(self) -> int:
        return len(self._holder)

    def __contains__(self, key: object) -> bool:
        return key in self._holder


def read_json(path: Path) -> dict:
    """A configuration; raises ``UnreadableFile`` for one that is missing or no JSON object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableFile(f"{str(path)!r} does not exist.", advice=FETCH_AGAIN) from error
    except ValueError as error:
        raise UnreadableFile(f"{str(path)!r} is damaged.", advice=FETCH_AGAIN) from error
    if not isinstance(found, dict):
        raise UnreadableFile(f"{str(path)!r} is not a configuration.")
    return found


def _files(folder: Path) -> list[Path]:
    indices = sorted(folder.glob(f"*{INDEX_SUFFIX}"))
    if len(indices) == 1:
        listed = read_json(indices[0]).get("weight_map")
        if not isinstance(listed, dict) or not all(isinstance(n, str) for n in listed.values()):
            raise UnreadableFile(f"{str(indices[0])!r} is not a list of shards.")
        return [folder / Path(name).name for name in sorted(set(listed.values()))]
    found = sorted(folder.glob("*.safetensors"))
    if len(found) > 1:
        found = [path for path in found if path.stem in (WEIGHTS_NAME, "model")]
    if len(found) != 1:
        raise UnreadableFile(
            f"{str(folder)!r} should hold one network as diffusers saves it: a .safetensors file,"
            " or several with an index."
        )
    return found
