"""LayerDiffuse on SD 1.5, driven by the calls of a chain."""

from __future__ import annotations

from typing import Any

from layerstudio.generate_request import GenerateRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.layerdiffuse.catalogue import SD15
from layerstudio.pipelines.layerdiffuse.chain import Call
from layerstudio.pipelines.layerdiffuse.engine import image_of
from layerstudio.pipelines.layerdiffuse.sd15 import LayerDiffuseSD15Pipeline
from layerstudio.pipelines.layerdiffuse.sharing_modes import find_sharing_mode
from layerstudio.weights.store import located_file


class SD15Driver:
    """All calls of a run are of its mode, which has one file of weights."""

    kind = LayerDiffuseSD15Pipeline

    def load(self, pipeline: Any, request: GenerateRequest) -> None:
        mode = request.mode or "fg"
        weights, *decoder = SD15.modes[mode].weights
        pipeline.load_layerdiffuse(
            located_file(weights),
            mode,
            decoder=located_file(decoder[0]) if decoder else None,
            strength=request.patch_strength,
        )

    def weights(self, call: Call, request: GenerateRequest) -> tuple[str, ...]:
        return SD15.modes[request.mode or "fg"].weights

    def arguments(self, call: Call, request: GenerateRequest) -> dict[str, Any]:
        prompts = {f"{frame}_prompt": text for frame, text in call.prompts.items()}
        return prompts | {frame: image_of(pixels) for frame, pixels in call.pictures.items()}

    def frames(self, mode: str) -> int:
        return len(find_sharing_mode(mode).makes)

    def sampling_values(self, pipeline: Any, extent: Extent) -> int:
        return pipeline.sampling_values(extent)
