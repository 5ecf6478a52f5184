"""A multi-layer pipeline loaded, placed and kept for the next run, by both methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layerstudio.generate_request import Adapter
from layerstudio.models.memory import parameter_count
from layerstudio.models.multilayer_adapter import MultiLayerAdapter
from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from layerstudio.models.sizes import MULTILAYER, Family, FamilySizes
from layerstudio.pipelines.base_family import check_network
from layerstudio.pipelines.base_models import Found
from layerstudio.pipelines.loading import Wanted, borrowed
from layerstudio.pipelines.multilayer.bases import components
from layerstudio.pipelines.multilayer.boxes import MULTIPLE, regions_of
from layerstudio.pipelines.multilayer.pipeline import Boxes, MultiLayerPipeline
from layerstudio.pipelines.multilayer.published import MOST_FOREGROUNDS
from layerstudio.pipelines.out_of_memory import explained
from layerstudio.pipelines.placement import apply, first_dtype, free_now, sizes_of
from layerstudio.pipelines.preflight import Needs, Plan, check_offload, plan
from layerstudio.pipelines.quiet import quiet_libraries
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.steps import Canvas

# Memory is planned for the next multiple of so many tokens, so that boxes which change a little
# between two runs do not have the weights loaded again. At FLUX's size it is half a GiB.
_ROUNDED_TO = 4096
_NETWORKS = {
    "transformer": MultiLayerTransformer,
    "decoder": MultiLayerDecoder,
    "adapter": MultiLayerAdapter,
}


@dataclass
class Ready:
    """A pipeline in its place."""

    pipeline: MultiLayerPipeline
    plan: Plan


@contextmanager
def opened(
    base: Found,
    canvas: Canvas,
    tokens: int,
    runtime: Runtime,
    *,
    loras: Sequence[Adapter] = (),
    with_adapter: bool = False,
) -> Iterator[Ready]:
    """The pipeline of ``base`` for documents of up to ``tokens`` tokens on ``canvas``.

    The last run's is taken where it fits. Raises as ``loading.load`` does, and ``OutOfMemory``.
    """
    check_offload(free_now(runtime).kind, runtime, switches_weights=False)
    rounded = -(-tokens // _ROUNDED_TO) * _ROUNDED_TO
    wanted = Wanted(
        kind=MultiLayerPipeline,
        family="flux",
        base=base,
        base_id="flux-dev",
        dtype=first_dtype("flux", runtime),
        loras=tuple(loras),
        placement=(
            replace(runtime, previews=False),
            canvas.padded,
            rounded,
            with_adapter,
            _stamps(base, loras),
        ),
        check=_check,
    )

    def prepared(pipeline: Any) -> Ready:
        needs = _needs(pipeline, canvas, rounded, with_adapter)
        planned = plan(needs, free_now(runtime), runtime)
        with explained(planned, runtime):
            apply(planned, pipeline)
        return Ready(pipeline, planned)

    with (
        quiet_libraries(),
        borrowed(wanted, prepared) as ready,
        explained(ready.plan, runtime),
    ):
        yield ready


def _check(base: Found, family: Family) -> None:
    """Raise ``MismatchedWeights`` for networks that are not what their configurations say."""
    for name in components(base.path) & set(_NETWORKS):
        check_network(base, name, _NETWORKS[name])


def tokens_of(boxes: Boxes, canvas: Canvas, prompted: Sequence[int] = ()) -> int:
    """Tokens of one document in the transformer's sequence: those inside boxes, and again those of
    layers with prompts of their own together with these prompts' text.

    Raises ``InvalidRequest`` for boxes that make no sense.
    """
    regions = regions_of(boxes, canvas, MOST_FOREGROUNDS)
    again = (regions.only(layer).count + MULTILAYER.text_positions for layer in prompted)
    return regions.count + sum(again)


def canvas_of(width: int, height: int) -> Canvas:
    return Canvas.of(width, height, MULTIPLE)


def _needs(pipeline: Any, canvas: Canvas, tokens: int, with_adapter: bool) -> Needs:
    """Both branches of guidance run one after the other, so only one counts at a time."""
    adapter = getattr(pipeline, "adapter", None)
    return Needs(
        family="flux",
        extent=canvas.padded,
        guided=False,
        augment=1,
        extra_parameters=0 if adapter is None else parameter_count(adapter),
        sizes=_sizes(pipeline, adapter if with_adapter else None),
        layer_tokens=tokens,
    )


def _sizes(pipeline: Any, adapter: Any) -> FamilySizes:
    """An adapter's answers, one value for each of the transformer's per block, are held while it
    runs."""
    config = {} if adapter is None else adapter.config
    blocks = config.get("num_layers", 0) + config.get("num_single_layers", 0)
    width = config.get("num_attention_heads", 0) * config.get("attention_head_dim", 0)
    values = MULTILAYER.denoise_values + blocks * width
    return replace(sizes_of(pipeline, "flux"), denoise_values=values)


def _stamps(base: Found, loras: Sequence[Adapter]) -> tuple[int, ...]:
    """When the files that are read were written: others may lie there now."""
    files = list(base.path.rglob("*.safetensors"))
    files += [Path(lora.source) for lora in loras]
    return tuple(path.stat().st_mtime_ns for path in sorted(files) if path.is_file())
