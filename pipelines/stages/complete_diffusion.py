"""Holes filled by diffusion, guided by a prompt. Importing this module loads no network library."""

from __future__ import annotations

from typing import ClassVar, Self

from layerstudio.color import U8
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Mask, StageCard
from layerstudio.pipelines.stages.diffusion_recipes import FLUX_FILL, SDXL_INPAINT, Recipe
from layerstudio.progress import CancelToken, ProgressCallback


class SdxlInpaint:
    """The pipeline is loaded when holes are filled, and kept as all pipelines are."""

    card: ClassVar[StageCard] = StageCard(
        id="sdxl-inpaint",
        kind="complete",
        title="SDXL inpainting",
        reference="SDXL (Podell et al. 2023, arXiv:2307.01952)",
        code_licence="Apache-2.0",
        weights_licence="CreativeML Open RAIL++-M",
        needs=("sdxl-inpaint",),
        takes=("prompt",),
    )
    recipe: ClassVar[Recipe] = SDXL_INPAINT

    def __init__(self, base: str, runtime: Runtime) -> None:
        self._base = base
        self._runtime = runtime

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        from layerstudio.pipelines.stages.diffusion_holes import check_model

        name = base or cls.card.needs[0]
        check_model(name, cls.recipe)
        return cls(name, runtime)

    def fill(
        self,
        rgb: U8,
        holes: Mask,
        *,
        prompt: str = "",
        seed: int = 0,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> U8:
        from layerstudio.pipelines.stages.diffusion_holes import Filling, filled

        how = Filling(self.recipe, self._base, self._runtime, prompt, seed)
        return filled(rgb, holes, how, progress=progress, cancel=cancel)


class FluxFill(SdxlInpaint):
    card = StageCard(
        id="flux-fill",
        kind="complete",
        title="FLUX.1 Fill [dev]",
        reference="FLUX.1 Tools (Black Forest Labs 2024)",
        code_licence="Apache-2.0",
        weights_licence="FLUX.1 [dev] Non-Commercial License",
        needs=("flux-fill",),
        takes=("prompt",),
    )
    recipe = FLUX_FILL
