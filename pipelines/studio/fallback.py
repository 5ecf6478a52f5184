"""When the built-in model stands in for the default one, whose weights are not here."""

from __future__ import annotations

from dataclasses import fields

from layerstudio.errors import LayerStudioError
from layerstudio.generate_request import GenerateRequest
from layerstudio.pipelines.studio.method import StudioMethod, has_packages
from layerstudio.weights.embedded import embedded

NOTE = (
    "The default model's weights are not on this machine, so the small built-in one, 'studio', "
    "made this. `layerstudio models pull` gets others; --method chooses."
)
_ASKED_IN_WORDS = {"prompt", "foregrounds", "background", "extent", "boxes", "count", "seed"}


def understands(request: GenerateRequest) -> bool:
    """Whether it knows every word of a request that asks for nothing but words, places and sizes.

    Anything else is better answered by what is missing than by a picture of something else.
    """
    unset = GenerateRequest()
    given = {f.name for f in fields(request) if getattr(request, f.name) != getattr(unset, f.name)}
    path = embedded(StudioMethod.card.id)
    if not given or given - _ASKED_IN_WORDS or not path.is_file() or not has_packages():
        return False
    from layerstudio.pipelines.studio.model import read
    from layerstudio.pipelines.studio.reading import wish_of

    try:
        vocabulary = read(path).vocabulary
    except LayerStudioError:
        return False
    wish = wish_of(request.prompt, request.foregrounds, request.background or "", vocabulary)
    return bool(wish.things) and all(thing.noun for thing in wish.things) and not wish.unknown
