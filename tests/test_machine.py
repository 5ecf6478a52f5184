"""Free memory as a container sees it, and GPUs as their driver lists them."""

import subprocess
from pathlib import Path

import pytest

from layerstudio import machine
from layerstudio.machine import Gpu, free_memory, gpus, installed_version, own_memory

MIB = 2**20


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable: 8000 kB\nHuge: 0\n"}
OWN = "sys/fs/cgroup/a/b"


def test_without_limits_it_is_what_the_system_has(tmp_path):
    assert free_memory(tmp_path) is None
    assert free_memory(write(tmp_path, MEMINFO)) == 8000 * 1024
    unlimited = {"proc/self/cgroup": "0::/a/b\n", f"{OWN}/memory.max": "max\n"}
    assert free_memory(write(tmp_path, unlimited)) == 8000 * 1024


@pytest.mark.parametrize("place", ["a/b", "a", ""])
def test_limit_of_any_group_above_counts_and_caches_do_not(tmp_path, place):
    """In a container the process's own path need not exist; the limit is at the top."""
    files = MEMINFO | {
        "proc/self/cgroup": "12:cpu:/x\n0::/a/b\n",
        f"sys/fs/cgroup/{place}/memory.max": "3000000\n",
        f"sys/fs/cgroup/{place}/memory.current": "2500000\n",
        f"sys/fs/cgroup/{place}/memory.stat": "anon 1\ninactive_file 400000\n",
    }
    assert free_memory(write(tmp_path, files)) == 900_000


@pytest.mark.parametrize(("limit", "expected"), [("2000", 0), ("9223372036854771712", 8000 * 1024)])
def test_groups_of_version_1(tmp_path, limit, expected):
    folder = "sys/fs/cgroup/memory/job"
    files = MEMINFO | {
        "proc/self/cgroup": "4:memory,hugetlb:/job\n",
        f"{folder}/memory.limit_in_bytes": limit,
        f"{folder}/memory.usage_in_bytes": "3000",
        f"{folder}/memory.stat": "total_inactive_file 500",
    }
    assert free_memory(write(tmp_path, files)) == expected


def test_own_memory_leaves_out_mapped_files(tmp_path):
    assert own_memory(tmp_path) == 0
    status = "Name:\tpython\nVmRSS:\t  900 kB\nRssAnon:\t  700 kB\nRssFile:\t  200 kB\n"
    assert own_memory(write(tmp_path, {"proc/self/status": status})) == 700 * 1024


def test_gpus(monkeypatch):
    table = "NVIDIA A, B, 24576, 23000, 8.9\nNVIDIA Old, 8192, [N/A], 7.5\n\n"
    monkeypatch.setattr(machine.shutil, "which", lambda name: "/bin/nvidia-smi")
    done = subprocess.CompletedProcess([], 0, stdout=table)
    monkeypatch.setattr(machine.subprocess, "run", lambda *args, **kwargs: done)
    assert gpus() == (Gpu("NVIDIA A, B", 24576 * MIB, 23000 * MIB, (8, 9)),)

    def broken(*args, **kwargs):
        raise subprocess.TimeoutExpired("nvidia-smi", 10)

    monkeypatch.setattr(machine.subprocess, "run", broken)
    assert gpus() == ()


def test_installed_version():
    assert installed_version("numpy")
    assert installed_version("no-such-package-of-ours") is None
