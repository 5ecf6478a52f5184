"""``layerstudio doctor``: what this machine has, and what that is enough for.

Packages are looked up by their metadata: importing torch to print its version takes seconds.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import JsonOption

_PACKAGES = (
    "layerstudio", "numpy", "opencv-python-headless", "pillow", "psd-tools",
    "torch", "xformers", "diffusers", "transformers",
)  # fmt: skip
_GIB = 2**30


@guarded
def doctor(as_json: JsonOption = False) -> None:
    """Show what this machine has.

    Device, memory, disk, packages, programs that verify files, and which methods fit.
    """
    from layerstudio.ui.cli.output import print_json, print_table

    sections = {
        "machine": machine(),
        "packages": {name: installed_version(name) or "not installed" for name in _PACKAGES},
        "readers for verify": verifiers(),
        "methods": methods_that_fit(),
    }
    if as_json:
        print_json(sections)
        return
    for title, rows in sections.items():
        print_table((title, ""), [(key, str(value)) for key, value in rows.items()])


def machine() -> dict[str, str]:
    """Python, cores, free memory and disk, GPU, OCR; sizes in GiB."""
    free = free_memory()
    tesseract = shutil.which("tesseract")
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": str(_usable_cores()),
        "memory free": f"{free / _GIB:.1f} GiB" if free else "unknown",
        "disk free here": f"{shutil.disk_usage(Path.cwd()).free / _GIB:.1f} GiB",
        "gpu": gpu() or "none found; everything runs on the CPU",
        "text reading": tesseract or "off: install tesseract-ocr to get live text",
    }


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int | None:
    """Bytes that a program can get without swapping, where the system says so (Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    available = fields.get("MemAvailable", "").split()
    return int(available[0]) * 1024 if available else None


def gpu() -> str | None:
    """Name and free memory of NVIDIA's devices, asked of the driver's own tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = [tool, "--query-gpu=name,memory.free", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return "; ".join(line.strip() for line in done.stdout.splitlines() if line.strip()) or None


def installed_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def verifiers() -> dict[str, str]:
    """The programs that ``verify`` asks for a second opinion, and for which formats."""
    from layerstudio.io.external import READERS

    return {
        reader.name: (
            f"{' '.join(sorted(reader.suffixes))}" if reader.is_installed else "not installed"
        )
        for reader in READERS
    }


def methods_that_fit() -> dict[str, str]:
    """Methods without weights run anywhere; the others name what they lack."""
    from layerstudio.pipelines.methods import cards

    return {
        card.id: f"needs the weights {', '.join(card.needs)}" if card.needs else "ready"
        for card in cards()
    }
