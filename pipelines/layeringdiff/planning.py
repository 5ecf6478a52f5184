"""How a base is run in the memory that is free, decided from its files before one is loaded.

Families of ours have counted activations. Of others the weights are counted, from the headers of
their files, and the activations taken for those of the largest model that was counted at the same
resolution: FLUX's transformer and text encoders, and the autoencoder of Stable Diffusion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod
from pathlib import Path

from layerstudio.errors import OutOfMemory
from layerstudio.generate_request import GenerateRequest
from layerstudio.geometry import Extent
from layerstudio.models.sizes import FAMILIES, FamilySizes, Network
from layerstudio.models.tensor_file import TensorFile
from layerstudio.pipelines.base_models import Found, find_model
from layerstudio.pipelines.layeringdiff.bases import Base
from layerstudio.pipelines.loading import kept_bytes
from layerstudio.pipelines.placement import free_now
from layerstudio.pipelines.preflight import Free, Needs, Plan, plan
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages import opening

_ROUNDED_TO = 64  # pixels: the largest multiple that a network asks for
_VAES = ("vae", "movq", "vqgan", "vqvae")
_NOTHING = Network(0, 0)


def planned(base: Base, request: GenerateRequest, runtime: Runtime) -> Plan:
    """Raises ``OutOfMemory`` with what would fit, and ``InvalidRequest`` for a runtime that
    contradicts itself. Idle stages are let go where they stand in the way."""
    needs = _needs(base, request)
    try:
        return plan(needs, _free(runtime), runtime)
    except OutOfMemory:
        opening.forget()
        return plan(needs, _free(runtime), runtime)


def rounded(extent: Extent) -> Extent:
    """What plans are made for, so that sizes which need the same do not load weights again."""
    return extent.multiple_of(_ROUNDED_TO)


def _free(runtime: Runtime) -> Free:
    """With what the pipeline of the last run holds: it is this one's, or let go."""
    free = free_now(runtime)

    def more(known: int | None, kind: str) -> int | None:
        return None if known is None else known + kept_bytes(kind)

    return replace(
        free,
        device_bytes=more(free.device_bytes, "cuda"),
        host_bytes=more(free.host_bytes, "cpu"),
    )


def _needs(base: Base, request: GenerateRequest) -> Needs:
    assert request.extent is not None
    controlnet = request.controlnet
    extra = 0 if controlnet is None else _network(_files_of_model(controlnet.source)).parameters
    return Needs(
        family=base.family,
        title="" if base.family else base.title,
        extent=rounded(request.extent),
        guided=base.family != "flux" or (request.true_guidance or 1) > 1,
        augment=0,
        extra_parameters=extra,
        sizes=_sizes(base),
    )


def _sizes(base: Base) -> FamilySizes | None:
    """None for a single file, whose family's published sizes are near enough."""
    if base.found.path.is_file():
        return None
    encoders, denoisers, decoders = [], [], []
    for name in base.components:
        network = _network(_files(base.found, base.found.path / name))
        if "encoder" in name:
            encoders.append(network)
        else:
            (decoders if name in _VAES else denoisers).append(network)
    known = FAMILIES[base.family or "flux"]
    return replace(
        known,
        encoders=tuple(encoders) or (_NOTHING,),
        denoiser=_together(denoisers),
        vae=_together(decoders),
        text_positions=known.text_positions if base.family else FAMILIES["flux"].text_positions,
        half="float16" if base.family is None and "unet" in base.components else known.half,
    )


def _together(networks: Iterable[Network]) -> Network:
    """Networks that take turns on the same stage, all held."""
    found = list(networks) or [_NOTHING]
    most = max(network.largest_layer for network in found)
    return Network(sum(network.parameters for network in found), most)


def _network(files: Iterable[Path]) -> Network:
    sizes = [prod(shape) for path in files for shape in TensorFile(path).shapes.values()]
    return Network(sum(sizes), max(sizes, default=0))


def _files_of_model(name: str) -> list[Path]:
    found = find_model(name, "ControlNet")
    return [found.path] if found.path.is_file() else _files(found, found.path)


def _files(found: Found, folder: Path) -> list[Path]:
    """The weights that are read, in one of the precisions that lie there."""
    pattern = f"*.{found.variant}*.safetensors" if found.variant else "*.safetensors"
    files = sorted(folder.glob(pattern))
    return [file for file in files if found.variant or ".fp16." not in file.name]
