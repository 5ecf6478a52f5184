"""What the method offers: its ways of working, its settings, and what it needs by default."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.pipelines.base_models import WEIGHT_SUFFIXES
from layerstudio.pipelines.instances.choices import StageChoice, choose, stage_settings
from layerstudio.pipelines.instances.wanted import WORKING_SIDE
from layerstudio.pipelines.needs import is_registered, missing
from layerstudio.settings import Setting, Settings
from layerstudio.weights.registry import is_repository
from layerstudio.weights.store import find_repository

DEFAULT_BASE = "sdxl-base"
LAYERS, FOREGROUND = "layers", "foreground"
MODES = (LAYERS, FOREGROUND)
ROLES: tuple[InputRole, ...] = ("image", "control")  # pictures that it takes
NEEDS = (DEFAULT_BASE, "grounding-dino-tiny", "sam2-tiny")  # the least; better ones where here

SETTINGS = (
    *stage_settings(),
    Setting("shadows", True, "contact shadows as layers of their own, where found"),
    Setting("parts", False, "keep objects that lie within another one"),
    Setting("working_side", WORKING_SIDE, "pixels at which objects are looked for", least=64),
    Setting("detail", True, "give the picture's fine detail back to the layers"),
    Setting("exact", True, "make the layers recompose to the picture within 1/255"),
)


def draws(request: GenerateRequest) -> bool:
    """Whether a model makes the picture: not if one is given and to be left as it is."""
    return request.input("image") is None or request.strength != 0


def stages_of(request: GenerateRequest) -> StageChoice:
    """What takes the picture apart; raises ``InvalidRequest``."""
    return choose(request.settings, has_prompts=bool(request.foregrounds))


def settled(request: GenerateRequest) -> GenerateRequest:
    """With the stages that run named, so that a recipe uses them again where there are better ones
    by then."""
    stages = stages_of(request)
    return replace(
        request, settings=Settings({**request.settings, **stages.ids, "depth": stages.depth})
    )


def needed(request: GenerateRequest) -> tuple[str, ...]:
    """Names of all weights that a run loads: registry ids, and whatever else it is given."""
    extra = (*request.loras, *((request.controlnet,) if request.controlnet else ()))
    given = (request.base or "", *(adapter.source for adapter in extra))
    return (*filter(None, given), *stages_of(request).needs)


def absent(request: GenerateRequest) -> tuple[str, ...]:
    """What of it is not on this machine and could be fetched."""
    names = tuple(dict.fromkeys(needed(request)))
    lacking = set(missing(names))
    return tuple(name for name in names if name in lacking or _is_uncached(name))


def _is_uncached(name: str) -> bool:
    """A hub name, not a path, of which nothing was downloaded."""
    is_hub_name = is_repository(name) and not is_registered(name) and not Path(name).exists()
    is_file = Path(name).suffix in WEIGHT_SUFFIXES
    return is_hub_name and not is_file and find_repository(name) is None
