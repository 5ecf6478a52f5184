"""Copies in a file without a name."""

import os
import subprocess
import sys

import pytest
import torch

from layerstudio.errors import UnwritableFile
from layerstudio.models.original_weights import OriginalWeights


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 5), (2, 3, 3, 3)])
def test_what_comes_out_is_what_went_in(dtype, shape):
    originals = OriginalWeights()
    weights = {name: torch.randn(shape).to(dtype) for name in "abc"}
    for name, weight in weights.items():
        originals.save(name, weight)
    for name, weight in weights.items():
        assert torch.equal(originals.read(name), weight)
        target = torch.zeros_like(weight)
        originals.restore(name, target)
        assert torch.equal(target, weight)
    strided = torch.zeros(*shape, 2).to(torch.float64)[..., 0]
    originals.restore("b", strided)
    assert torch.equal(strided, weights["b"].double())


def test_file_has_no_name_and_goes_with_the_last_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    originals = OriginalWeights()
    opened = len(os.listdir("/proc/self/fd"))
    originals.save("a", torch.ones(1000))
    originals.save("b", torch.ones(1000))
    assert not list(tmp_path.iterdir())
    originals.discard("a")
    assert len(os.listdir("/proc/self/fd")) == opened + 1
    originals.discard("b")
    assert len(os.listdir("/proc/self/fd")) == opened and len(originals) == 0


def test_full_disk_is_a_sentence():
    """A limit on the size of files stands in for the end of the disk."""
    code = """
import resource, signal, torch
from layerstudio.errors import UnwritableFile
from layerstudio.models.original_weights import OriginalWeights
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    OriginalWeights().save("a", torch.ones(5000))
except UnwritableFile as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no room on the disk" in done.stdout and "TMPDIR" in done.stdout
    assert issubclass(UnwritableFile, Exception)


@pytest.mark.gpu
def test_gpu_weights_go_to_page_locked_memory():
    originals = OriginalWeights()
    weights = {str(size): torch.randn(size, 33, device="cuda").half() for size in range(1, 40)}
    for name, weight in weights.items():
        originals.save(name, weight)
    assert all(originals.read(name).is_pinned() for name in weights)
    for name, weight in weights.items():
        target = torch.zeros_like(weight)
        originals.restore(name, target)
        assert torch.equal(target, weight)
