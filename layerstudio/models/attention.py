"""The one attention dispatcher: xformers, PyTorch's own SDPA, or FlashAttention.

Queries, keys and values are (batch, heads, length, head_dim) everywhere in this project; what a
library wants instead is arranged here. Attention is softmax(q kᵀ · scale + bias) v with
scale = head_dim^-1/2 unless given (Vaswani et al. 2017, eq. 1).

Which backend runs is decided per call, because it depends on the tensors: ``auto`` is xformers
on CUDA where it is installed, else SDPA. A backend that is asked for but not on this machine is an
error; one whose kernels do not take these tensors gives way to SDPA, and ``chosen`` says why.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerstudio.errors import InvalidRequest

Backend = Literal["auto", "xformers", "sdpa", "flash"]
Concrete = Literal["xformers", "sdpa", "flash"]

_HALF = (torch.float16, torch.bfloat16)
# Both libraries' fused kernels read 16-byte rows and keep a head in shared memory: multiples of
# 8 up to 256 (xformers 0.0.35 `fmha/flash.py`, `fmha/cutlass.py`; flash-attn 2 README).
_MAX_FUSED_HEAD_DIM = 256
_HEAD_DIM_MULTIPLE = 8
# xformers reads a bias in 16-byte rows of half precision: rows start at multiples of 8 elements.
_BIAS_ROW_MULTIPLE = 8
_FLASH_MIN_CAPABILITY = (8, 0)  # Ampere; flash-attn 2 README and PyTorch's `sdp_utils.cpp`

_context_backend: ContextVar[Backend | None] = ContextVar("attention_backend", default=None)


@dataclass(frozen=True)
class Choice:
    """The backend that runs, and why it and no other, in one clause."""

    backend: Concrete
    reason: str


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    bias: Tensor | None = None,
    lengths: Sequence[int] | None = None,
    backend: Backend = "auto",
    scale: float | None = None,
) -> Tensor:
    """Scaled dot-product attention of ``q`` (B, heads, Lq, d) over ``k``, ``v`` (B, heads, Lk, d).

    ``bias`` is added to the scores, or says where to look if it is boolean; it broadcasts to
    (B, heads, Lq, Lk). ``lengths`` are those of several documents packed into one sequence
    (B = 1, Lq = Lk = their sum): tokens see their own document only. Returns (B, heads, Lq, d).
    Raises ``InvalidRequest`` for a backend that this machine does not have, or lengths that do
    not add up.
    """
    if lengths is not None:
        _check_packing(q, k, lengths)
    kind = _Kind(q.device, q.dtype, q.shape[-1], bias is not None, lengths is not None)
    choice = _choice(backend, kind)
    if lengths is not None and not _packs(choice.backend, q):
        return _one_by_one(q, k, v, bias, lengths, choice.backend, scale)
    if choice.backend == "xformers":
        try:
            return _xformers(q, k, v, bias, lengths, scale)
        except NotImplementedError:  # what xformers raises where none of its kernels fits
            _refused.add(kind)
            return attention(q, k, v, bias=bias, lengths=lengths, backend="sdpa", scale=scale)
    if choice.backend == "flash":
        return _flash(q, k, v, lengths, scale)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)


def chosen(
    backend: Backend = "auto",
    *,
    device: torch.device | str,
    dtype: torch.dtype,
    head_dim: int,
    has_bias: bool = False,
    is_packed: bool = False,
) -> Choice:
    """The backend that such tensors get and why; see ``attention`` for the errors."""
    return _choice(backend, _Kind(torch.device(device), dtype, head_dim, has_bias, is_packed))


def current_backend() -> Backend:
    """What ``auto`` stands for now: the context's backend, else ``auto`` itself."""
    return _context_backend.get() or "auto"


@contextmanager
def backend(name: Backend) -> Iterator[None]:
    """Use this backend inside the ``with`` wherever none is named. Raises ``InvalidRequest``."""
    token = _context_backend.set(require(name))
    try:
        yield
    finally:
        _context_backend.reset(token)


