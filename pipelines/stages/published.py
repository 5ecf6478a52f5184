"""Networks and processors read from folders in transformers' layout, with nothing left to chance.

The library itself fills what a checkpoint lacks with random numbers and says so in a log: here
that is an error, as is a checkpoint of another family.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import torch

from layerstudio.errors import MismatchedWeights, UnreadableFile
from layerstudio.models.tensor_file import TensorFile
from layerstudio.pipelines.base_models import find_model
from layerstudio.pipelines.load_errors import OTHER_FAMILY, explained_load
from layerstudio.pipelines.quiet import quiet_libraries

_SHOWN = 5
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_BYTES = 4  # of a number in a file that does not say


def published_folder(name: str, families: Collection[str], what: str) -> Path:
    """The folder of a registry id, a path or a hub id, whose model is one of ``families``
    (transformers' names of them); ``what`` names it in errors ("segmenter").

    Raises ``MissingWeights``, ``UnreadableFile``, ``MismatchedWeights`` and ``InvalidRequest``.
    """
    folder = find_model(name, what).path
    if not folder.is_dir():
        raise UnreadableFile(
            f"The {what} {name!r} is a file.",
            advice="Give the folder that holds its config.json and model.safetensors.",
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        family = config.get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise UnreadableFile(
            f"The {what} {name!r} has no readable config.json.",
            advice="It may be incomplete, or no folder of a model.",
        ) from error
    if family not in families:
        raise MismatchedWeights(
            f"{name!r} is a model of the family {family!r}, and the {what} is one of "
            f"{', '.join(sorted(families))}.",
            advice=OTHER_FAMILY,
        )
    return folder


def parameters_in(folder: Path) -> int:
    """Numbers in a folder's weights: exact for safetensors, else guessed from the size."""
    tensors = sorted(folder.glob("*.safetensors"))
    if tensors:
        return sum(
            math.prod(shape) for path in tensors for shape in TensorFile(path).shapes.values()
        )
    return sum(path.stat().st_size for path in folder.glob("*.bin")) // _BYTES


def load_network(
    kind: type[Any],
    folder: Path,
    what: str,
    *,
    dtype: torch.dtype = torch.float32,
    idle: tuple[str, ...] = (),
) -> Any:
    """A network of transformers on the CPU, ready to run; every tensor of it comes from the files.
    What begins with one of ``idle`` is never used, and may be missing or be there.

    Raises ``UnreadableFile``, ``OutOfMemory``, and ``MismatchedWeights`` naming the first five
    differences.
    """
    with quiet_libraries(), explained_load(f"The {what} {folder.name!r}"):
        network, told = kind.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    differences = [*_misshapen(told["mismatched_keys"])]
    for key, how in ("missing_keys", "missing"), ("unexpected_keys", "unexpected"):
        differences += [
            f"{name} is {how}" for name in sorted(told[key]) if not name.startswith(idle)
        ]
    if differences:
        rest = len(differences) - _SHOWN
        more = f"; and {rest:,} more" if rest > 0 else ""
        raise MismatchedWeights(
            f"The checkpoint does not fit the {what}: {'; '.join(differences[:_SHOWN])}{more}.",
            advice=OTHER_FAMILY,
        )
    return network.requires_grad_(False).eval()


def load_processor(kind: type[Any], folder: Path, what: str, **otherwise: Any) -> Any:
    """A picture's or text's processor as the folder describes it; where it says nothing of
    pictures, one with ``otherwise``, if given. Raises ``UnreadableFile``."""
    with quiet_libraries(), explained_load(f"The processor of the {what} {folder.name!r}"):
        if otherwise and not any((folder / name).is_file() for name in _PROCESSORS):
            return kind(**otherwise)
        return kind.from_pretrained(folder, local_files_only=True)


def _misshapen(told: Iterable[tuple[str, Any, Any]]) -> list[str]:
    return [
        f"{key} is {_spelled(found)} instead of {_spelled(wanted)}"
        for key, found, wanted in sorted(told)
    ]


def _spelled(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
