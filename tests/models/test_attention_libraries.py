"""xformers and flash-attn are called as they document it, checked without a GPU.

The stand-ins below hold to the libraries' documented interfaces and compute plainly; the kernels
themselves are tested on a GPU in ``test_attention.py``.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from layerstudio.models import attention as module
from layerstudio.models.attention import Choice, attention, chosen

torch.set_num_threads(1)


def plain(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float | None) -> Tensor:
    """(B, L, heads, d) in and out, as both libraries lay tensors out."""
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * (scale or q.shape[-1] ** -0.5)
    weights = torch.softmax(scores if bias is None else scores + bias, dim=-1)
    return torch.einsum("bhqk,bkhd->bqhd", weights, v)


def blocks(starts: list[int], total: int) -> Tensor:
    """0 inside each document, -inf between them."""
    document = torch.bucketize(torch.arange(total), torch.tensor(starts[1:-1]), right=True)
    return torch.zeros(total, total).masked_fill(document[:, None] != document, -torch.inf)


class BlockDiagonalMask:
    def __init__(self, lengths: list[int]) -> None:
        starts = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
        self.bias = blocks(starts, sum(lengths))

    @classmethod
    def from_seqlens(cls, q_seqlen: list[int], *, device: torch.device) -> "BlockDiagonalMask":
        assert isinstance(q_seqlen, list)
        assert device.type == "cpu"
        return cls(q_seqlen)


def memory_efficient_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_bias=None, scale: float | None = None
) -> Tensor:
    batch, length, heads, _ = query.shape
    if isinstance(attn_bias, BlockDiagonalMask):
        assert batch == 1
        return plain(query, key, value, attn_bias.bias, scale)
    if attn_bias is not None:
        assert attn_bias.shape == (batch, heads, length, key.shape[1])
        assert attn_bias.dtype == query.dtype
        assert all(stride % 8 == 0 for stride in attn_bias.stride()[:-1])
        assert attn_bias.stride(-1) == 1
    return plain(query, key, value, attn_bias, scale)


XFORMERS = SimpleNamespace(
    memory_efficient_attention=memory_efficient_attention,
    fmha=SimpleNamespace(BlockDiagonalMask=BlockDiagonalMask),
)


def flash_attn_func(q: Tensor, k: Tensor, v: Tensor, softmax_scale: float | None) -> Tensor:
    return plain(q, k, v, None, softmax_scale)


def flash_attn_varlen_func(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, softmax_scale=None
) -> Tensor:
    assert cu_seqlens_q.dtype == cu_seqlens_k.dtype == torch.int32
    assert max_seqlen_q == max_seqlen_k == cu_seqlens_q.diff().max()
    bias = blocks(cu_seqlens_q.tolist(), len(q))
    return plain(q[None], k[None], v[None], bias, softmax_scale)[0]


FLASH_ATTN = SimpleNamespace(
    flash_attn_func=flash_attn_func, flash_attn_varlen_func=flash_attn_varlen_func
)


@pytest.fixture(params=["xformers", "flash"])
def library(request, monkeypatch):
    """Either library in place of what a GPU has, chosen for every call."""
    monkeypatch.setattr(module, "_library", lambda name: XFORMERS)
    monkeypatch.setattr(module, "_flash_package", lambda q: FLASH_ATTN)
    monkeypatch.setattr(module, "_choice", lambda backend, kind: Choice(request.param, "tested"))


def tensors(batch: int, length: int, seen: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, 3, n, 8, generator=generator) for n in (length, seen, seen)]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("scale", [None, 0.2])
def test_layouts(scale):
    q, k, v = tensors(2, 5, 7)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)
    torch.testing.assert_close(attention(q, k, v, scale=scale), expected, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("lengths", [[9], [1, 8], [4, 2, 3]])
def test_packed(lengths):
    q, k, v = tensors(1, 9, 9)
    parts = zip(*(x.split(lengths, dim=2) for x in (q, k, v)), strict=True)
    expected = torch.cat(
        [torch.nn.functional.scaled_dot_product_attention(*part) for part in parts], dim=2
    )
    torch.testing.assert_close(attention(q, k, v, lengths=lengths), expected, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("library", ["xformers"], indirect=True)
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 1, 1, 7), (2, 1, 5, 1)])
@pytest.mark.parametrize("is_boolean", [False, True])
def test_a_bias_reaches_xformers_whole_and_aligned(shape, is_boolean):
    q, k, v = tensors(2, 5, 7)
    bias = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    if is_boolean:
        bias = (bias > 0) | (torch.arange(shape[-1]) == 0)
    expected = torch.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=bias.expand(2, 3, 5, 7)
    )
    torch.testing.assert_close(attention(q, k, v, bias=bias), expected, rtol=0, atol=1e-6)


def test_what_xformers_has_no_kernel_for_goes_to_sdpa_from_then_on(monkeypatch):
    asked = []

    def refuse(*args, **kwargs):
        asked.append(1)
        raise NotImplementedError("No operator found for `memory_efficient_attention_forward`")

    library = SimpleNamespace(memory_efficient_attention=refuse, fmha=XFORMERS.fmha)
    monkeypatch.setattr(module, "_library", lambda name: library)
    monkeypatch.setattr(module, "missing", lambda name: None)
    monkeypatch.setattr(module, "_limit", lambda wanted, kind: None)
    monkeypatch.setattr(module, "_refused", set())
    q, k, v = tensors(1, 9, 9)
    expected = attention(q, k, v, lengths=[4, 5], backend="sdpa")
    for _ in range(2):
        out = attention(q, k, v, lengths=[4, 5], backend="xformers")
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-6)
    assert len(asked) == 1
    choice = chosen("xformers", device="cpu", dtype=q.dtype, head_dim=8, is_packed=True)
    assert choice.backend == "sdpa"
    assert "no kernel" in choice.reason
