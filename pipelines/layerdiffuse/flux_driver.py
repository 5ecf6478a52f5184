"""LayerDiffuse on FLUX, driven by the calls of a chain."""

from __future__ import annotations

from typing import Any

from layerstudio.generate_request import GenerateRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.layerdiffuse.chain import Call
from layerstudio.pipelines.layerdiffuse.engine import image_of
from layerstudio.pipelines.layerdiffuse.flux import LayerDiffuseFluxPipeline
from layerstudio.weights.store import located_file

_LORA, _VAE = "layerdiffuse-flux-lora", "layerdiffuse-flux-vae"


class FluxDriver:
    """All calls use the same weights."""

    kind = LayerDiffuseFluxPipeline

    def load(self, pipeline: Any, request: GenerateRequest) -> None:
        pipeline.load_layerdiffuse(
            located_file(_LORA), located_file(_VAE), strength=request.patch_strength
        )

    def weights(self, call: Call, request: GenerateRequest) -> tuple[str, ...]:
        return _LORA, _VAE

    def arguments(self, call: Call, request: GenerateRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {"prompt": call.prompts["foreground"]}
        if call.kind == "img2img":
            arguments |= {"image": image_of(call.pictures["image"]), "strength": request.strength}
        return arguments

    def frames(self, mode: str) -> int:
        return 1

    def sampling_values(self, pipeline: Any, extent: Extent) -> int:
        return 0
