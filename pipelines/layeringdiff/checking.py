"""A request for ``layeringdiff`` checked as far as that takes no model; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.picture import Picture
from layerstudio.pipelines.layeringdiff.catalogue import DEFAULT_BASE, MODES, ROLES, draws
from layerstudio.pipelines.layeringdiff.phrases import distinct, marked, whole_prompt

Pictures = Mapping[InputRole, Picture]

_UNUSED = (
    "ending_step", "variant", "patch_strength", "ip_adapter", "augment", "parity", "layers",
    "planner", "layout", "layer_guidance", "document", "locked", "regenerate",
)  # fmt: skip
_NOTHING = GenerateRequest()


def checked(request: GenerateRequest, pictures: Pictures, method: str) -> GenerateRequest:
    """What can be said before any model is looked for; the marked words are foregrounds now."""
    for name in _UNUSED:
        if getattr(request, name) != getattr(_NOTHING, name):
            raise InvalidRequest(f"{method!r} has no use for {name!r}.", advice="Leave it out.")
    mode = request.mode or MODES[0]
    if mode not in MODES:
        raise InvalidRequest(
            f"{method!r} has no mode {mode!r}.", advice=f"It has {', '.join(MODES)}."
        )
    _check_pictures(request, pictures, method)
    foregrounds = distinct((*request.foregrounds, *marked(request.prompt)))
    if request.boxes and foregrounds and len(request.boxes) != len(foregrounds):
        raise InvalidRequest(
            f"{len(request.boxes)} boxes for {len(foregrounds)} foregrounds.",
            advice="Give each foreground its box, or none; words in [brackets] count too.",
        )
    base = (request.base or DEFAULT_BASE) if draws(request) else ""
    found = replace(request, method=method, mode=mode, foregrounds=foregrounds, base=base)
    if draws(found) and not whole_prompt(found):
        raise InvalidRequest("The prompt is empty.", advice="Say what to make.")
    return found


def _check_pictures(request: GenerateRequest, pictures: Pictures, method: str) -> None:
    unused = [role for role in pictures if role not in ROLES]
    if unused:
        raise InvalidRequest(f"{method!r} has no use for a picture as {unused[0]}.")
    if (request.controlnet is not None) != ("control" in pictures):
        lacking = "--controlnet" if "control" in pictures else "--control"
        raise InvalidRequest(
            "A ControlNet and its picture (control) go together.", advice=f"Give {lacking} too."
        )
    # Without a picture a resolved request says 1.
    if request.strength not in (None, 1) and "image" not in pictures:
        raise InvalidRequest(
            "A strength says how much of a picture to change, and none was given.",
            advice="Give it with --image.",
        )
