"""A request for ``art`` checked, and every None of it filled."""

from __future__ import annotations

import secrets
from dataclasses import replace

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import GenerateRequest, InputDocument
from layerstudio.geometry import Extent
from layerstudio.pipelines.multilayer.art_design import check_layout
from layerstudio.pipelines.multilayer.art_existing import check_existing, read_existing
from layerstudio.pipelines.multilayer.layout.planners import RULES
from layerstudio.pipelines.multilayer.published import (
    EMBEDDED_GUIDANCE,
    SIDE,
    STEPS,
    TRUE_GUIDANCE,
)
from layerstudio.pipelines.multilayer.remarks import check_count

_UNUSED = (
    "negative_prompt", "mode", "inputs", "strength", "ending_step", "scheduler", "variant",
    "patch_strength", "controlnet", "ip_adapter", "augment", "parity",
)  # fmt: skip


def resolve(request: GenerateRequest, method: str) -> GenerateRequest:
    """The request as it is run; raises ``InvalidRequest`` for what makes no sense, and
    ``UnreadableFile`` for its document."""
    _check_unused(request, method)
    resolved = replace(
        request,
        method=method,
        seed=secrets.randbelow(2**32) if request.seed is None else request.seed,
        steps=STEPS if request.steps is None else request.steps,
        guidance=EMBEDDED_GUIDANCE if request.guidance is None else request.guidance,
        true_guidance=TRUE_GUIDANCE if request.true_guidance is None else request.true_guidance,
        base=request.base or "",
        background=request.background or "",
    )
    return _of_document(resolved) if request.document is not None else _of_design(resolved)


def _of_document(request: GenerateRequest) -> GenerateRequest:
    assert request.document is not None
    existing = read_existing(request)
    check_existing(request, existing)
    known = InputDocument(source=request.document.source, sha256=existing.sha256)
    return replace(request, document=known, extent=existing.document.extent)


def _of_design(request: GenerateRequest) -> GenerateRequest:
    texts = (request.prompt, *request.foregrounds, request.background or "")
    if not any(text.strip() for text in texts):
        raise InvalidRequest("The prompt is empty.", advice="Say what to make.")
    check_count(len(request.boxes), "boxes")
    check_count(len(request.foregrounds), "foregrounds")
    layout = check_layout(request)
    if request.boxes:
        _check_boxed(request)
    extent = layout.extent if layout is not None else request.extent or Extent(SIDE, SIDE)
    is_planned = layout is None and not request.boxes
    planner = (request.planner or RULES) if is_planned else request.planner
    return replace(request, extent=extent, planner=planner)


def _check_boxed(request: GenerateRequest) -> None:
    other = "a planner" if request.planner else "a layout" if request.layout else ""
    if other:
        raise InvalidRequest(
            f"The boxes are given, and {other} besides.", advice="Give one of the two."
        )
    if request.layers not in ("auto", len(request.boxes) + 1):
        raise InvalidRequest(
            f"{len(request.boxes)} boxes and a background are not {request.layers} layers.",
            advice="Leave out the number: there is one layer for each box.",
        )


def _check_unused(request: GenerateRequest, method: str) -> None:
    unset = GenerateRequest()
    for name in _UNUSED:
        if getattr(request, name) != getattr(unset, name):
            what = "pictures" if name == "inputs" else name.replace("_", " ")
            raise InvalidRequest(
                f"The method {method!r} takes no {what}.",
                advice="Leave it out, or choose another method.",
            )
