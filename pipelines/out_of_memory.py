"""A run that does not fit after all ends in a sentence that says what would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from layerstudio.errors import OutOfMemory
from layerstudio.models.memory import empty_cache
from layerstudio.pipelines.preflight import Plan, advice
from layerstudio.pipelines.runtime import Runtime

# What PyTorch's allocators raise as a plain RuntimeError: the CPU's, cuBLAS' and cuDNN's.
_ALLOCATOR = re.compile(
    r"can't allocate memory|not enough memory|CUDA out of memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|CUDNN_STATUS_ALLOC_FAILED|std::bad_alloc",
    re.IGNORECASE,
)
# What is proposed is estimated to take at most this share of what did not fit.
_CAUTION = 0.85


def is_shortage(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a GPU or in the machine."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and _ALLOCATOR.search(str(error)) is not None


@contextmanager
def explained(plan: Plan, runtime: Runtime | None = None) -> Iterator[None]:
    """Turn every way of running out of memory into ``OutOfMemory`` with what would fit.

    ``runtime`` is what the user asked for, so that it is only proposed to change what they fixed.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        empty_cache()
        raise OutOfMemory(
            f"Memory ran out on {plan.runtime.device} although about "
            f"{plan.runtime.peak_bytes / 2**30:.1f} GiB were estimated to be enough.",
            advice=_next_steps(plan, runtime or Runtime()),
        ) from error


def _next_steps(plan: Plan, runtime: Runtime) -> str:
    """The advice of the preflight, for less than seemed to be free."""
    room = min(plan.free.room, plan.runtime.peak_bytes)
    steps = advice(plan.needs, plan.free, runtime, below=int(_CAUTION * room))
    return f"Close other programs that use it. {steps}"
