"""What a run of Qwen-Image-Layered takes, and how to carry it out in what is free; needs no torch.

Chosen is the first that fits, from the most exact to the smallest: the weights as published, in
float8, in 4 bits; each with all networks in memory, with one at a time on the GPU, and with one at
a time in memory at all, which reads them again for every picture. On a CPU float32 comes before
bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from layerstudio.errors import InvalidRequest, OutOfMemory
from layerstudio.geometry import Extent
from layerstudio.machine import GIB, installed_version
from layerstudio.pipelines.preflight import Free
from layerstudio.pipelines.qwen_layered.sizes import decode_values, encode_values, sample_values
from layerstudio.pipelines.qwen_layered.sources import Source
from layerstudio.pipelines.runtime import Runtime

Format = Literal["full", "fp8", "4bit", "gguf"]
Placement = Literal["together", "offloaded", "staged"]
Dtype = Literal["float32", "float16", "bfloat16"]

# Bytes a parameter: NF4 in blocks of 64 with float32 scales; float8 beside norms in full.
_PER_PARAMETER = {"fp8": 1.02, "4bit": 0.5625}
_VALUE = {"float32": 4, "float16": 2, "bfloat16": 2}
# Parameters of the text encoder that stay as they are: its eye, words and their scores.
_KEPT_SHARE = 0.21
_OVERHEAD_SHARE = 0.1  # of activations: workspaces and the allocator's rounding, an allowance
_OVERHEAD = {"cuda": GIB // 2, "cpu": GIB // 4}
_TILE = 256  # pixels: the autoencoder's own tiles, which overlap by a quarter
_WORDS = {
    "full": "as stored",
    "fp8": "in float8",
    "4bit": "in 4 bits",
    "gguf": "as the GGUF has it",
}
_PLACES = {
    "together": "all networks in memory",
    "offloaded": "one network at a time on the GPU",
    "staged": "one network at a time in memory",
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How weights are held, where, and in which precision they work."""

    source: Source
    working: Extent
    layers: int
    kind: Literal["cuda", "cpu"]
    weights: Format
    encoder: Format
    placement: Placement
    dtype: Dtype
    tiled: bool

    @property
    def remark(self) -> str:
        """What of it the result depends on, for whoever makes it again."""
        return (
            f"Worked at {self.working} in {self.dtype}, the transformer {_WORDS[self.weights]}, "
            f"the text encoder {_WORDS[self.encoder]}."
        )

    def held(self, network: str) -> int:
        """Bytes of a network's weights: "text_encoder", "transformer" or "vae"."""
        count, value = self.source.count(network), _VALUE[self.dtype]
        if network == "transformer" and self.weights == "gguf":
            return self.source.bytes
        form = {"transformer": self.weights, "text_encoder": self.encoder}.get(network, "full")
        if form == "full":
            return count * value
        kept = count * _KEPT_SHARE if network == "text_encoder" else 0
        return int(kept * value + (count - kept) * _PER_PARAMETER[form])

    def stages(self) -> dict[str, int]:
        """Bytes where the network works, in each stage."""
        frame = decode_values(*self.working)
        if self.tiled:
            frame = decode_values(_TILE, _TILE) + 8 * self.working.pixel_count
        values = {
            "text_encoder": encode_values(),
            "transformer": sample_values(self.working, self.layers),
            "vae": frame,
        }
        return {name: self._resident(name) + self._active(values[name]) for name in values}

    def peak(self) -> int:
        return max(self.stages().values())

    def host(self) -> int:
        """Bytes of main memory that the weights of a run on a GPU need."""
        every = [self.held(name) for name in ("text_encoder", "transformer", "vae")]
        return sum(every) if self.placement == "offloaded" else max(every)

    def _resident(self, network: str) -> int:
        if self.placement == "offloaded":
            return self.held(network)
        staged = {"text_encoder": ("text_encoder",)}.get(network, ("transformer", "vae"))
        names = ("text_encoder", "transformer", "vae") if self.placement == "together" else staged
        return sum(map(self.held, names))

    def _active(self, values: int) -> int:
        size = values * _VALUE[self.dtype]
        return size + int(size * _OVERHEAD_SHARE) + _OVERHEAD[self.kind]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A layout that fits; ``reason`` says so in one sentence."""

    layout: Layout
    free: Free
    reason: str


def plan(
    source: Source,
    working: Extent,
    layers: int,
    free: Free,
    runtime: Runtime,
    *,
    weights: str = "auto",
    encoder: str = "auto",
) -> Plan:
    """How to run within ``free``; ``weights`` and ``encoder`` may fix what is otherwise chosen.

    Raises ``OutOfMemory`` with what would fit, ``InvalidRequest`` for what contradicts itself.
    """
    forms = _formats(source, weights, encoder)
    every = list(_layouts(source, working, layers, free, runtime, forms))
    fitting = next((layout for layout in every if _fits(layout, free)), None)
    if fitting is None:
        least = min(every, key=Layout.peak)
        raise OutOfMemory(
            f"{_named(least)} needs at least {_gib(least.peak())} of {_where(free)}, and "
            f"{_gib(free.room)} are usable.",
            advice=_advice(source, working, layers, free, runtime),
        )
    return Plan(layout=fitting, free=free, reason=_reason(fitting, free))


def _formats(source: Source, weights: str, encoder: str) -> list[tuple[Format, Format]]:
    """Pairs for transformer and text encoder, the most exact first."""
    small: list[Format] = ["fp8", "4bit"] if can_use_4bit() else ["fp8"]
    if "4bit" in (weights, encoder) and not can_use_4bit():
        raise InvalidRequest(
            "Weights in 4 bits need the package bitsandbytes, which is not installed.",
            advice="Install it with `pip install layerstudio[quantised]`, or choose fp8.",
        )
    if (weights == "gguf") != (source.stored == "gguf") and weights != "auto":
        have = "in a GGUF file" if source.stored == "gguf" else "not in a GGUF file"
        raise InvalidRequest(
            f"weights={weights} does not go with {source.weights!r}: its transformer is {have}.",
            advice="Leave weights at auto, or give another --base.",
        )
    if source.stored == "gguf":
        networks: list[Format] = ["gguf"]
    else:
        networks = ["full", *small] if source.stored == "full" else small
        networks = networks if weights == "auto" else [_FORMATS[weights]]
    texts: list[Format] = ["full", *small]
    if encoder != "auto":
        return [(network, _FORMATS[encoder]) for network in networks]
    pairs: list[tuple[Format, Format]] = [(one, text) for one in networks for text in texts]
    return [pair for pair in pairs if pair[0] == "gguf" or pair[0] == pair[1]] or pairs


def can_use_4bit() -> bool:
    return installed_version("bitsandbytes") is not None


def _layouts(
    source: Source,
    working: Extent,
    layers: int,
    free: Free,
    runtime: Runtime,
    forms: Sequence[tuple[Format, Format]],
) -> Iterator[Layout]:
    dtypes: Sequence[Dtype] = ("bfloat16",) if free.kind == "cuda" else ("float32", "bfloat16")
    dtypes = dtypes if runtime.dtype == "auto" else (runtime.dtype,)
    for (weights, encoder), dtype, placement, tiled in product(
        forms, dtypes, _placements(free, runtime), (False, True)
    ):
        yield Layout(
            source=source, working=working, layers=layers, kind=free.kind, weights=weights,
            encoder=encoder, placement=placement, dtype=dtype, tiled=tiled,
        )  # fmt: skip


def _placements(free: Free, runtime: Runtime) -> tuple[Placement, ...]:
    if runtime.offload == "sequential":
        raise InvalidRequest(
            "Qwen-Image-Layered is not offloaded layer by layer: a step would take minutes.",
            advice="Leave the offloading at auto and choose the setting weights=4bit.",
        )
    if free.kind == "cpu":
        return ("together", "staged")
    chosen: dict[str, tuple[Placement, ...]] = {"none": ("together",), "model": ("offloaded",)}
    return chosen.get(runtime.offload, ("together", "offloaded", "staged"))


def _fits(layout: Layout, free: Free) -> bool:
    room = free.host_bytes
    if free.kind == "cuda" and room is not None and layout.host() > room:
        return False
    return layout.peak() <= free.room


def _advice(source: Source, working: Extent, layers: int, free: Free, runtime: Runtime) -> str:
    """Up to three changes, each of which makes it fit by itself."""

    def fits(size: Extent, count: int, forms: Sequence[tuple[Format, Format]]) -> bool:
        layouts = _layouts(source, size, count, free, replace(runtime, offload="auto"), forms)
        return any(_fits(layout, free) for layout in layouts)

    every = _formats(source, "auto", "auto")
    proposals = [
        f"the setting weights={_named_format(pair[0])}"
        for pair in every
        if fits(working, layers, [pair])
    ]
    smaller = Extent(working.width * 5 // 8, working.height * 5 // 8)
    if working.pixel_count > 640 * 640 and fits(smaller, layers, every):
        proposals.append("the setting resolution=640")
    fewer = next(
        (count for count in (8, 4, 2) if count < layers and fits(working, count, every)), 0
    )
    if fewer:
        proposals.append(f"{fewer} layers")
    if proposals:
        return f"What would fit: {'; or '.join(dict.fromkeys(proposals[:3]))}."
    if source.stored == "gguf":
        return "Use a smaller GGUF file, or a machine with more memory."
    return "Use a small GGUF file of its transformer by --base, or a machine with more memory."


def _reason(layout: Layout, free: Free) -> str:
    text = (
        f"{_named(layout)} on {free.device} in {layout.dtype}, {_PLACES[layout.placement]}; "
        f"about {_gib(layout.peak())}"
    )
    known = free.host_bytes if free.kind == "cpu" else free.device_bytes
    return f"{text}." if known is None else f"{text} of {_gib(free.room)} usable."


def _named(layout: Layout) -> str:
    return (
        f"Qwen-Image-Layered with {layout.layers} layers at {layout.working}, weights "
        f"{_WORDS[layout.weights]},"
    )


def _named_format(form: Format) -> str:
    return next(name for name, known in _FORMATS.items() if known == form)


def _where(free: Free) -> str:
    return "main memory" if free.kind == "cpu" else f"memory on {free.device}"


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


_FORMATS: dict[str, Format] = {"bf16": "full", "fp8": "fp8", "4bit": "4bit", "gguf": "gguf"}
