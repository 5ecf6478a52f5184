"""Milliseconds of each attention backend at the shapes of real networks, packed ones too.

    python -m benchmarks.attention [--device cuda] [--rounds 20] [--toy]

Random queries, keys and values in fp16 (fp32 on a CPU). The error is the largest difference from
float64. Packed rows are several documents in one sequence; “one by one” is what SDPA does with
them. ``--toy`` runs every row at a sixteenth of its length, to see that it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from benchmarks.measuring import machine, seconds, table
from layerstudio.models.attention import Concrete, attention, chosen, missing

_MAX_CHECKED = 2**26  # scores in float64: what fits any machine


@dataclass(frozen=True)
class Case:
    """Queries (batch, heads, length, head_dim) over ``seen`` keys; ``documents`` are packed."""

    name: str
    batch: int
    heads: int
    length: int
    seen: int
    head_dim: int
    documents: int = 1

    @property
    def lengths(self) -> list[int] | None:
        """Documents that grow: the longest is about twice the mean."""
        if self.documents == 1:
            return None
        weights = range(1, self.documents + 1)
        parts = [self.length * weight // sum(weights) for weight in weights]
        return [*parts[:-1], self.length - sum(parts[:-1])]


CASES = (
    Case("SDXL 1024 px, self, 64 x 64", 2, 10, 4096, 4096, 64),
    Case("SDXL 1024 px, self, 32 x 32", 2, 20, 1024, 1024, 64),
    Case("SDXL 1024 px, prompt", 2, 10, 4096, 77, 64),
    Case("transparency decoder 1024 px, 8 passes", 8, 32, 4096, 4096, 8),
    Case("SD 1.5 512 px, self, 64 x 64", 2, 8, 4096, 4096, 40),
    Case("FLUX 1024 px, joint", 1, 24, 4608, 4608, 128),
    Case("regions of 4 documents, packed", 1, 24, 12288, 12288, 128, documents=4),
)


def shrunk(case: Case) -> Case:
    length, seen = max(case.length // 16, 8), max(case.seen // 16, 8)
    return Case(case.name, case.batch, 2, length, seen, case.head_dim, case.documents)


def rows(cases: Sequence[Case], device: torch.device, rounds: int) -> Iterator[list[str]]:
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    for case in cases:
        q, k, v = _tensors(case, device, dtype)
        for backend in get_args(Concrete):
            yield [case.name, *_measured(case, q, k, v, backend, rounds)]


def _measured(
    case: Case, q: Tensor, k: Tensor, v: Tensor, backend: Concrete, rounds: int
) -> list[str]:
    """The backend that ran, milliseconds and error; or why it did not."""
    lack = missing(backend)
    if lack is not None:
        return [backend, "-", lack]
    choice = chosen(
        backend, device=q.device, dtype=q.dtype, head_dim=case.head_dim,
        is_packed=case.documents > 1,
    )  # fmt: skip
    if choice.backend != backend:
        return [backend, "-", choice.reason]

    def run() -> Tensor:
        return attention(q, k, v, lengths=case.lengths, backend=backend)

    time = seconds(run, q.device, rounds)
    return [backend, f"{time * 1000:.2f}", _error(run(), case, q, k, v)]


def _error(out: Tensor, case: Case, q: Tensor, k: Tensor, v: Tensor) -> str:
    """Of the first head and, when packed, the first document."""
    first = slice(0, case.lengths[0]) if case.lengths else slice(None)
    q, k, v, out = (x[:1, :1, first].double() for x in (q, k, v, out))
    if q.shape[2] * k.shape[2] > _MAX_CHECKED:
        return "not checked"
    expected = torch.softmax(q @ k.mT * case.head_dim**-0.5, dim=-1) @ v
    return f"{(out - expected).abs().max().item():.1e}"


def _tensors(case: Case, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(case.batch, case.heads, n, case.head_dim) for n in (case.length, *[case.seen] * 2)]
    return [torch.randn(s, generator=generator).to(device, dtype) for s in shapes]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--toy", action="store_true")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    cases = [shrunk(case) for case in CASES] if options.toy else CASES
    print(f"{machine(device)}\n")
    columns = ("shape", "backend", "ms", "largest error")
    print(table(columns, rows(cases, device, options.rounds)))


if __name__ == "__main__":
    main()
