"""What this machine has: memory that is really free, GPUs, installed packages. Needs no torch."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

GIB = 2**30
_MIB = 2**20
# Version 1 of the control groups writes "no limit" as the largest number of whole pages.
_UNLIMITED = 2**60


@dataclass(frozen=True)
class Gpu:
    """A device of NVIDIA's as its driver reports it; memory in bytes."""

    name: str
    total: int
    free: int
    capability: tuple[int, int]


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes of memory that this process can still get without swapping; None if not told (Linux).

    The least of what the system has available and what is left under the limits of the control
    groups that the process is in, as a container's. File caches count as free, since the kernel
    gives them up. ``root`` is where the file system starts.
    """
    bounds = [_available(root), *_room_in_groups(root)]
    return min((bound for bound in bounds if bound is not None), default=None)


def own_memory(root: Path = Path("/")) -> int:
    """Bytes of memory that this process holds and that no file backs; 0 if not told."""
    return _fields(root / "proc/self/status").get("RssAnon:", 0) * 1024


def gpus() -> tuple[Gpu, ...]:
    """NVIDIA's devices, asked of the driver's own tool; empty where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    fields = "name,memory.total,memory.free,compute_cap"
    query = [tool, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(gpu for line in done.stdout.splitlines() if (gpu := _gpu(line)) is not None)


def installed_version(package: str) -> str | None:
    """A package's version by its metadata; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _gpu(line: str) -> Gpu | None:
    """One line of the tool's table; None for a device that hides its memory, as some do."""
    try:
        name, total, free, capability = (part.strip() for part in line.rsplit(",", 3))
        major, minor = (int(digit) for digit in capability.split("."))
        return Gpu(name, int(total) * _MIB, int(free) * _MIB, (major, minor))
    except ValueError:
        return None


def _available(root: Path) -> int | None:
    kibibytes = _fields(root / "proc/meminfo").get("MemAvailable:")
    return None if kibibytes is None else kibibytes * 1024


def _room_in_groups(root: Path) -> Iterator[int | None]:
    """What is left under each memory limit above this process."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            names = ("memory.max", "memory.current", "inactive_file")
            top = root / "sys/fs/cgroup"
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = root / "sys/fs/cgroup/memory"
        else:
            continue
        folder = top / path.lstrip("/")
        # Inside a container the path may be the host's, and only the top is there to see.
        for group in (folder, *folder.parents):
            if group.is_relative_to(top):
                yield _room(group, *names)


def _room(group: Path, limit: str, usage: str, cache: str) -> int | None:
    most, used = _number(group / limit), _number(group / usage)
    if most is None or used is None or most >= _UNLIMITED:
        return None
    return max(most - used + _fields(group / "memory.stat").get(cache, 0), 0)


def _number(path: Path) -> int | None:
    first = next(iter(_lines(path)), "")
    return int(first) if first.isdigit() else None


def _fields(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    words = (line.split() for line in _lines(path))
    return {word[0]: int(word[1]) for word in words if len(word) > 1 and word[1].isdigit()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
