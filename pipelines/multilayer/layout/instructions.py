"""What a chat model is told, so that it answers with a layout in the one JSON schema."""

from __future__ import annotations

import json

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.layout.captions import pieces_of
from layerstudio.pipelines.multilayer.layout.plan import MOST_LAYERS, LayerPlan, LayerRole
from layerstudio.pipelines.multilayer.layout.planning import PlanRequest

Message = dict[str, str]

_EXAMPLE_CANVAS = Extent(768, 1024)
_EXAMPLE = (
    (Bounds(0, 0, 768, 1024), LayerRole.BACKGROUND, "soft cream paper with a faint grain", None),
    (Bounds(48, 640, 672, 320), LayerRole.UNDERLAY, "a rounded dark green panel", None),
    (Bounds(112, 96, 544, 512), LayerRole.IMAGE, "a steaming cup of coffee seen from above", None),
    (Bounds(96, 672, 576, 128), LayerRole.TEXT, "large white serif headline", "Morning Brew"),
    (Bounds(160, 832, 448, 48), LayerRole.TEXT, "small white sans serif line", "Open from seven"),
    (Bounds(616, 24, 128, 128), LayerRole.EMBELLISHMENT, "a sprig with coffee cherries", None),
)

_RULES = f"""\
You lay out designs. Answer with one JSON object and nothing else:
{{"layers": [{{"z": 0, "box": [x, y, width, height], "role": "...", "prompt": "...", \
"text": null}}, ...]}}
z counts from 0 at the bottom. box is in whole pixels of the canvas, from its top left corner.
role is one of: background (exactly one, z 0, the whole canvas), underlay (a panel or shape under
text), image (objects, photos, logos), text (words to be read), embellishment (small ornaments).
prompt says what the layer alone shows. text is the words to be read, for text layers, else null.
At most {MOST_LAYERS} layers lie on the background. Boxes stay on the canvas, hug what they show, \
leave a margin of
5 % or more, and line up. Text never covers text or the subject of an image; the headline is the
largest text. Use every caption that is given, and write texts exactly as given."""


def opening_messages(request: PlanRequest) -> list[Message]:
    """The system's rules with one example, and what is wanted."""
    return [
        {"role": "system", "content": f"{_RULES}\n\n{_example()}"},
        {"role": "user", "content": _wish(request)},
    ]


def correction(answer: str, problem: str) -> list[Message]:
    """The turn that shows the model its own answer and what is wrong with it."""
    return [
        {"role": "assistant", "content": answer},
        {
            "role": "user",
            "content": f"That cannot be used. {problem} Answer again with the whole JSON object "
            "and nothing else.",
        },
    ]


def _example() -> str:
    layers = [
        LayerPlan(z=z, box=box, role=role, prompt=prompt, text=text).to_dict()
        for z, (box, role, prompt, text) in enumerate(_EXAMPLE)
    ]
    rows = ",\n".join(json.dumps(layer) for layer in layers)
    return (
        f'Example: canvas {_EXAMPLE_CANVAS} pixels, "a poster for a coffee shop":\n'
        f'{{"layers": [\n{rows}\n]}}'
    )


def _wish(request: PlanRequest) -> str:
    lines = [f"Canvas: {request.extent} pixels (width x height)."]
    if request.prompt:
        lines.append(f"Design: {request.prompt}")
    if request.background:
        lines.append(f"Background: {request.background}")
    for number, piece in enumerate(pieces_of(request.captions), 1):
        said = json.dumps(piece.prompt, ensure_ascii=False)
        words = f", text {json.dumps(piece.text, ensure_ascii=False)}" if piece.text else ""
        lines.append(f"Layer caption {number}: role {piece.role.value}, prompt {said}{words}")
    if request.layers != "auto":
        lines.append(f"Give exactly {request.layers} layers, the background counted.")
    return "\n".join(lines)
