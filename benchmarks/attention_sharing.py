"""SD 1.5's attention sharing: weights merged once and stacked, against merged at every call.

    python -m benchmarks.attention_sharing [--device cuda] [--rounds 5] [--toy]

One unit at its real width, 3 frames as in the joint model, both halves of guidance, random weights;
fp16 (fp32 on a CPU). "At every call" is how the published code computes it: for each frame in
turn, up @ down is added to the weights, and attention across frames is a general attention.
``--toy`` runs at a sixteenth of the tokens, to see that it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers.models.attention_processor import Attention
from torch import Tensor

from benchmarks.measuring import machine, seconds, table
from layerstudio.models.attention_sharing import SharingLayout, SharingUnit
from layerstudio.models.shared_attention import SharedAttention

PICTURES, HEADS = 2, 8
TEXT_WIDTH, TEXT_TOKENS = 768, 77


@dataclass(frozen=True)
class Case:
    """A unit on ``tokens`` positions of ``width`` channels."""

    name: str
    width: int
    tokens: int
    is_cross: bool
    frames: int = 3


CASES = (
    Case("320 wide, self, 64 x 64", 320, 4096, False),
    Case("320 wide, prompt, 64 x 64", 320, 4096, True),
    Case("640 wide, self, 32 x 32", 640, 1024, False),
    Case("640 wide, prompt, 32 x 32", 640, 1024, True),
    Case("1280 wide, self, 16 x 16", 1280, 256, False),
    Case("1280 wide, self, 8 x 8", 1280, 64, False),
    Case("640 wide, prompt, 32 x 32, one frame", 640, 1024, True, frames=1),
)


class MergedAtEveryCall:
    """The unit as it is published: the formulas of ``shared_attention``, one after the other."""

    def __init__(self, unit: SharingUnit, site: Any) -> None:
        self._unit, self._site, self._frames = unit, site, unit.frames

    def __call__(self, hidden: Tensor, text: Tensor | None) -> Tensor:
        frames = [hidden[index :: self._frames] for index in range(self._frames)]
        contexts = (
            frames
            if text is None
            else [text[index :: self._frames] for index in range(self._frames)]
        )
        merged = [
            frame + self._within(index, frame, context)
            for index, (frame, context) in enumerate(zip(frames, contexts, strict=True))
        ]
        rows = torch.stack(merged, dim=1).flatten(0, 1)
        return rows + self._across(rows) - hidden

    def _within(self, index: int, frame: Tensor, context: Tensor) -> Tensor:
        query = self._project("to_q", index, frame)
        key = self._project("to_k", index, context)
        value = self._project("to_v", index, context)
        return self._project("to_out", index, _attend(query, key, value))

    def _project(self, name: str, index: int, values: Tensor) -> Tensor:
        layer = self._site.to_out[0] if name == "to_out" else getattr(self._site, name)
        change = getattr(self._unit, f"{name}_lora")[index]
        return F.linear(values, layer.weight + change.up.weight @ change.down.weight, layer.bias)

    def _across(self, rows: Tensor) -> Tensor:
        unit, tokens = self._unit, rows.shape[1]
        mixed = unit.temporal_i(unit.temporal_n(rows))
        mixed = mixed.unflatten(0, (-1, self._frames)).transpose(1, 2).flatten(0, 1)
        sides = (layer(mixed) for layer in (unit.temporal_q, unit.temporal_k, unit.temporal_v))
        mixed = unit.temporal_o(_attend(*sides))
        return mixed.unflatten(0, (-1, tokens)).transpose(1, 2).flatten(0, 1)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    query, key, value = (
        side.unflatten(-1, (HEADS, -1)).transpose(1, 2) for side in (query, key, value)
    )
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def row(case: Case, device: torch.device, rounds: int) -> list[str]:
    unit, site, hidden, text = _made(case, device)
    published = MergedAtEveryCall(unit, site)
    merge = seconds(lambda: SharedAttention(unit, site), device, rounds)
    site.set_processor(SharedAttention(unit, site))
    before = seconds(lambda: published(hidden, text), device, rounds)
    after = seconds(lambda: site(hidden, text), device, rounds)
    with torch.inference_mode():
        error = (published(hidden, text) - site(hidden, text)).abs().max().item()
    times = [f"{1000 * time:.1f}" for time in (before, after, merge)]
    return [case.name, *times, f"{before / after:.2f}", f"{error:.1e}"]


def _made(case: Case, device: torch.device) -> tuple[SharingUnit, Any, Tensor, Tensor | None]:
    torch.manual_seed(0)
    context = TEXT_WIDTH if case.is_cross else None
    site = Attention(case.width, context, heads=HEADS, dim_head=case.width // HEADS)
    unit = SharingUnit(case.width, context or case.width, SharingLayout(case.frames))
    batch = PICTURES * case.frames
    hidden = torch.randn(batch, case.tokens, case.width)
    text = torch.randn(batch, TEXT_TOKENS, TEXT_WIDTH) if case.is_cross else None
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    for module in (site, unit):
        module.requires_grad_(False).to(device, dtype)
    return unit, site, hidden.to(device, dtype), None if text is None else text.to(device, dtype)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--toy", action="store_true")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    cases = CASES
    if options.toy:
        cases = [replace(case, tokens=case.tokens // 16) for case in CASES]
    print(f"{machine(device)}\n")
    columns = ("unit", "at every call, ms", "merged, ms", "merging once, ms", "times", "difference")
    print(table(columns, (row(case, device, options.rounds) for case in cases)))


if __name__ == "__main__":
    main()
