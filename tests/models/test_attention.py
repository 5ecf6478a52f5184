"""The dispatcher: every backend is one function, packing is exact, refusals say what to do."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.models import attention as module
from layerstudio.models.attention import (
    attention,
    backend,
    chosen,
    current_backend,
    require,
)

torch.set_num_threads(1)


def written_out(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    scores = q.double() @ k.double().transpose(-1, -2) * scale
    if bias is not None:
        scores = (
            scores.masked_fill(~bias, -torch.inf) if bias.dtype == torch.bool else scores + bias
        )
    return torch.softmax(scores, dim=-1) @ v.double()


def tensors(*shapes: tuple[int, ...], seed: int = 0, **kinds) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(**kinds) for shape in shapes]


@pytest.mark.parametrize("name", ["auto", "sdpa", "flash"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_is_softmax_attention(name, scale):
    q, k, v = tensors((2, 3, 7, 8), (2, 3, 5, 8), (2, 3, 5, 8))
    out = attention(q, k, v, backend=name, scale=scale)
    expected = written_out(q, k, v, None, scale or 8**-0.5)
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bias_shape", [(2, 3, 7, 5), (1, 1, 1, 5), (2, 1, 7, 1)])
@pytest.mark.parametrize("is_boolean", [False, True])
def test_bias_broadcasts(bias_shape, is_boolean):
    q, k, v, bias = tensors((2, 3, 7, 8), (2, 3, 5, 8), (2, 3, 5, 8), bias_shape)
    if is_boolean:
        bias = (bias > 0).expand(2, 3, 7, 5).clone()
        bias[..., 0] = True  # a query must see something
    out = attention(q, k, v, bias=bias)
    expected = written_out(q, k, v, bias, 8**-0.5)
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=1e-6)


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    name=st.sampled_from(["auto", "sdpa", "flash"]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=30)
def test_packed_documents_attend_as_if_alone(lengths, name, seed):
    shape = (1, 2, sum(lengths), 8)
    q, k, v = tensors(shape, shape, shape, seed=seed)
    packed = attention(q, k, v, lengths=lengths, backend=name)
    parts = zip(*(x.split(lengths, dim=2) for x in (q, k, v)), strict=True)
    alone = torch.cat([attention(*part, backend=name) for part in parts], dim=2)
    torch.testing.assert_close(packed, alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bias_shape", [(1, 2, 9, 9), (1, 1, 1, 9), (1, 2, 9, 1)])
def test_packed_documents_keep_their_part_of_a_bias(bias_shape):
    q, k, v, bias = tensors(*[(1, 2, 9, 8)] * 3, bias_shape)
    own = torch.zeros(9, 9, dtype=torch.bool)
    own[:4, :4] = own[4:, 4:] = True
    out = attention(q, k, v, bias=bias, lengths=[4, 5])
    whole = bias.expand(1, 2, 9, 9).masked_fill(~own, -torch.inf)
    torch.testing.assert_close(out, attention(q, k, v, bias=whole), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("batch", "lengths"), [(2, [4, 4]), (1, [4, 5]), (1, []), (1, [9, -1]), (1, [8, 0])]
)
def test_packing_that_does_not_add_up_is_refused(batch, lengths):
    q = torch.zeros(batch, 2, 8, 8)
    with pytest.raises(InvalidRequest, match="add up"):
        attention(q, q, q, lengths=lengths)


def test_a_backend_that_is_not_there_says_what_to_install(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidRequest, match="NVIDIA"):
        require("xformers")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(module, "_library", lambda name: None)
    q = torch.zeros(1, 1, 1, 8)
    with pytest.raises(InvalidRequest, match=r"layerstudio\[gpu\]"):
        attention(q, q, q, backend="xformers")
    with pytest.raises(InvalidRequest, match="auto, xformers, sdpa, flash"):
        require("sage")


def test_a_context_holds_where_no_backend_is_named():
    cpu = {"device": "cpu", "dtype": torch.float32, "head_dim": 8}
    with backend("flash"):
        assert chosen(**cpu).backend == "flash"
        with backend("sdpa"):
            assert chosen(**cpu).backend == "sdpa"
            assert chosen("flash", **cpu).backend == "flash"
            with backend("auto"):
                assert current_backend() == "auto"
        assert chosen(**cpu).backend == "flash"
    assert current_backend() == "auto"


@pytest.fixture
def with_gpu_and_xformers(monkeypatch):
    """A machine whose CUDA device and xformers are only asked about, never run."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(module, "_library", lambda name: object())


