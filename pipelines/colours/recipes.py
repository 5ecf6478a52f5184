"""Which layers a picture is taken apart into by ``unblend``: modes, colours and their spread."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from layerstudio.color import F32
from layerstudio.document import BlendMode, Role
from layerstudio.errors import InvalidRequest
from layerstudio.ops.colour_bins import ColourBins, colour_bins
from layerstudio.ops.colour_models import (
    Groups,
    covariance_of,
    grouped,
    light_colour,
    shade_colour,
)
from layerstudio.ops.soft_unmixing import LayerModels
from layerstudio.picture import Picture
from layerstudio.pipelines.colours.lists import AUTO, colour_of, entries, mode_of, spread_of
from layerstudio.requests import DecomposeRequest

MOST_LAYERS = 12  # the solver's matrices are as large
_EFFECT_SPREAD = 0.1  # deviation of shades and lights: they are tinted by what they fall on

_DARKENING = {
    BlendMode.DARKEN, BlendMode.MULTIPLY, BlendMode.COLOR_BURN, BlendMode.LINEAR_BURN,
    BlendMode.SUBTRACT,
}  # fmt: skip
_LIGHTENING = {
    BlendMode.LIGHTEN, BlendMode.SCREEN, BlendMode.COLOR_DODGE, BlendMode.LINEAR_DODGE,
    BlendMode.DIVIDE,
}  # fmt: skip


class Recipe(NamedTuple):
    models: LayerModels
    roles: tuple[Role, ...]
    notes: tuple[str, ...]


def recipe_for(request: DecomposeRequest, picture: Picture) -> Recipe:
    """What is given, completed from a picture in which something shows.

    Raises ``InvalidRequest`` for lists that do not fit each other.
    """
    given = entries(request.settings.text("colours"))
    modes = [mode_of(entry) for entry in entries(request.settings.text("modes"))]
    bins = colour_bins(picture.pixels)
    bases = _bases_wanted(request, modes, given)
    groups = grouped(bins, bases)
    if not modes:
        modes = _usual(len(given) or len(groups.bases), request)
    _check(modes, given, request)
    means = _means(modes, given, bins, groups)
    covariances = _covariances(modes, means, request.settings.text("spread"), bins, groups)
    notes = ()
    if request.layers not in ("auto", len(modes)):
        notes = (f"{request.layers} layers were asked for, and {len(modes)} can be told apart.",)
    roles = tuple(_role(index, mode) for index, mode in enumerate(modes))
    return Recipe(LayerModels(tuple(modes), means, covariances), roles, notes)


def _bases_wanted(
    request: DecomposeRequest, modes: list[BlendMode], given: list[str]
) -> int | None:
    """How many groups of colour are to be told apart; None for as many as there are."""
    if modes:
        return modes.count(BlendMode.NORMAL)
    if given:
        return len(given)
    return None if request.layers == "auto" else max(1, min(request.layers, MOST_LAYERS) - 2)


def _usual(bases: int, request: DecomposeRequest) -> list[BlendMode]:
    """Colours, shade on them, light on that; of two layers, a colour and its shade."""
    modes = [BlendMode.NORMAL] * bases + [BlendMode.MULTIPLY, BlendMode.SCREEN]
    return modes[:2] if request.layers == 2 else modes


def _check(modes: list[BlendMode], given: list[str], request: DecomposeRequest) -> None:
    listed = bool(request.settings.text("modes").strip())
    if modes[0] is not BlendMode.NORMAL:
        raise InvalidRequest("The lowest layer's blend mode is normal: nothing is below it.")
    if len(modes) > MOST_LAYERS:
        raise InvalidRequest(f"At most {MOST_LAYERS} layers can be solved, not {len(modes)}.")
    if listed and request.layers not in ("auto", len(modes)):
        raise InvalidRequest(
            f"{request.layers} layers were asked for, and {len(modes)} blend modes were given.",
            advice="Leave one of the two out.",
        )
    if listed and given and len(given) != len(modes):
        raise InvalidRequest(f"{len(modes)} blend modes and {len(given)} colours were given.")


def _means(modes: list[BlendMode], given: list[str], bins: ColourBins, groups: Groups) -> F32:
    bases = iter(groups.bases)
    means = []
    for index, mode in enumerate(modes):
        entry = given[index] if index < len(given) else AUTO
        found = _estimated(mode, next(bases, None) if _is_base(mode) else None, bins, groups)
        means.append(found if entry == AUTO else np.array(colour_of(entry), np.float32) / 255)
    return np.array(means, np.float32)


def _is_base(mode: BlendMode) -> bool:
    return mode is BlendMode.NORMAL


def _estimated(mode: BlendMode, base: F32 | None, bins: ColourBins, groups: Groups) -> F32:
    if _is_base(mode):
        return groups.bases[-1] if base is None else base
    if mode in _DARKENING:
        tint = shade_colour(bins, groups)
        return 1 - tint if mode is BlendMode.SUBTRACT else tint
    if mode in _LIGHTENING:
        tint = light_colour(bins, groups)
        return 1 - tint if mode is BlendMode.DIVIDE else tint
    return np.full(3, 0.75, np.float32)  # of modes that do both: lightens, and leaves room to


def _covariances(
    modes: list[BlendMode], means: F32, text: str, bins: ColourBins, groups: Groups
) -> F32:
    given = [spread_of(entry) for entry in entries(text)]
    if len(given) not in (0, 1, len(modes)):
        raise InvalidRequest(f"{len(modes)} layers and {len(given)} spreads were given.")
    if given:
        deviations = np.array(given * len(modes) if len(given) == 1 else given) / 255
        return (np.eye(3) * np.square(deviations)[:, None, None]).astype(np.float32)
    nearest = np.square(groups.bases - means[:, None]).sum(axis=2).argmin(axis=1)
    return np.stack(
        [
            covariance_of(bins, groups.owner == nearest[index], means[index])
            if _is_base(mode)
            else np.eye(3, dtype=np.float32) * np.float32(_EFFECT_SPREAD**2)
            for index, mode in enumerate(modes)
        ]
    )


def _role(index: int, mode: BlendMode) -> Role:
    if index == 0:
        return Role.BACKGROUND
    if mode in _DARKENING:
        return Role.SHADOW
    if mode in _LIGHTENING:
        return Role.HIGHLIGHT
    return Role.FLAT_COLOUR if _is_base(mode) else Role.EFFECT