def require(name: str) -> Backend:
    """``name`` itself if it is a backend that this machine has; else ``InvalidRequest``."""
    names = get_args(Backend)
    if name not in names:
        raise InvalidRequest(
            f"There is no attention backend “{name}”.", advice=f"Choose {', '.join(names)}."
        )
    lack = missing(name)  # pyright: ignore[reportArgumentType]  # a member, as checked above
    if lack is not None:
        raise InvalidRequest(
            f"The attention backend “{name}” is not available: {lack}.",
            advice="Choose sdpa, which is part of PyTorch, or auto.",
        )
    return name  # pyright: ignore[reportReturnType]


def missing(name: Backend) -> str | None:
    """What this machine lacks for a backend, with what to install; None if nothing."""
    if name != "xformers":
        return None  # PyTorch has both SDPA and a flash kernel built in
    if not torch.cuda.is_available():
        return "it runs on NVIDIA GPUs only and PyTorch finds none"
    if _library("xformers.ops") is None:
        return "install it with `pip install 'layerstudio[gpu]'`"
    return None


def use_backend(
    model: nn.Module, backend: Backend = "auto", *, device: torch.device | str | None = None
) -> None:
    """Route the attention of a diffusers model through this dispatcher.

    U-Nets, ControlNets and autoencoders get processors of ours, which decide per call; IP-Adapter
    ones keep their weights and scales, and LoRA is untouched, since both live in other modules.
    Models on diffusers' own dispatcher (FLUX) get the backend's name there, decided now for
    ``device``, where the model will run (by default where it is). Raises ``InvalidRequest``.
    """
    from layerstudio.models.attention_processors import install

    install(model, require(backend), torch.device(device) if device is not None else None)


class _Kind(NamedTuple):
    """What a backend's kernels are chosen by."""

    device: torch.device
    dtype: torch.dtype
    head_dim: int
    has_bias: bool
    is_packed: bool


# What the xformers that is installed turned down: its kernels differ between versions and GPUs.
_refused: set[_Kind] = set()


def _choice(backend: Backend, kind: _Kind) -> Choice:
    wanted = current_backend() if backend == "auto" else require(backend)
    reason = "it was asked for"
    if wanted == "auto":
        if kind.device.type != "cuda":
            return Choice("sdpa", f"PyTorch's own attention is what runs on {kind.device.type}")
        if missing("xformers") is not None:
            return Choice("sdpa", "xformers is not installed, so PyTorch chooses the kernel")
        wanted, reason = "xformers", "xformers is installed and takes these tensors"
    obstacle = _obstacle(wanted, kind)
    return Choice("sdpa", obstacle) if obstacle else Choice(wanted, reason)


def _obstacle(wanted: Concrete, kind: _Kind) -> str | None:
    """Why a backend's kernels refuse such tensors; None if they do not."""
    if wanted == "sdpa" or (wanted == "flash" and kind.device.type == "cpu" and not kind.has_bias):
        return None  # PyTorch's flash kernel for CPUs takes every floating type and head
    if wanted == "xformers" and kind in _refused:
        return "the xformers that is installed has no kernel for such tensors on this GPU"
    return _limit(wanted, kind)


def _limit(wanted: Concrete, kind: _Kind) -> str | None:
    """What both libraries document that they cannot do."""
    if kind.has_bias and wanted == "flash":
        return "flash takes no bias"
    if kind.has_bias and kind.is_packed:
        return "xformers takes no bias together with packing"
    if kind.device.type != "cuda":
        return f"{wanted} does not run on {kind.device.type}"
    if kind.dtype not in _HALF:
        return f"{wanted} computes in fp16 and bf16 only, these tensors are {_short(kind.dtype)}"
    if kind.head_dim > _MAX_FUSED_HEAD_DIM or kind.head_dim % _HEAD_DIM_MULTIPLE:
        return (
            f"{wanted} takes heads in multiples of {_HEAD_DIM_MULTIPLE} up to "
            f"{_MAX_FUSED_HEAD_DIM}, these have {kind.head_dim}"
        )
    if wanted == "flash" and torch.cuda.get_device_capability(kind.device) < _FLASH_MIN_CAPABILITY:
        return "flash needs an NVIDIA GPU of the Ampere generation or later"
    return None


