"""``layerstudio doctor``: what this machine has, and what that is enough for.

Packages are looked up by their metadata: importing torch to print its version takes seconds.
"""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerstudio.machine import GIB, free_memory, gpus, installed_version
from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import JsonOption

if TYPE_CHECKING:
    from layerstudio.pipelines.preflight import Free

_PACKAGES = (
    "layerstudio", "numpy", "opencv-python-headless", "pillow", "psd-tools",
    "torch", "xformers", "flash-attn", "diffusers", "transformers", "accelerate", "peft",
)  # fmt: skip

DeepOption = Annotated[
    bool,
    typer.Option("--deep", help="Load PyTorch and ask it what it can use (takes seconds)."),
]


@guarded
def doctor(deep: DeepOption = False, as_json: JsonOption = False) -> None:
    """Show what this machine has.

    Device, memory, disk, packages, attention, programs that verify files, and which methods fit.
    """
    from layerstudio.ui.cli.fitting import fits, what_is_free
    from layerstudio.ui.cli.output import print_json, print_table

    free = _asked_of_torch() if deep else what_is_free()
    sections = {
        "machine": machine(),
        "packages": {name: installed_version(name) or "not installed" for name in _PACKAGES},
        "attention": _attention_of_torch(free) if deep else attention(free),
        "readers for verify": verifiers(),
        "methods": methods_that_are_ready(),
        f"what fits on {free.device}": fits(free),
    }
    if as_json:
        print_json(sections)
        return
    for title, rows in sections.items():
        print_table((title, ""), [(key, str(value)) for key, value in rows.items()])


def machine() -> dict[str, str]:
    """Python, cores, free memory and disk, GPU, OCR; sizes in GiB."""
    free = free_memory()
    weights = weights_place()
    tesseract = shutil.which("tesseract")
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": str(_usable_cores()),
        "memory free": f"{free / GIB:.1f} GiB" if free is not None else "unknown",
        "disk free here": _disk_free(Path.cwd()),
        "disk free for weights": f"{_disk_free(weights)} in {weights}",
        "gpu": gpu() or "none found; everything runs on the CPU",
        "text reading": tesseract or "off: install tesseract-ocr to get live text",
    }


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def weights_place() -> Path:
    """Where weights are downloaded to."""
    from layerstudio.weights.hub_cache import default_root

    return default_root()


def _disk_free(folder: Path) -> str:
    """Of the disk that a folder is on, or would be on once it is made."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return f"{shutil.disk_usage(there).free / GIB:.1f} GiB"


def gpu() -> str | None:
    """Name and memory of NVIDIA's devices, and why they are of no use where they are not."""
    from layerstudio.ui.cli.fitting import can_use_gpus

    found = [f"{g.name}, {g.free / GIB:.1f} of {g.total / GIB:.1f} GiB free" for g in gpus()]
    if not found:
        return None
    remark = "" if can_use_gpus() else " (not used: PyTorch is missing or built without CUDA)"
    return "; ".join(found) + remark


def attention(free: Free) -> dict[str, str]:
    """The backends by the packages' metadata, and which one ``auto`` is."""
    if installed_version("torch") is None:
        return {"chosen": "none: PyTorch is not installed; `pip install 'layerstudio[models]'`"}
    on_gpu = free.kind == "cuda"
    version = installed_version("xformers")
    if version is None:
        xformers = "not installed; `pip install 'layerstudio[gpu]'` for NVIDIA GPUs"
    else:
        xformers = version if on_gpu else f"{version}, without a GPU to run on"
    package = installed_version("flash-attn")
    reason = {
        "xformers": "xformers is installed and there is a GPU",
        "sdpa": "no xformers" if on_gpu else "PyTorch's own attention is what runs on CPUs",
    }
    return {
        "xformers": xformers,
        "sdpa": "part of PyTorch",
        "flash": f"flash-attn {package}" if package and on_gpu else "PyTorch's own kernel",
        "chosen": f"{free.attention}: {reason[free.attention]}",
    }


def _asked_of_torch() -> Free:
    from layerstudio.errors import InvalidRequest

    try:
        from layerstudio.pipelines.placement import free_now
    except ImportError as error:
        raise InvalidRequest(
            f"--deep needs the networks' packages, and {error.name} is not installed.",
            advice="Install them with `pip install 'layerstudio[models]'`.",
        ) from None
    return free_now()


def _attention_of_torch(free: Free) -> dict[str, str]:
    """The same, asked of PyTorch: kernels are loaded, and what keeps one away is named."""
    import torch

    from layerstudio.models.attention import chosen, missing

    half = torch.float16 if free.kind == "cuda" else torch.float32
    choice = chosen(device=free.device, dtype=half, head_dim=64)
    return {
        "xformers": missing("xformers") or "available",
        "sdpa": "available",
        "flash": "available",
        "chosen": f"{choice.backend}: {choice.reason}",
    }


def verifiers() -> dict[str, str]:
    """The programs that ``verify`` asks for a second opinion, and for which formats."""
    from layerstudio.io.external import READERS

    return {
        reader.name: (
            f"{' '.join(sorted(reader.suffixes))}" if reader.is_installed else "not installed"
        )
        for reader in READERS
    }


def methods_that_are_ready() -> dict[str, str]:
    """Whether a method's packages and weights are here; what is missing, with the command."""
    from layerstudio.pipelines.methods import cards
    from layerstudio.pipelines.needs import missing
    from layerstudio.weights.registry import checkpoint

    has_packages = installed_version("torch") and installed_version("diffusers")
    found = {}
    for card in cards():
        absent = [id for id in missing(card.needs) if not checkpoint(id).withdrawn]
        lacks = [f"`layerstudio models pull {' '.join(absent)}`"] if absent else []
        lacks += [card.setup] if card.setup else []
        if card.needs and not has_packages:
            lacks.insert(0, "`pip install 'layerstudio[models]'`")
        found[card.id] = f"needs {', then '.join(lacks)}" if lacks else "ready"
    return found
