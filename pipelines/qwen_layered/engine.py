"""Parts of Qwen-Image-Layered read, made smaller, placed, and kept for the next run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import torch
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from diffusers.quantizers.quantization_config import GGUFQuantizationConfig
from torch import nn

from layerstudio.errors import OutOfMemory
from layerstudio.machine import own_memory
from layerstudio.models.attention import use_backend
from layerstudio.models.checkpoints import mismatch
from layerstudio.models.memory import bytes_on, empty_cache
from layerstudio.models.tensor_file import TensorFile, shapes_of
from layerstudio.pipelines.base_family import check_network
from layerstudio.pipelines.base_models import Found
from layerstudio.pipelines.load_errors import explained_load
from layerstudio.pipelines.loading import idle_networks, kept
from layerstudio.pipelines.out_of_memory import is_shortage
from layerstudio.pipelines.placement import free_now
from layerstudio.pipelines.preflight import Free
from layerstudio.pipelines.quiet import quiet_libraries
from layerstudio.pipelines.qwen_layered.gguf_file import gguf_shapes, settle_gguf
from layerstudio.pipelines.qwen_layered.memory import Format, Plan
from layerstudio.pipelines.qwen_layered.pipeline import LayeredPipeline
from layerstudio.pipelines.qwen_layered.quantising import to_4bit, to_float8
from layerstudio.pipelines.qwen_layered.sources import Source
from layerstudio.pipelines.runtime import Runtime

Part = Literal["text", "layers"]


def free_for_us(runtime: Runtime) -> Free:
    """What is free now, with what the last run's networks hold: they are used again or let go."""
    free = free_now(runtime)
    idle = idle_networks()

    def more(known: int | None, held: int) -> int | None:
        return None if known is None else known + held

    return replace(
        free,
        device_bytes=more(free.device_bytes, bytes_on("cuda", *idle)),
        host_bytes=more(free.host_bytes, min(bytes_on("cpu", *idle), own_memory())),
    )


@contextmanager
def opened(plan: Plan, runtime: Runtime, part: Part) -> Iterator[LayeredPipeline]:
    """The pipeline with what ``part`` needs, or with everything where all fits together.

    Staged, the networks of the other part are let go before these are read.
    Raises ``UnreadableFile``, ``MismatchedWeights`` and ``OutOfMemory``.
    """
    layout = plan.layout
    parts = ("text", "layers") if layout.placement != "staged" else (part,)
    key = (
        "qwen-layered", layout.source, layout.weights, layout.encoder, layout.placement,
        layout.dtype, layout.tiled, plan.free.device, parts, runtime.attention,
    )  # fmt: skip

    def read() -> LayeredPipeline:
        return _read(plan, parts)

    def placed(pipeline: LayeredPipeline) -> LayeredPipeline:
        _place(pipeline, plan, runtime)
        return pipeline

    with quiet_libraries(), _explained(plan), kept(key, read, placed) as pipeline:
        yield pipeline


@contextmanager
def _explained(plan: Plan) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        empty_cache()
        raise OutOfMemory(
            f"Memory ran out on {plan.free.device} although about "
            f"{plan.layout.peak() / 2**30:.1f} GiB were estimated to be enough.",
            advice="Close other programs that use it, choose the setting weights=4bit, fewer "
            "layers or resolution=640.",
        ) from error


def _read(plan: Plan, parts: tuple[Part, ...]) -> LayeredPipeline:
    """On the CPU; of networks that are to be made smaller, in the precision they are stored in."""
    layout, source = plan.layout, plan.layout.source
    dtype = getattr(torch, layout.dtype)
    _check(source)
    given: dict[str, Any] = {}
    if "text" not in parts:
        given |= {"text_encoder": None, "tokenizer": None, "processor": None}
    if "layers" not in parts:
        given |= {"transformer": None, "vae": None}
    elif source.file is not None:
        given["transformer"] = _from_file(source, layout.weights, dtype)
    small: dict[str, Format] = {"transformer": layout.weights, "text_encoder": layout.encoder}
    dtypes = {name: dtype if form == "full" else "auto" for name, form in small.items()}
    with explained_load(f"The base model {source.weights!r}"):
        pipeline = LayeredPipeline.from_pretrained(
            source.folder,
            local_files_only=True,
            use_safetensors=True,
            dtype={"default": dtype, **{k: _stored(v, dtype) for k, v in dtypes.items()}},
            **given,
        )
    for name, form in small.items():
        if getattr(pipeline, name) is not None:
            _make_smaller(getattr(pipeline, name), form, dtype)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _stored(dtype: Any, working: torch.dtype) -> torch.dtype:
    """bfloat16 is what is published: read in it, tensors stay mapped from their files."""
    return torch.bfloat16 if dtype == "auto" else working


def _check(source: Source) -> None:
    """Raise ``MismatchedWeights`` for a transformer that is not what its configuration says."""
    found = Found(source.folder, source.weights)
    if source.file is None:
        check_network(found, "transformer", QwenImageTransformer2DModel)
        return
    stored = gguf_shapes(source.file) if source.stored == "gguf" else TensorFile(source.file).shapes
    with torch.device("meta"), explained_load(f"The base model {source.weights!r}"):
        config: Any = QwenImageTransformer2DModel.load_config(source.folder / "transformer")
        network: Any = QwenImageTransformer2DModel.from_config(config)
        expected = shapes_of(network.state_dict())
    if stored != expected:
        raise mismatch(f"transformer of {source.weights!r}", expected, stored)


def _from_file(source: Source, form: Format, dtype: torch.dtype) -> nn.Module:
    options: dict[str, Any] = {"dtype": dtype if form == "full" else torch.bfloat16}
    if form == "gguf":
        options = {"quantization_config": GGUFQuantizationConfig(compute_dtype=dtype)}
        options["dtype"] = dtype
    with explained_load(f"The transformer {source.weights!r}"):
        transformer = QwenImageTransformer2DModel.from_single_file(
            str(source.file), config=str(source.folder), subfolder="transformer",
            local_files_only=True, **options,
        )  # fmt: skip
    if form == "gguf":
        settle_gguf(transformer, dtype)
    return transformer


def _make_smaller(network: nn.Module, form: Format, dtype: torch.dtype) -> None:
    if form == "fp8":
        to_float8(network, dtype)
    elif form == "4bit":
        to_4bit(network, dtype)


def _place(pipeline: LayeredPipeline, plan: Plan, runtime: Runtime) -> None:
    device = torch.device(plan.free.device)
    if pipeline.transformer is not None:
        use_backend(pipeline.transformer, runtime.attention, device=device)
        (pipeline.vae.enable_tiling if plan.layout.tiled else pipeline.vae.disable_tiling)()
    if plan.layout.placement == "offloaded":
        pipeline.enable_model_cpu_offload(device=device)
        return
    for network in pipeline.components.values():
        if isinstance(network, nn.Module):
            network.to(device)
