"""A request for ``studio`` checked, and every None of it filled."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import GenerateRequest, InputDocument, InputRole
from layerstudio.geometry import Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.multilayer.art_existing import check_existing, read_existing
from layerstudio.pipelines.studio.reading import MOST_THINGS

SIDE = 256
STEPS = 24
GUIDANCE = 2.5  # of 1.5, 2 and 2.5 what most things of the captions are recognised with
_MOST_STEPS = 200

_UNUSED = (
    "negative_prompt", "strength", "ending_step", "scheduler", "base", "variant",
    "patch_strength", "loras", "controlnet", "ip_adapter", "augment", "parity", "layers",
    "planner", "layout", "true_guidance", "layer_guidance",
)  # fmt: skip
_INPUT_OF = {"picture": "image", "plate": "background"}


def resolve(
    request: GenerateRequest, pictures: Mapping[InputRole, Picture], card: MethodCard
) -> GenerateRequest:
    """The request as it is run; raises ``InvalidRequest`` for what makes no sense, and
    ``UnreadableFile`` for its document."""
    _check_unused(request, card.id)
    mode = request.mode or _mode(request)
    if mode not in card.modes:
        raise InvalidRequest(
            f"{card.id!r} has no mode {mode!r}.", advice=f"Modes: {', '.join(card.modes)}."
        )
    _check_inputs(mode, request, pictures)
    if request.steps is not None and request.steps > _MOST_STEPS:
        raise InvalidRequest(f"{card.id!r} takes at most {_MOST_STEPS} steps.")
    resolved = replace(
        request,
        method=card.id,
        mode=mode,
        seed=secrets.randbelow(2**32) if request.seed is None else request.seed,
        steps=STEPS if request.steps is None else request.steps,
        guidance=GUIDANCE if request.guidance is None else request.guidance,
        base="",
        background=request.background or "",
    )
    if mode == "layers":
        return _of_document(resolved)
    return _of_picture(resolved, pictures) if mode in _INPUT_OF else _of_design(resolved)


def _mode(request: GenerateRequest) -> str:
    if request.document is not None:
        return "layers"
    for mode, role in _INPUT_OF.items():
        if request.input(role) is not None:  # type: ignore[arg-type]
            return mode
    return "design"


def _check_inputs(
    mode: str, request: GenerateRequest, pictures: Mapping[InputRole, Picture]
) -> None:
    needed = _INPUT_OF.get(mode)
    if (mode == "layers") != (request.document is not None):
        what = "needs a document" if mode == "layers" else "takes no document"
        raise InvalidRequest(f"The mode {mode!r} {what}.")
    if set(pictures) != ({needed} if needed else set()):
        what = f"takes one picture, the input {needed!r}" if needed else "takes no picture"
        raise InvalidRequest(f"The mode {mode!r} {what}.")


def _of_document(request: GenerateRequest) -> GenerateRequest:
    assert request.document is not None
    existing = read_existing(request)
    check_existing(request, existing)
    if len(existing.foregrounds) > MOST_THINGS:
        raise InvalidRequest(
            f"The document shows {len(existing.foregrounds)} layers on its background, more than "
            f"the {MOST_THINGS} that the model knows.",
            advice="Merge or hide some.",
        )
    known = InputDocument(source=request.document.source, sha256=existing.sha256)
    return replace(request, document=known, extent=existing.document.extent)


def _of_picture(request: GenerateRequest, pictures: Mapping[InputRole, Picture]) -> GenerateRequest:
    extent = next(iter(pictures.values())).extent
    if request.extent not in (None, extent):
        raise InvalidRequest(
            f"The picture is {extent}, not {request.extent}.", advice="Leave out the size."
        )
    _check_boxes(request)
    return replace(request, extent=extent)


def _of_design(request: GenerateRequest) -> GenerateRequest:
    texts = (request.prompt, *request.foregrounds, request.background or "")
    if not any(text.strip() for text in texts):
        raise InvalidRequest("The prompt is empty.", advice="Say what to make.")
    _check_boxes(request)
    return replace(request, extent=request.extent or Extent(SIDE, SIDE))


def _check_boxes(request: GenerateRequest) -> None:
    for name, given in (("boxes", request.boxes), ("foregrounds", request.foregrounds)):
        if len(given) > MOST_THINGS:
            raise InvalidRequest(
                f"{len(given)} {name} are more than the {MOST_THINGS} layers that the model knows."
            )


def _check_unused(request: GenerateRequest, method: str) -> None:
    unset = GenerateRequest()
    for name in _UNUSED:
        given = getattr(request, name)
        if given != getattr(unset, name) and given != "":
            raise InvalidRequest(
                f"The method {method!r} takes no {name.replace('_', ' ')}.",
                advice="Leave it out, or choose another method.",
            )
