"""LayerDiffuse on SDXL, driven by the calls of a chain."""

from __future__ import annotations

from typing import Any

from layerstudio.generate_request import GenerateRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.layerdiffuse.catalogue import SDXL
from layerstudio.pipelines.layerdiffuse.chain import Call, Kind
from layerstudio.pipelines.layerdiffuse.engine import image_of
from layerstudio.pipelines.layerdiffuse.modes import MODES, ModeId
from layerstudio.pipelines.layerdiffuse.sdxl import LayerDiffuseSDXLPipeline
from layerstudio.weights.store import located_file

_DECODER, _ENCODER = "layerdiffuse-sdxl-decoder", "layerdiffuse-sdxl-encoder"
# The calls that end on the base's own weights, if the request says so: the last ones of a chain
# whose frame is opaque. A foreground needs its weights to the end.
_ENDING: tuple[Kind, ...] = ("fgble2bg", "bg2ble")


class SDXLDriver:
    """The weights of all calls of a run are loaded at once, and switched between them."""

    kind = LayerDiffuseSDXLPipeline

    def load(self, pipeline: Any, request: GenerateRequest) -> None:
        networks = SDXL.modes[request.mode or "fg"].weights
        options: dict[str, Any] = {"strength": request.patch_strength}
        if _DECODER in networks:
            options["decoder"] = located_file(_DECODER)
        if _ENCODER in networks:
            options["encoder"] = located_file(_ENCODER)
        for mode, id in self._patches(request).items():
            pipeline.load_layerdiffuse(located_file(id), mode, **options)
            options = {"strength": request.patch_strength}

    def weights(self, call: Call, request: GenerateRequest) -> tuple[str, ...]:
        mode = _mode(call)
        patch = self._patches(request).get(mode)
        decoder = (_DECODER,) if MODES[mode].transparent else ()
        encoder = (_ENCODER,) if call.kind == "img2img" else ()
        return (*((patch,) if patch else ()), *decoder, *encoder)

    def arguments(self, call: Call, request: GenerateRequest) -> dict[str, Any]:
        pictures = {name: image_of(pixels) for name, pixels in call.pictures.items()}
        arguments = {"mode": _mode(call), "prompt": next(iter(call.prompts.values())), **pictures}
        if call.kind == "img2img":
            arguments["strength"] = request.strength
        if call.kind in _ENDING:
            arguments["ending_step"] = request.ending_step
        if request.parity:
            arguments["parity"] = request.parity
        return arguments

    def frames(self, mode: str) -> int:
        return 1

    def sampling_values(self, pipeline: Any, extent: Extent) -> int:
        return 0

    def _patches(self, request: GenerateRequest) -> dict[ModeId, str]:
        """Registry ids of the run's patches by what they are for."""
        chosen = SDXL.modes[request.mode or "fg"]
        patches: dict[ModeId, str] = {
            mode: f"layerdiffuse-sdxl-{mode}"
            for mode in MODES
            if f"layerdiffuse-sdxl-{mode}" in chosen.weights
        }
        if chosen.uses_variant:
            patches["transparent"] = SDXL.variants[request.variant or next(iter(SDXL.variants))]
        return patches


def _mode(call: Call) -> ModeId:
    if call.kind == "img2img":
        return "transparent"
    return next(mode for mode in MODES if mode == call.kind)