def _short(dtype: torch.dtype) -> str:
    return {torch.float32: "fp32", torch.float64: "fp64"}.get(dtype, str(dtype))


@functools.cache
def _library(module: str) -> Any | None:
    """An optional library; None where it is absent or built for another PyTorch."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError):
        return None


def _check_packing(q: Tensor, k: Tensor, lengths: Sequence[int]) -> None:
    total = sum(lengths)
    if q.shape[0] != 1 or any(n < 1 for n in lengths) or {q.shape[2], k.shape[2]} != {total}:
        raise InvalidRequest(
            f"Packed lengths {list(lengths)} do not fit queries {tuple(q.shape)} and keys "
            f"{tuple(k.shape)}.",
            advice="Pack into a batch of one, with positive lengths that add up to the sequence.",
        )


def _packs(name: Concrete, q: Tensor) -> bool:
    """Whether a backend takes packed sequences whole."""
    return name == "xformers" or (name == "flash" and _flash_package(q) is not None)


def _one_by_one(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None,
    lengths: Sequence[int],
    name: Concrete,
    scale: float | None,
) -> Tensor:
    """Each packed document attends on its own: exact, and memory grows with the longest only."""
    parts = []
    for start, length in zip(_starts(lengths), lengths, strict=True):
        own = slice(start, start + length)
        own_bias = None if bias is None else _block(bias, own)
        part = q[:, :, own], k[:, :, own], v[:, :, own]
        parts.append(attention(*part, bias=own_bias, backend=name, scale=scale))
    return torch.cat(parts, dim=2)


def _block(bias: Tensor, own: slice) -> Tensor:
    """The diagonal block of a bias; a dimension of one broadcasts over every document alike."""
    rows, columns = (own if size > 1 else slice(None) for size in bias.shape[-2:])
    return bias[..., rows, columns]


def _starts(lengths: Sequence[int]) -> Iterator[int]:
    return itertools.accumulate(lengths[:-1], initial=0)


def _xformers(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None,
    lengths: Sequence[int] | None,
    scale: float | None,
) -> Tensor:
    """``xformers.ops.memory_efficient_attention``, whose layout is (B, L, heads, d)."""
    ops = _library("xformers.ops")
    assert ops is not None
    if lengths is not None:
        attn_bias = ops.fmha.BlockDiagonalMask.from_seqlens(list(lengths), device=q.device)
    else:
        attn_bias = None if bias is None else _xformers_bias(bias, q, k)
    rows = (x.transpose(1, 2) for x in (q, k, v))
    out = ops.memory_efficient_attention(*rows, attn_bias=attn_bias, scale=scale)
    return out.transpose(1, 2)


def _xformers_bias(bias: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """An additive (B, heads, Lq, Lk) view into memory whose rows are aligned for its kernels."""
    batch, heads, queries, _ = q.shape
    keys = k.shape[2]
    aligned = -(-keys // _BIAS_ROW_MULTIPLE) * _BIAS_ROW_MULTIPLE
    room = q.new_zeros(batch, heads, queries, aligned)[..., :keys]
    if bias.dtype == torch.bool:
        return room.masked_fill_(~bias, float("-inf"))
    return room.copy_(bias)


def _flash(
    q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int] | None, scale: float | None
) -> Tensor:
    """The flash-attn package where it is installed and takes the device, else PyTorch's kernel."""
    package = _flash_package(q)
    if package is None:
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return F.scaled_dot_product_attention(q, k, v, scale=scale)
    rows = [x.transpose(1, 2) for x in (q, k, v)]
    if lengths is None:
        return package.flash_attn_func(*rows, softmax_scale=scale).transpose(1, 2)
    ends = torch.tensor([*_starts(lengths), sum(lengths)], dtype=torch.int32, device=q.device)
    longest = max(lengths)
    out = package.flash_attn_varlen_func(
        *(x[0] for x in rows), ends, ends, longest, longest, softmax_scale=scale
    )
    return out[None].transpose(1, 2)


def _flash_package(q: Tensor) -> Any | None:
    return _library("flash_attn") if q.is_cuda else None
