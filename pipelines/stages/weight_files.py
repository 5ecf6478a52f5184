"""The one file of weights that a stage of our own networks reads, and how much it holds."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerstudio.errors import UnreadableFile
from layerstudio.models.tensor_file import TensorFile
from layerstudio.pipelines.base_models import find_model, only_file

_PUBLISHED = "model.safetensors"  # what huggingface_hub calls a network's only file
_SUFFIXES = ("*.safetensors", "*.pt", "*.pth", "*.ckpt", "*.zip")
_BYTES = 4  # of a number, where a file does not say


@dataclass(frozen=True)
class WeightsFile:
    """``config`` is what ``config.json`` beside it says, empty without one."""

    path: Path
    config: dict[str, Any]

    @property
    def parameters(self) -> int:
        """Numbers in it; of other than safetensors an estimate from its size."""
        if self.path.suffix == ".safetensors":
            return sum(math.prod(shape) for shape in TensorFile(self.path).shapes.values())
        return self.path.stat().st_size // _BYTES


def weights_file(name: str, what: str) -> WeightsFile:
    """Of a registry id, a folder, a file or a hub id; ``what`` names it in errors.

    Raises ``MissingWeights``, ``UnreadableFile`` and ``InvalidRequest`` as ``find_model`` does.
    """
    found = find_model(name, what)
    published = found.path / _PUBLISHED
    path = published if published.is_file() else only_file(found, _SUFFIXES, what)
    return WeightsFile(path, _config_beside(path))


def _config_beside(path: Path) -> dict[str, Any]:
    beside = path.with_name("config.json")
    if not beside.is_file():
        return {}
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{str(beside)!r} is not a configuration: {error}.") from error
    return found if isinstance(found, dict) else {}
