"""What the libraries that read weights raise, as one sentence about what was read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError

from layerstudio.errors import LayerStudioError, MismatchedWeights, OutOfMemory, UnreadableFile
from layerstudio.pipelines.out_of_memory import is_shortage

OTHER_FAMILY = "It was made for another family of models."

# What diffusers and transformers raise for files that are incomplete, damaged or of another model.
_LOADING_ERRORS = (
    OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError,
    SafetensorError,
)  # fmt: skip


@contextmanager
def explained_load(what: str) -> Iterator[None]:
    """Errors of the libraries below as one sentence about ``what`` ("The base model 'x'").

    Raises ``OutOfMemory``, ``MismatchedWeights`` for tensors of other shapes, and
    ``UnreadableFile`` for every other way in which files are not what they should be.
    """
    try:
        yield
    except LayerStudioError:
        raise
    except (*_LOADING_ERRORS, MemoryError) as error:
        if is_shortage(error):
            raise OutOfMemory(
                f"{what} does not fit into the memory that is free.",
                advice="Close other programs, or choose a method on a smaller model.",
            ) from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
        misfits = [line for line in lines if "size mismatch" in line or "expected shape" in line]
        if misfits:
            raise MismatchedWeights(
                f"{what} does not fit: {misfits[0].split('. ')[0][:160]}.",
                advice=OTHER_FAMILY,
            ) from error
        raise UnreadableFile(
            f"{what} could not be loaded: {lines[0].rstrip('.')[:160]}.",
            advice="It may be incomplete, or made for another family of models.",
        ) from error
