"""Which adapter is taken where a person names none: the best whose weights are on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layerstudio.pipelines.needs import missing
from layerstudio.pipelines.stages.contracts import StageKind
from layerstudio.pipelines.stages.table import stage_class

AUTO = "auto"

# The best first; the last is the smallest, and what is asked for where none is here.
PREFERRED: Mapping[StageKind, tuple[str, ...]] = {
    "segment": (
        *("sam3", "sam2-large", "sam-vit-h", "sam-hf-huge", "sam2-base-plus", "sam-vit-l"),
        *("sam-hf-large", "sam2-small", "sam-vit-b", "sam-hf-base", "sam2-tiny"),
    ),
    "detect": ("grounding-dino-base", "owlv2-base", "grounding-dino-tiny"),
    "depth": ("depth-anything-v2-large", "depth-anything-v2-base", "depth-anything-v2-small"),
    # Out of a trimap. What needs no weights comes last, so that something always is here.
    "matte": ("vitmatte-base", "vitmatte-small", "guided"),
    "foreground": ("pyramid-colours",),
    # Diffusion takes minutes without a GPU and is only taken where there is a prompt.
    "complete": ("lama", "flat-fill"),
}
# Mattes that decide by themselves what the foreground is, and completers that read a prompt.
BY_THEMSELVES = (
    *("birefnet-matting", "birefnet-dynamic", "birefnet", "birefnet-hr-matting"),
    *("layerd-birefnet", "birefnet-lite"),
)
WITH_PROMPT = ("flux-fill", "sdxl-inpaint")


def preferred(kind: StageKind, named: str = AUTO, among: Sequence[str] = ()) -> str:
    """The id ``named``, or for "auto" the first of the preferences that is here; ``among`` are
    others than the kind's own.

    Raises ``InvalidRequest`` for an id that is no such stage.
    """
    if named != AUTO:
        return str(stage_class(named, kind).card.id)
    ids = among or PREFERRED[kind]
    here = (id for id in ids if not missing(stage_class(id, kind).card.needs))
    return next(here, ids[-1])
