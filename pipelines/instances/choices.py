"""Which adapter does which step: chosen by name, or the best of those whose weights are here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from layerstudio.pipelines.needs import missing, require
from layerstudio.pipelines.stages.contracts import StageKind
from layerstudio.pipelines.stages.preferring import AUTO, preferred
from layerstudio.pipelines.stages.table import stage_class, stage_ids
from layerstudio.settings import Setting

NONE = "none"

_SUMMARIES: Mapping[StageKind, str] = {
    "segment": "cuts objects out",
    "detect": "finds what the prompts name",
    "depth": "tells what is nearer; none: by contours alone",
    "matte": "makes edges soft",
    "foreground": "takes the background's colour out of soft edges",
    "complete": "makes up what is hidden",
}


@dataclass(frozen=True, kw_only=True)
class StageChoice:
    """Ids of the stages table; ``detect`` is "" where nothing is to be detected and ``depth`` is
    "none" where contours alone decide."""

    segment: str
    detect: str
    depth: str
    matte: str
    foreground: str
    complete: str

    @property
    def ids(self) -> dict[StageKind, str]:
        """Those that run."""
        found: dict[StageKind, str] = {
            "detect": self.detect,
            "segment": self.segment,
            "depth": self.depth,
            "matte": self.matte,
            "foreground": self.foreground,
            "complete": self.complete,
        }
        return {kind: id for kind, id in found.items() if id not in ("", NONE)}

    @property
    def needs(self) -> tuple[str, ...]:
        """Registry ids of all weights, each once."""
        ids = (id for kind, one in self.ids.items() for id in stage_class(one, kind).card.needs)
        return tuple(dict.fromkeys(ids))


def stage_settings() -> tuple[Setting, ...]:
    """A setting for each kind of stage, offering what the stages table has."""
    extra = {"depth": (AUTO, NONE)}
    return tuple(
        Setting(kind, AUTO, summary, choices=(*extra.get(kind, (AUTO,)), *stage_ids(kind)))
        for kind, summary in _SUMMARIES.items()
    )


def choose(chosen: Mapping[str, object], *, has_prompts: bool) -> StageChoice:
    """The stages that ``chosen`` names by kind; "auto", or no name, is the first of a list of
    preferences whose weights are here.

    A detector is chosen where there are prompts and the segmenter reads none itself. Depth is
    "none" where no network for it is here. Raises ``InvalidRequest`` for an unknown id.
    """
    ids = {kind: _one(kind, str(chosen.get(kind, AUTO))) for kind in _SUMMARIES}
    reads = "prompts" in stage_class(ids["segment"], "segment").card.takes
    if not has_prompts or (reads and chosen.get("detect", AUTO) == AUTO):
        ids["detect"] = ""
    return StageChoice(**ids)


def check_weights(stages: StageChoice, what: str) -> None:
    """Raise ``MissingWeights`` with the one command that gets all that is missing."""
    require(stages.needs, what)


def _one(kind: StageKind, name: str) -> str:
    if kind != "depth" or name not in (AUTO, NONE):
        return preferred(kind, name)
    best = preferred(kind)
    return NONE if name == NONE or missing(stage_class(best, kind).card.needs) else best
