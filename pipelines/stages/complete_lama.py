"""Holes filled by LaMa."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from layerstudio.color import U8
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Mask, StageCard
from layerstudio.progress import CancelToken, Progress, ProgressCallback

if TYPE_CHECKING:
    from layerstudio.models.lama import Lama


class LamaCompleter:
    """``network`` may be used directly, for the published way of calling it."""

    card: ClassVar[StageCard] = StageCard(
        id="lama",
        kind="complete",
        title="LaMa, fills holes with what is around them",
        reference="LaMa (Suvorov et al. 2022, arXiv:2109.07161)",
        code_licence="Apache-2.0",
        weights_licence="not recorded here (the published code is Apache-2.0)",
        needs=("big-lama",),
    )

    def __init__(self, network: Lama) -> None:
        self.network = network

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        """``base``: big-lama.pt, big-lama.zip, a trainer's .ckpt or a .safetensors."""
        import torch

        from layerstudio.models.lama_weights import lama_from_file
        from layerstudio.pipelines.stages.placing import place_for
        from layerstudio.pipelines.stages.weight_files import weights_file

        file = weights_file(base or cls.card.needs[0], "inpainting network")
        # Small, and trained in float32: half precision gains little and shows in flat areas.
        place = place_for(cls.card.title, file.parameters, runtime, half=torch.float32)
        return cls(lama_from_file(file.path, dtype=place.dtype).to(place.device))

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
        from layerstudio.models.lama_inpaint import inpaint

        def watch(done: float) -> None:
            cancel.check()
            progress(Progress("filling holes", done))

        filled = inpaint(self.network, rgb, holes, watch=watch)
        watch(1.0)
        return filled
