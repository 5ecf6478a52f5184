"""A design's pieces from what was asked for: captions, or the prompt alone, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle

from layerstudio.pipelines.multilayer.layout.captions import Piece, pieces_of, quoted_texts
from layerstudio.pipelines.multilayer.layout.plan import LayerRole
from layerstudio.pipelines.multilayer.layout.planning import PlanRequest

_PANEL = "a plain panel that makes the text on it easy to read"
_FILLING = (LayerRole.EMBELLISHMENT, LayerRole.EMBELLISHMENT, LayerRole.IMAGE)
_FILLING_PROMPTS = {
    LayerRole.EMBELLISHMENT: "a small decorative ornament",
    LayerRole.IMAGE: "a supporting picture",
}


@dataclass(frozen=True)
class Composition:
    """What a design is made of: the background's prompt, and the foregrounds' pieces."""

    background: str
    pieces: tuple[Piece, ...]


def composition_of(request: PlanRequest) -> Composition:
    """Every caption is a piece, and every text in the prompt's quotation marks that no caption has.
    Without captions: a picture of the prompt, its quoted texts with a panel under them, two
    embellishments. What a wanted number of layers has more is filled with a panel under bare text,
    embellishments and pictures."""
    background, pieces = _asked_for(request)
    if not request.captions:
        pieces = [*pieces, *_company(request.prompt, pieces)]
    if request.layers == "auto":
        return Composition(background, tuple(pieces))
    wanted = request.layers - 1
    missing = _fillings(request.prompt, pieces, wanted - len(pieces))
    return Composition(background, (*pieces[:wanted], *missing))


def _asked_for(request: PlanRequest) -> tuple[str, list[Piece]]:
    quoted = [
        f'text: "{text}"'
        for text in quoted_texts(request.prompt)
        if not any(text in caption for caption in request.captions)
    ]
    # The prompt's texts are read first, so that the first of them is the title.
    read = pieces_of([*quoted, *request.captions])
    texts, captioned = read[: len(quoted)], read[len(quoted) :]
    if not request.captions:
        picture = Piece(LayerRole.IMAGE, request.prompt)
        return request.background or request.prompt, [picture, *texts]
    background, pieces = request.background, []
    for piece in (*captioned, *texts):
        if piece.role is LayerRole.BACKGROUND and background is None:
            background = piece.prompt
        elif piece.role is LayerRole.BACKGROUND:
            pieces.append(replace(piece, role=LayerRole.IMAGE))  # there is one background
        else:
            pieces.append(piece)
    return background or request.prompt, pieces


def _company(prompt: str, pieces: Sequence[Piece]) -> list[Piece]:
    panel = [Piece(LayerRole.UNDERLAY, _PANEL)] if _has_bare_text(pieces) else []
    return [*panel, *(_filling(LayerRole.EMBELLISHMENT, prompt) for _ in range(2))]


def _fillings(prompt: str, pieces: Sequence[Piece], count: int) -> list[Piece]:
    if count <= 0:
        return []
    added = [Piece(LayerRole.UNDERLAY, _PANEL)] if _has_bare_text(pieces) else []
    for role in cycle(_FILLING):
        if len(added) >= count:
            return added[:count]
        added.append(_filling(role, prompt))
    raise AssertionError


def _filling(role: LayerRole, prompt: str) -> Piece:
    words = _FILLING_PROMPTS[role]
    return Piece(role, f"{words} for: {prompt}" if prompt else words)


def _has_bare_text(pieces: Sequence[Piece]) -> bool:
    roles = {piece.role for piece in pieces}
    return LayerRole.TEXT in roles and LayerRole.UNDERLAY not in roles
