"""Reading a file of weights, and loading it into a network with nothing left over.

Only tensors are ever read: safetensors, or PyTorch's own format through its weights-only
unpickler, which runs no code of the file's.
"""

from __future__ import annotations

import pickle
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from layerstudio.errors import MismatchedWeights, UnreadableFile
from layerstudio.models.checkpoint_kinds import Shapes, kind_of
from layerstudio.models.tensor_file import FETCH_AGAIN, TensorFile, check_is_file, shapes_of

State = dict[str, Tensor]

_PICKLED = {".pt", ".pth", ".bin", ".ckpt"}
# Where trainers nest the weights inside what they save.
_WRAPPERS = ("state_dict", "model", "params")
_SHOWN = 5


def read_state(path: Path | str) -> State:
    """All tensors of a ``.safetensors``, ``.pt``, ``.pth``, ``.bin`` or ``.ckpt`` file, on the CPU.

    A dictionary nested under ``state_dict``, ``model`` or ``params`` is unwrapped.

    Raises:
        UnreadableFile: no such file; empty, truncated or of another format; a pickle that holds
            anything besides tensors (code in it is never run).
    """
    path = Path(path)
    check_is_file(path)
    if path.suffix in _PICKLED:
        return _read_pickled(path)
    if path.suffix != ".safetensors":
        raise UnreadableFile(
            f"{path.name!r} is no file of weights: its name ends neither in .safetensors"
            f" nor in {', '.join(sorted(_PICKLED))}."
        )
    return dict(TensorFile(path))


def as_state(weights: State | Path | str) -> State:
    """Tensors by name, read where ``weights`` is a path; errors as of ``read_state``."""
    return dict(weights) if isinstance(weights, Mapping) else read_state(weights)


def load_strict(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load ``state`` into ``module``: every key of either must be in the other, of one shape.

    Tensors are copied in the module's own dtype and device; a module on the meta device takes
    the tensors themselves. ``what`` names the network in the error ("transparency decoder").

    Raises:
        MismatchedWeights: naming the first five differences, and what the file holds instead
            where that is recognisable. The module is unchanged then.
    """
    expected = shapes_of(module.state_dict())
    found = shapes_of(state)
    if expected != found:
        raise mismatch(what, expected, found)
    on_meta = any(tensor.is_meta for tensor in module.state_dict().values())
    module.load_state_dict(state, strict=True, assign=on_meta)


def mismatch(what: str, expected: Shapes, found: Shapes) -> MismatchedWeights:
    """The error for a checkpoint with ``found`` shapes, where ``expected`` belong to ``what``."""
    differences = _differences(expected, found)
    shown = "; ".join(differences[:_SHOWN])
    rest = len(differences) - _SHOWN
    more = f"; and {rest:,} more" if rest > 0 else ""
    kind = kind_of(found)
    advice = f"It looks like {kind}." if kind else "Choose the file that belongs to it."
    return MismatchedWeights(
        f"The checkpoint does not fit the {what}: {shown}{more}.", advice=advice
    )


def _differences(expected: Shapes, found: Shapes) -> list[str]:
    """In the network's own order: what is missing or misshapen first, what is too much last."""
    lines = []
    for key, shape in expected.items():
        if key not in found:
            lines.append(f"{key} is missing")
        elif found[key] != shape:
            lines.append(f"{key} is {_spelled(found[key])} instead of {_spelled(shape)}")
    lines.extend(f"{key} is unexpected" for key in found if key not in expected)
    return lines


def _spelled(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _read_pickled(path: Path) -> State:
    zipped = zipfile.is_zipfile(path)
    try:
        # Trainers save their options beside the weights; a namespace only holds values.
        with torch.serialization.safe_globals([Namespace]):
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise UnreadableFile(
            f"{path.name!r} is damaged or holds more than tensors; no code in it was run.",
            advice="Use a .safetensors copy of the same weights.",
        ) from error
    # What PyTorch raises for a damaged file depends on where the damage is.
    except (RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError) as error:
        raise UnreadableFile(
            f"{path.name!r} is truncated or is not a PyTorch file.", advice=FETCH_AGAIN
        ) from error
    return _only_tensors(_unwrapped(loaded), path)


def _unwrapped(loaded: object) -> object:
    if isinstance(loaded, dict):
        for key in _WRAPPERS:
            if isinstance(loaded.get(key), dict):
                return loaded[key]
    return loaded


def _only_tensors(loaded: object, path: Path) -> State:
    if not isinstance(loaded, dict) or not loaded:
        raise UnreadableFile(f"{path.name!r} is a PyTorch file without named tensors.")
    strange = [key for key, value in loaded.items() if not isinstance(value, Tensor)]
    if strange:
        names = ", ".join(map(str, islice(strange, _SHOWN)))
        raise UnreadableFile(f"{path.name!r} holds things that are not tensors: {names}.")
    return {str(key): value for key, value in loaded.items()}
