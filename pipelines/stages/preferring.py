"""Which adapter is taken where a person names none: the best whose weights are on this machine."""

from __future__ import annotations

from collections.abc import Mapping

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
}


def preferred(kind: StageKind, named: str = AUTO) -> str:
    """The id ``named``, or for "auto" the first of the preferences that is here.

    Raises ``InvalidRequest`` for an id that is no such stage.
    """
    if named != AUTO:
        return str(stage_class(named, kind).card.id)
    here = (id for id in PREFERRED[kind] if not missing(stage_class(id, kind).card.needs))
    return next(here, PREFERRED[kind][-1])
