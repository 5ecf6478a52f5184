"""How the published inpainting pipelines are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from layerstudio.models.sizes import Family


@dataclass(frozen=True)
class Recipe:
    """``pipeline`` is a class of diffusers, ``denoiser`` the folder of its network, ``channels``
    what that may take. ``side`` is that of the square it was trained at, and ``options`` of a
    call what its card proposes."""

    pipeline: str
    family: Family
    base_id: str
    denoiser: str
    channels: tuple[int, ...]
    side: int
    multiple: int
    guided: bool
    options: Mapping[str, float | int] = field(default_factory=dict)


# Networks without channels for the mask are told by what is put back at each step.
SDXL_INPAINT = Recipe(
    pipeline="StableDiffusionXLInpaintPipeline",
    family="sdxl",
    base_id="sdxl-base",
    denoiser="unet",
    channels=(9, 4),
    side=1024,
    multiple=8,
    guided=True,
    options={"num_inference_steps": 20, "guidance_scale": 8.0, "strength": 0.99},
)
FLUX_FILL = Recipe(
    pipeline="FluxFillPipeline",
    family="flux",
    base_id="flux-dev",
    denoiser="transformer",
    channels=(384,),
    side=1024,
    multiple=16,
    guided=False,
    options={"num_inference_steps": 50, "guidance_scale": 30.0},
)
