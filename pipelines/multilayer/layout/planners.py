"""Planners of layouts by name."""

from __future__ import annotations

from layerstudio.pipelines.multilayer.layout.planning import Planner

RULES = "rules"


def planner_for(name: str) -> Planner:
    """The planner called ``name``: "rules", or a chat model by its folder or hub id.

    Nothing is downloaded: raises ``MissingWeights`` for a hub id that is not in the cache,
    ``UnreadableFile`` for a folder that does not exist, ``InvalidRequest`` for other names.
    """
    if name == RULES:
        from layerstudio.pipelines.multilayer.layout.rules import RulePlanner

        return RulePlanner()
    from layerstudio.pipelines.multilayer.layout.language_model import LanguageModelPlanner

    return LanguageModelPlanner.named(name)
