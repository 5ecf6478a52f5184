"""The keyword arguments of ``layerstudio.generate``, and what they say as a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import Adapter, GenerateRequest, InputRole
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.limits import Limits
from layerstudio.io.picture import PictureSource
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import LayerCount
from layerstudio.settings import SettingValue

# Keywords for pictures, by the role that the request knows them under.
PICTURE_KEYWORDS: dict[str, InputRole] = {
    "image": "image",
    "foreground_image": "foreground",
    "background_image": "background",
    "blended_image": "blended",
    "control_image": "control",
    "style_image": "style",
}


class GenerateOptions(TypedDict, total=False):
    """See ``GenerateRequest``; pictures are paths, bytes, PIL images or arrays (h, w, 1..4)."""

    negative_prompt: str | None
    foregrounds: str | Sequence[str]
    background: str | None
    method: str | None
    mode: str | None
    extent: Extent | tuple[int, int] | None
    boxes: Sequence[Bounds | tuple[int, int, int, int]]
    seed: int | None
    steps: int | None
    guidance: float | None
    strength: float | None
    ending_step: float | None
    scheduler: str | None
    base: str | None
    variant: str | None
    patch_strength: float
    loras: Sequence[Adapter]
    controlnet: Adapter | None
    ip_adapter: Adapter | None
    augment: int
    parity: Literal["cli"] | None
    layers: LayerCount
    planner: str | None
    layout: str | None
    true_guidance: float | None
    layer_guidance: Mapping[str, float] | Sequence[tuple[str, float]]
    document: str | Path | None
    locked: str | Sequence[str | int]
    regenerate: str | Sequence[str | int]
    settings: Mapping[str, SettingValue]
    image: PictureSource | None
    foreground_image: PictureSource | None
    background_image: PictureSource | None
    blended_image: PictureSource | None
    control_image: PictureSource | None
    style_image: PictureSource | None
    runtime: Runtime | None
    limits: Limits | None
    progress: ProgressCallback | None
    cancel: CancelToken | None


_RUN_KEYWORDS = ("runtime", "limits", "progress", "cancel")


def understood(
    prompt: str, count: int, options: Mapping[str, Any]
) -> tuple[GenerateRequest, dict[InputRole, PictureSource], dict[str, Any]]:
    """The request, the pictures by role, and the keywords that say how to run it.

    Raises ``InvalidRequest`` for an unknown option and for values that make no sense.
    """
    pictures: dict[InputRole, PictureSource] = {
        role: options[keyword]
        for keyword, role in PICTURE_KEYWORDS.items()
        if options.get(keyword) is not None
    }
    run = {name: options[name] for name in _RUN_KEYWORDS if name in options}
    fields = {k: v for k, v in options.items() if k not in run and k not in PICTURE_KEYWORDS}
    if "inputs" in fields:
        raise InvalidRequest(
            "Pictures are given by role, not as inputs.",
            advice=f"Use {', '.join(PICTURE_KEYWORDS)}.",
        )
    fields |= {"prompt": prompt, "count": count}
    if isinstance(fields.get("foregrounds"), str):  # a text is a sequence of letters too
        fields["foregrounds"] = (fields["foregrounds"],)
    if isinstance(fields.get("layer_guidance"), Mapping):
        fields["layer_guidance"] = tuple(fields["layer_guidance"].items())
    return GenerateRequest.from_dict(fields), pictures, run
