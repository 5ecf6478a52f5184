"""Every way of running out of memory ends in one sentence with what would fit."""

import pytest
import torch

from layerstudio.errors import LayerStudioError, OutOfMemory
from layerstudio.geometry import Extent
from layerstudio.machine import GIB
from layerstudio.pipelines.out_of_memory import explained
from layerstudio.pipelines.preflight import Free, Needs, Plan, plan

NEEDS = Needs(family="sdxl", extent=Extent(2048, 2048))


@pytest.fixture
def planned() -> Plan:
    return plan(NEEDS, Free(device="cuda", device_bytes=24 * GIB, host_bytes=64 * GIB))


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: tried 9 bytes."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_each_is_explained(error, planned):
    with pytest.raises(OutOfMemory) as caught, explained(planned):
        raise error
    assert "What would fit" in str(caught.value)
    assert "x" in caught.value.advice
    assert caught.value.__cause__ is error


def test_what_pytorch_really_raises(planned):
    with pytest.raises(OutOfMemory), explained(planned):
        torch.empty(2**60)
    with pytest.raises(OutOfMemory), explained(planned):
        bytearray(2**60)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), LayerStudioError("own")])
def test_other_errors_pass(error, planned):
    with pytest.raises(type(error)) as caught, explained(planned):
        raise error
    assert caught.value is error


def test_what_is_proposed_takes_less_than_what_failed():
    needs = Needs(family="sd15", extent=Extent(1024, 1024))
    failed = plan(needs, Free(host_bytes=100 * GIB))
    with pytest.raises(OutOfMemory) as caught, explained(failed):
        raise MemoryError
    size = int(caught.value.advice.partition(" pixels")[0].split()[-1])
    assert size < 1024
    smaller = plan(Needs(family="sd15", extent=Extent(size, size)), Free(host_bytes=100 * GIB))
    assert smaller.runtime.peak_bytes < failed.runtime.peak_bytes


@pytest.mark.parametrize(
    ("family", "free", "expected"),
    [
        ("sdxl", Free(host_bytes=100 * GIB), "bfloat16; or a method on SD 1.5"),
        ("sd15", Free(host_bytes=100 * GIB), "bfloat16"),
        ("sdxl", Free(device="cuda", device_bytes=9 * GIB, host_bytes=64 * GIB), "offload model"),
        ("flux", Free(device="cuda", device_bytes=80 * GIB, host_bytes=80 * GIB), "offload model"),
    ],
)
def test_there_is_advice_for_the_smallest_pictures_too(family, free, expected):
    failed = plan(Needs(family=family, extent=Extent(64, 64)), free)
    assert failed.runtime.offload == "none"
    with pytest.raises(OutOfMemory) as caught, explained(failed):
        raise MemoryError
    assert expected in caught.value.advice


@pytest.mark.gpu
def test_gpu_memory_that_runs_out(planned):
    with pytest.raises(OutOfMemory), explained(planned):
        torch.empty(2**50, dtype=torch.uint8, device="cuda")
