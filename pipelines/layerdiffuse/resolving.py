"""A request checked against what a family offers, and every None of it filled."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import TypeVar

import numpy as np

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import MAX_SIDE, MIN_SIDE, GenerateRequest, InputRole
from layerstudio.geometry import Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.layerdiffuse.catalogue import Defaults, Family, Mode
from layerstudio.pipelines.schedulers import check_scheduler

T = TypeVar("T")
Pictures = Mapping[InputRole, Picture]

# A canvas taken over from a picture is kept up to this many times the area that the model was
# trained at; beyond it subjects are repeated.
_MOST_AREA = 1.5
_AT_ONCE = (
    "layers", "planner", "layout", "true_guidance", "layer_guidance", "document", "locked",
    "regenerate",
)  # fmt: skip
_NOTHING = GenerateRequest()
_STEERS: dict[InputRole, str] = {"control": "controlnet", "style": "ip_adapter"}


def resolve(
    request: GenerateRequest, pictures: Pictures, family: Family, method: str
) -> GenerateRequest:
    """The request as it is run and stored; raises ``InvalidRequest`` for what makes no sense."""
    mode_id = request.mode or _mode_meant(request, pictures, family)
    mode = family.modes.get(mode_id)
    if mode is None:
        raise InvalidRequest(
            f"{method!r} has no mode {mode_id!r}.", advice=f"It has {', '.join(family.modes)}."
        )
    _check_foreign(request, method)
    _check_inputs(mode_id, mode, pictures)
    _check_texts(request, mode_id, mode)
    _check_lengths(request, family)
    _check_steering(request, pictures, family)
    if request.negative_prompt and not family.takes_negative:
        raise InvalidRequest(f"{family.title} takes no negative prompt.", advice="Leave it out.")
    is_flow = family.id == "flux"
    defaults = _defaults(request, family, mode_id)
    resolved = replace(
        request,
        method=method,
        mode=mode_id,
        extent=request.extent or _extent(pictures, defaults.extent, family.side_multiple),
        seed=secrets.randbelow(2**32) if request.seed is None else request.seed,
        steps=_given(request.steps, defaults.steps),
        guidance=_given(_given(request.guidance, mode.guidance), defaults.guidance),
        strength=_given(request.strength, mode.strength),
        ending_step=_given(request.ending_step, mode.ending_step),
        scheduler=check_scheduler(
            request.scheduler or mode.scheduler or defaults.scheduler, flow=is_flow
        ),
        base=request.base or defaults.base,
        variant=_variant(request, family, mode),
        negative_prompt=_given(request.negative_prompt, defaults.negative_prompt),
        background=_given(request.background, ""),
    )
    return replace(resolved)  # checks the boxes against the extent that was just chosen


def whole(request: GenerateRequest) -> str:
    """What the picture looks like put together."""
    parts = (*request.foregrounds, request.background or "")
    return request.prompt.strip() or ", ".join(part for part in parts if part.strip())


def texts_of_foregrounds(request: GenerateRequest) -> tuple[str, ...]:
    """One text for each foreground, at least one."""
    return tuple(text.strip() or whole(request) for text in request.foregrounds or ("",))


def text_of_background(request: GenerateRequest) -> str:
    return (request.background or "").strip() or whole(request)


def _given(value: T | None, otherwise: T) -> T:
    return otherwise if value is None else value


def _mode_meant(request: GenerateRequest, pictures: Pictures, family: Family) -> str:
    """The mode that fits what was given; the family's first one where nothing else does."""
    for role, modes in (
        ("image", ("img2img",)),
        ("foreground", ("fg2bg",)),
        ("background", ("bg2fg",)),
    ):
        if role in pictures:
            return _first_of(modes, family)
    if request.background:
        return _first_of(("fg+bg", "joint"), family)
    return _first_of((), family)


def _first_of(wanted: Sequence[str], family: Family) -> str:
    return next((mode for mode in wanted if mode in family.modes), next(iter(family.modes)))


def _check_foreign(request: GenerateRequest, method: str) -> None:
    """Fields for methods that make all layers at once would be ignored without a word."""
    for name in _AT_ONCE:
        if getattr(request, name) != getattr(_NOTHING, name):
            raise InvalidRequest(
                f"{method!r} makes one layer after the other, and has no use for {name!r}.",
                advice="Leave it out, or choose a method that makes all layers at once.",
            )
    if request.boxes and len(request.boxes) != len(request.foregrounds):
        raise InvalidRequest(
            f"{len(request.boxes)} boxes for {len(request.foregrounds)} foregrounds.",
            advice="Give each foreground its box, or none.",
        )


