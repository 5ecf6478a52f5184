"""The language of ART's own layout planner (microsoft/art-msra, layout_planner, quantizer v4).

A LLaMA 3 whose tokenizer got tokens for numbers completes ``{"wholecaption":"...","layout":[``
``{"layer":`` with ``0,"x":<pos-128>,"y":...,"width":<size-256>,"height":...},...}]}``, where x and
y are a box's centre, in shares of the canvas. Layers that fill the canvas are the composite and the
background; all others are anonymous: they have no caption.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.layout.plan import LayoutPlan
from layerstudio.pipelines.multilayer.layout.repair import repaired_plan

LAST = 256  # <pos-0> to <pos-256>: both ends of [0, 1] have a token
_BINS = tuple(index / LAST for index in range(LAST + 1))  # numpy.linspace(0, 1, 257), exact
_NUMBER = re.compile(r"<(?:pos|size)-(\d{1,3})>")
_END = "}]}"
_SENTENCE_END = re.compile(r"\.\s*")
_LINE_ENDS_AND_SLASHES = str.maketrans("", "", "\n\r\\")


def prompt_of(caption: str) -> str:
    """What the planner is to complete, with the caption cleaned as published.

    The published script puts quotation marks in as they are, so that a caption with one ends early;
    here they are escaped, as in the data that the planner was trained on.
    """
    cleaned = _SENTENCE_END.sub(". ", caption.translate(_LINE_ENDS_AND_SLASHES))
    return f'{{"wholecaption":{json.dumps(cleaned)},"layout":[{{"layer":'


def token_of(share: float, kind: str) -> str:
    """The token of a share of the canvas, cut to [0, 1]: ``kind`` is "pos" or "size"."""
    return f"<{kind}-{bisect_right(_BINS, min(max(share, 0.0), 1.0)) - 1}>"


def share_of(token: str) -> float:
    """The share that a token stands for; raises ``InvalidRequest`` for any other word."""
    match = _NUMBER.fullmatch(token)
    if match is None or int(match[1]) > LAST:
        raise InvalidRequest(f"{token!r} is no number of the layout planner.")
    return _BINS[int(match[1])]


def completion_of(plan: LayoutPlan) -> str:
    """A layout as the planner would complete its prompt: the background, then the foregrounds."""
    layers = [_layer(number, layer.box, plan.extent) for number, layer in enumerate(plan.layers)]
    return ",".join(layers).removeprefix('{"layer":') + "]}"


def plan_of(completion: str, extent: Extent, *, prompt: str = "") -> LayoutPlan:
    """The layout in a completion, which is cut at its end mark; ``prompt`` is the background's.

    Raises ``InvalidRequest`` for what is no layout.
    """
    layout, end, _ = completion.partition(_END)
    numbers = _NUMBER.sub(lambda match: repr(share_of(match[0])), f'[{{"layer":{layout}{"}]"}')
    if not end:
        raise InvalidRequest(f"The planner's layout has no end {_END!r}.")
    try:
        layers = json.loads(numbers)
    except ValueError as error:
        raise InvalidRequest(f"The planner's layout is not JSON: {error}.") from error
    return repaired_plan(_as_answer(layers, extent), extent, prompt=prompt)


def _layer(number: int, box: Bounds, extent: Extent) -> str:
    values = {
        "x": token_of((box.x + box.width / 2) / extent.width, "pos"),
        "y": token_of((box.y + box.height / 2) / extent.height, "pos"),
        "width": token_of(box.width / extent.width, "size"),
        "height": token_of(box.height / extent.height, "size"),
    }
    return (
        f'{{"layer":{number},' + ",".join(f'"{key}":{value}' for key, value in values.items()) + "}"
    )


def _as_answer(layers: list[Any], extent: Extent) -> list[Any]:
    """The layers in our schema: those at the bottom that fill the canvas are the background."""
    entries = [_entry(layer, extent) for layer in layers]
    first = next((k for k, entry in enumerate(entries) if not _fills(entry, extent)), len(entries))
    background = {"z": -1, "box": [0, 0, *extent], "role": "background"}
    return [background, *entries[first:]]


def _entry(layer: Any, extent: Extent) -> dict[str, Any]:
    try:
        width, height = layer["width"] * extent.width, layer["height"] * extent.height
        left = layer["x"] * extent.width - width / 2
        top = layer["y"] * extent.height - height / 2
        edges = [round(edge) for edge in (left, top, left + width, top + height)]
        return {"z": layer["layer"], "box": _box(*edges), "role": "image"}
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise InvalidRequest(
            "The planner's layout has a layer without its four numbers."
        ) from error


def _box(left: int, top: int, right: int, bottom: int) -> list[int]:
    return list(Bounds.from_edges(left, top, right, bottom))


def _fills(entry: dict[str, Any], extent: Extent) -> bool:
    return Bounds(*entry["box"]).contains(Bounds.full(extent))
