"""Seconds and peak memory of a call, on a GPU or a CPU, and tables for RESULTS.md."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from layerstudio.models.memory import activation_peak


def seconds(run: Callable[[], Any], device: torch.device, rounds: int) -> float:
    """The fastest of ``rounds`` after one that is not counted: others may use the machine too."""
    times = []
    with torch.inference_mode():
        for _ in range(rounds + 1):
            _wait(device)
            start = time.perf_counter()
            run()
            _wait(device)
            times.append(time.perf_counter() - start)
    return min(times[1:])


def peak_bytes(run: Callable[[], Any], device: torch.device) -> int:
    """What a call holds beside what was there before: allocated on a GPU, counted on a CPU."""
    if device.type != "cuda":
        return activation_peak(run)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    with torch.inference_mode():
        run()
    _wait(device)
    return torch.cuda.max_memory_allocated(device) - before


def machine(device: torch.device) -> str:
    """One line on where figures come from."""
    name = platform.processor() or platform.machine()
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return f"{name}, PyTorch {torch.__version__}, Python {platform.python_version()}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