def _check_inputs(mode_id: str, mode: Mode, pictures: Pictures) -> None:
    missing = next((role for role in mode.needs_inputs if role not in pictures), None)
    if missing is not None:
        raise InvalidRequest(
            f"The mode {mode_id!r} starts from a picture ({missing}), and none was given.",
            advice=f"Give it with {_option(missing)}.",
        )
    known = {*mode.needs_inputs, *mode.takes_inputs, *_STEERS}
    unused = [role for role in pictures if role not in known]
    if unused:
        raise InvalidRequest(
            f"The mode {mode_id!r} has no use for a picture as {unused[0]}.",
            advice="Leave it out, or choose another mode.",
        )
    if "foreground" in pictures:
        alpha = pictures["foreground"].pixels[..., 3]
        if not alpha.any() or alpha.min() == np.iinfo(alpha.dtype).max:
            what = "opaque everywhere" if alpha.any() else "empty"
            raise InvalidRequest(
                f"The foreground picture is {what}, so there is nothing to complete.",
                advice="Give a picture with transparency, such as a cut-out PNG.",
            )


def _option(role: str) -> str:
    return "--image" if role == "image" else f"--{role}-image"


def _check_texts(request: GenerateRequest, mode_id: str, mode: Mode) -> None:
    if not whole(request):
        raise InvalidRequest("The prompt is empty.", advice="Say what to make.")
    count = len(request.foregrounds)
    if count > {"none": 0, "one": 1, "many": count}[mode.foregrounds]:
        most = "none" if mode.foregrounds == "none" else "one"
        raise InvalidRequest(f"The mode {mode_id!r} takes {most} of the foregrounds given.")
    if count > 1 and request.input("blended") is not None:
        raise InvalidRequest("A blended picture shows one foreground, not several.")
    for box in request.boxes:
        if max(box.extent) > MAX_SIDE or min(box.extent) < MIN_SIDE:
            raise InvalidRequest(
                f"The box {tuple(box)} is not {MIN_SIDE} to {MAX_SIDE:,} pixels wide and high."
            )
    if request.boxes and not mode.takes_boxes:
        raise InvalidRequest(f"The mode {mode_id!r} places layers itself, so it takes no boxes.")
    if request.background and not mode.takes_background:
        raise InvalidRequest(
            f"The mode {mode_id!r} makes no background.",
            advice="Leave its text out, or choose another mode.",
        )


def _check_lengths(request: GenerateRequest, family: Family) -> None:
    """What has more words than tokens are read is refused here, before anything is loaded.

    A word is at least one token. How many it really is only the tokenizer tells, later.
    """
    parts = (*request.foregrounds, request.background or "")
    texts = [part for part in parts if part.strip()] or [request.prompt]
    words = max(len(text.split()) for text in texts)
    if words > family.most_tokens:
        raise InvalidRequest(
            f"A text has {words:,} words, and {family.title} reads {family.most_tokens:,} tokens.",
            advice=f"Shorten it to about {family.most_tokens * 3 // 4:,} words or fewer.",
        )


def _check_steering(request: GenerateRequest, pictures: Pictures, family: Family) -> None:
    for role, adapter in _STEERS.items():
        wanted = getattr(request, adapter) is not None
        name = {"controlnet": "ControlNet", "ip_adapter": "IP-Adapter"}[adapter]
        if wanted and adapter not in family.adapters:
            raise InvalidRequest(f"{family.title} takes no {name} here.")
        if wanted != (role in pictures):
            option = adapter.replace("_", "-")
            lacking = f"--{option}" if role in pictures else f"--{role}"
            raise InvalidRequest(
                f"A {name} and its picture ({role}) go together.", advice=f"Give {lacking} too."
            )


def _defaults(request: GenerateRequest, family: Family, mode_id: str) -> Defaults:
    if request.parity is None:
        return family.defaults
    if family.cli is None or mode_id not in family.cli_modes:
        raise InvalidRequest(
            "The published script has no such mode to be in parity with.",
            advice='parity="cli" is for layerdiffuse-sdxl, modes fg and img2img.',
        )
    return family.cli


def _variant(request: GenerateRequest, family: Family, mode: Mode) -> str:
    default = family.cli_variant if request.parity else next(iter(family.variants), "")
    if not mode.uses_variant:
        default = ""
    wanted = request.variant or default
    if wanted and (wanted not in family.variants or not mode.uses_variant):
        known = ", ".join(family.variants) if mode.uses_variant else "none"
        raise InvalidRequest(
            f"There is no variant {wanted!r} of these weights.", advice=f"Known: {known}."
        )
    return wanted


def _extent(pictures: Pictures, default: Extent, multiple: int) -> Extent:
    """The size of the picture that is started from, as far as the model can make that size."""
    roles: tuple[InputRole, ...] = ("image", "background", "foreground")
    given = next((pictures[role].extent for role in roles if role in pictures), None)
    if given is None:
        return default
    if min(given) >= multiple and given.pixel_count <= _MOST_AREA * default.pixel_count:
        return given
    scale = sqrt(default.pixel_count / given.pixel_count)
    sides = (max(multiple, round(side * scale / multiple) * multiple) for side in given)
    return Extent(*(min(side, 4 * max(default)) for side in sides))