@pytest.mark.usefixtures("with_gpu_and_xformers")
@pytest.mark.parametrize(
    ("asked", "tensor", "expected", "reason"),
    [
        ("auto", {}, "xformers", "installed"),
        ("xformers", {}, "xformers", "asked for"),
        ("auto", {"dtype": torch.float32}, "sdpa", "fp16 and bf16 only"),
        ("xformers", {"head_dim": 512}, "sdpa", "up to 256, these have 512"),
        ("xformers", {"head_dim": 12}, "sdpa", "multiples of 8"),
        ("xformers", {"has_bias": True}, "xformers", "asked for"),
        ("xformers", {"has_bias": True, "is_packed": True}, "sdpa", "packing"),
        ("xformers", {"device": "cpu"}, "sdpa", "does not run on cpu"),
        ("flash", {"has_bias": True}, "sdpa", "no bias"),
        ("flash", {}, "sdpa", "Ampere"),
        ("sdpa", {}, "sdpa", "asked for"),
        ("auto", {"device": "cpu"}, "sdpa", "cpu"),
    ],
)
def test_what_runs_and_why(asked, tensor, expected, reason):
    kind = {"device": "cuda", "dtype": torch.float16, "head_dim": 64} | tensor
    choice = chosen(asked, **kind)
    assert choice.backend == expected
    assert reason in choice.reason


# On a GPU. Half precision rounds the softmax's weights and the sums: 8 ulp of values of order 1.
TOLERANCE = {torch.float16: 4e-3, torch.bfloat16: 3e-2}
GPU_BACKENDS = ["xformers", "sdpa", "flash"]


def on_gpu(name: str, dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[Tensor]:
    if module.missing(name):
        pytest.skip(str(module.missing(name)))
    return tensors(*shapes, device="cuda", dtype=dtype)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", GPU_BACKENDS)
@pytest.mark.parametrize("head_dim", [8, 40, 64, 128, 160])
def test_gpu_backends_agree(name, dtype, head_dim):
    shapes = (2, 5, 77, head_dim), (2, 5, 131, head_dim), (2, 5, 131, head_dim)
    q, k, v = on_gpu(name, dtype, *shapes)
    choice = chosen(name, device=q.device, dtype=dtype, head_dim=head_dim)
    assert choice.backend == name, choice.reason
    expected = written_out(q, k, v, None, head_dim**-0.5)
    out = attention(q, k, v, backend=name)
    assert out.shape == q.shape
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", GPU_BACKENDS)
@pytest.mark.parametrize("lengths", [[13], [1, 130], [64, 7, 60]])
def test_gpu_packed_is_one_by_one(name, dtype, lengths):
    q, k, v = on_gpu(name, dtype, *[(1, 4, sum(lengths), 64)] * 3)
    packed = attention(q, k, v, lengths=lengths, backend=name)
    parts = zip(*(x.split(lengths, dim=2) for x in (q, k, v)), strict=True)
    alone = torch.cat([written_out(*part, None, 64**-0.5) for part in parts], dim=2)
    torch.testing.assert_close(packed.double(), alone, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.gpu
@pytest.mark.parametrize("name", GPU_BACKENDS)
@pytest.mark.parametrize("is_boolean", [False, True])
def test_gpu_bias_of_an_odd_length(name, is_boolean):
    shapes = (2, 4, 33, 64), (2, 4, 77, 64), (2, 4, 77, 64), (2, 1, 1, 77)
    q, k, v, bias = on_gpu(name, torch.float16, *shapes)
    bias = bias > -1 if is_boolean else bias
    expected = written_out(q, k, v, bias, 64**-0.5)
    out = attention(q, k, v, bias=bias, backend=name)
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=TOLERANCE[torch.float16])
