"""The table of stages: the one place where a new adapter is added.

A row names a class without importing it; the card is read without loading a network library.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.stages.contracts import StageCard, StageKind

_HERE = "layerstudio.pipelines.stages"
_STAGES: dict[str, str] = {
    "birefnet": f"{_HERE}.matte_birefnet:BirefnetMatter",
    "birefnet-matting": f"{_HERE}.matte_birefnet:SoftMatter",
    "birefnet-hr-matting": f"{_HERE}.matte_birefnet:HighMatter",
    "birefnet-dynamic": f"{_HERE}.matte_birefnet:DynamicMatter",
    "birefnet-lite": f"{_HERE}.matte_birefnet:LiteMatter",
    "layerd-birefnet": f"{_HERE}.matte_birefnet:LayerdMatter",
    "vitmatte-small": f"{_HERE}.matte_vitmatte:VitMatteSmall",
    "vitmatte-base": f"{_HERE}.matte_vitmatte:VitMatteBase",
    "guided": f"{_HERE}.matte_guided:GuidedMatter",
    "closed-form": f"{_HERE}.matte_pymatting:ClosedFormMatter",
    "knn": f"{_HERE}.matte_pymatting:KnnMatter",
    "pyramid-colours": f"{_HERE}.foreground_colours:PyramidForeground",
    "ml-colours": f"{_HERE}.foreground_colours:MultiLevelForeground",
    "closed-form-colours": f"{_HERE}.foreground_colours:ClosedFormForeground",
    "depth-anything-v2-small": f"{_HERE}.depth_estimation:DepthAnythingSmall",
    "depth-anything-v2-base": f"{_HERE}.depth_estimation:DepthAnythingBase",
    "depth-anything-v2-large": f"{_HERE}.depth_estimation:DepthAnythingLarge",
    "dpt-large": f"{_HERE}.depth_estimation:DptLarge",
    "dpt-hybrid-midas": f"{_HERE}.depth_estimation:DptHybrid",
    "lama": f"{_HERE}.complete_lama:LamaCompleter",
    "sdxl-inpaint": f"{_HERE}.complete_diffusion:SdxlInpaint",
    "flux-fill": f"{_HERE}.complete_diffusion:FluxFill",
    "flat-fill": f"{_HERE}.complete_flat:FlatCompleter",
    "sam-vit-b": f"{_HERE}.segment_sam:SamVitB",
    "sam-vit-l": f"{_HERE}.segment_sam:SamVitL",
    "sam-vit-h": f"{_HERE}.segment_sam:SamVitH",
    "sam-hf-base": f"{_HERE}.segment_sam:SamBase",
    "sam-hf-large": f"{_HERE}.segment_sam:SamLarge",
    "sam-hf-huge": f"{_HERE}.segment_sam:SamHuge",
    "sam2-tiny": f"{_HERE}.segment_sam:Sam2Tiny",
    "sam2-small": f"{_HERE}.segment_sam:Sam2Small",
    "sam2-base-plus": f"{_HERE}.segment_sam:Sam2BasePlus",
    "sam2-large": f"{_HERE}.segment_sam:Sam2Large",
    "sam3": f"{_HERE}.segment_sam:Sam3Stage",
    "grounding-dino-tiny": f"{_HERE}.detect_words:GroundingDinoTiny",
    "grounding-dino-base": f"{_HERE}.detect_words:GroundingDinoBase",
    "owlv2-base": f"{_HERE}.detect_words:Owlv2Base",
}


def stage_cards(kind: StageKind | None = None) -> tuple[StageCard, ...]:
    """Those of one kind, or all."""
    cards = (stage_class(id).card for id in _STAGES)
    return tuple(card for card in cards if kind is None or card.kind == kind)


def stage_ids(kind: StageKind) -> tuple[str, ...]:
    return tuple(card.id for card in stage_cards(kind))


def stage_class(id: str, kind: StageKind | None = None) -> Any:
    """The class of that id; raises ``InvalidRequest`` for an unknown one or another kind."""
    if id in _STAGES:
        module, name = _STAGES[id].split(":")
        found = getattr(import_module(module), name)
        if kind is None or found.card.kind == kind:
            return found
    known = [card.id for card in stage_cards(kind)]
    what = f"no stage that can {kind}" if kind else "no stage"
    raise InvalidRequest(f"{id!r} is {what}.", advice=f"There are: {', '.join(known)}.")
