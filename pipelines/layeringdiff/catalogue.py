"""What the method offers: its ways of working, its settings, and what it needs by default."""

from __future__ import annotations

from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.pipelines.instances.choices import StageChoice, choose, stage_settings
from layerstudio.pipelines.instances.wanted import WORKING_SIDE
from layerstudio.settings import Setting

DEFAULT_BASE = "sdxl-base"
LAYERS, FOREGROUND = "layers", "foreground"
MODES = (LAYERS, FOREGROUND)
ROLES: tuple[InputRole, ...] = ("image", "control")  # pictures that it takes
NEEDS = (DEFAULT_BASE, "grounding-dino-tiny", "sam-vit-b")  # the least; better ones where here

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


def needed(request: GenerateRequest, base: str) -> tuple[str, ...]:
    """Registry ids of everything that a run loads, and names of what else it is given."""
    drawn = (base, *(lora.source for lora in request.loras)) if draws(request) else ()
    controlnet = (request.controlnet.source,) if request.controlnet else ()
    return (*drawn, *controlnet, *stages_of(request).needs)
