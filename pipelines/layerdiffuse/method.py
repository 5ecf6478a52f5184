"""The methods ``layerdiffuse-sdxl``, ``layerdiffuse-sd15`` and ``layerdiffuse-flux``.

Importing this module loads no network library: methods are listed without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from layerstudio.document import Document
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.picture import Picture
from layerstudio.pipelines.layerdiffuse.catalogue import FLUX, SD15, SDXL, Family, needed
from layerstudio.pipelines.layerdiffuse.resolving import resolve
from layerstudio.pipelines.memory_layout import Kind
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.needs import require
from layerstudio.pipelines.preflight import check_offload
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback

_REFERENCE = "Zhang and Agrawala, Transparent Image Layer Diffusion (arXiv:2402.17113)"
_INPUTS = (
    "prompt", "negative_prompt", "foregrounds", "extent", "boxes", "inputs", "count", "seed",
    "steps", "guidance", "strength", "scheduler", "base", "loras", "augment",
)  # fmt: skip


def _card(family: Family, summary: str, weights_licence: str, *inputs: str) -> MethodCard:
    mode = next(iter(family.modes))
    variant = next(iter(family.variants), "")
    return MethodCard(
        id=f"layerdiffuse-{family.id}",
        task="generate",
        title=f"LayerDiffuse on {family.title}",
        summary=summary,
        reference=_REFERENCE,
        code_licence="Apache-2.0",
        weights_licence=weights_licence,
        needs=needed(family, mode, variant, family.defaults.base),
        inputs=(*_INPUTS, *inputs),
        modes=tuple(family.modes),
    )


class _LayerDiffuse:
    """What the three have in common: the family says what differs."""

    family: ClassVar[Family]
    card: ClassVar[MethodCard]

    def resolve(
        self, request: GenerateRequest, pictures: Mapping[InputRole, Picture]
    ) -> GenerateRequest:
        return resolve(request, pictures, self.family, self.card.id)

    def run(
        self,
        request: GenerateRequest,
        pictures: Mapping[InputRole, Picture],
        *,
        runtime: Runtime,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> tuple[Document, ...]:
        """Raises ``MissingWeights`` before anything is loaded, naming all that are missing."""
        mode, variant, base = request.mode or "", request.variant or "", request.base or ""
        switches = self.family.modes[mode].switches_weights
        check_offload(_kind(runtime.device), runtime, switches_weights=switches)
        ids = needed(self.family, mode, variant, base)
        extra = (request.controlnet, request.ip_adapter, *request.loras)
        ids += tuple(adapter.source for adapter in extra if adapter)
        require(ids, f"{self.card.id!r} in mode {mode!r}")
        from layerstudio.pipelines.layerdiffuse.running import run

        return run(
            self.family, request, pictures, runtime=runtime, progress=progress, cancel=cancel
        )


def _kind(device: str) -> Kind | None:
    """Of "auto" it takes PyTorch to know."""
    return {"auto": None, "cpu": "cpu"}.get(device, "cuda")


class LayerDiffuseSDXL(_LayerDiffuse):
    family = SDXL
    card = _card(
        SDXL,
        "Transparent pictures from text; a background for a foreground and the other way round.",
        "OpenRAIL++-M (base); LayerDiffuse's files state none",
        "background", "ending_step", "variant", "patch_strength", "parity",
        "controlnet", "ip_adapter",
    )  # fmt: skip


class LayerDiffuseSD15(_LayerDiffuse):
    family = SD15
    card = _card(
        SD15,
        "Small and quick: foreground, background and their blend in one go.",
        "OpenRAIL-M (base); LayerDiffuse's files state none",
        "background", "patch_strength", "controlnet", "ip_adapter",
    )  # fmt: skip


class LayerDiffuseFlux(_LayerDiffuse):
    family = FLUX
    card = _card(
        FLUX,
        "Transparent pictures that follow long prompts; needs much memory.",
        "FLUX.1 [dev] Non-Commercial License",
        "patch_strength", "controlnet",
    )  # fmt: skip
