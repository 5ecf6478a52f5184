"""Flow matching with the network of ``studio``: from noise to the layers that are not given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor

from layerstudio.models.studio_codec import latents_of, straight, tokens_of
from layerstudio.models.studio_network import PATCH, VIEWS, Place, velocity
from layerstudio.pipelines.steps import check_finite
from layerstudio.pipelines.studio.model import StudioModel

# Levels are bent towards noise (Esser et al. 2024, arXiv:2403.03206, eq. 23): there it is decided
# what is drawn.
_SHIFT = 2.0
AfterStep = Callable[[Tensor, int, int], None]  # predicted tokens (n, v), steps done, of how many


@dataclass(frozen=True, eq=False)
class Order:
    """One document to sample. ``given`` are the tokens (cells², values) of the places that are,
    ``seen`` the views (cells², VIEWS, values) of a picture in the places of which it is known."""

    places: tuple[Place, ...]
    given: Mapping[int, Tensor]
    seed: int
    seen: Mapping[int, Tensor] = field(default_factory=dict)


@torch.inference_mode()
def sampled(
    model: StudioModel,
    order: Order,
    *,
    steps: int,
    guidance: float,
    after_step: AfterStep | None = None,
) -> dict[int, Tensor]:
    """The tokens (cells², values) of each layer by number, given ones as they are.

    ``guidance`` is classifier-free (Ho and Salimans 2022, arXiv:2207.12598); 1 is none, and it
    costs a second pass where there are words. Raises ``NumericalFailure``.
    """
    network = model.network
    device = network.words.weight.device
    sheet = network.lay_out([order.places])
    bare = network.lay_out([[replace(place, words=()) for place in order.places]])
    if not any(place.words for place in order.places):
        guidance = 1.0
    clean = _laid_out(order.places, order.given, (network.values,)).to(device)
    shown = _laid_out(order.places, order.seen, (VIEWS, network.values)).to(device)
    generator = torch.Generator().manual_seed(order.seed)
    tokens = torch.randn(clean.shape, generator=generator).to(device)
    levels = _levels(steps)
    for index, (now, following) in enumerate(pairwise(levels)):
        tokens = torch.where(sheet.given[:, None], clean, tokens)
        inputs = tokens, shown, torch.full((1,), now, device=device)
        predicted = network(*inputs, sheet).float()
        if guidance != 1:
            wordless = network(*inputs, bare).float()
            predicted = wordless + guidance * (predicted - wordless)
        check_finite(predicted, "layers")
        step = following - now
        tokens = tokens + step * velocity(predicted, tokens, torch.full((1, 1), now, device=device))
        if after_step is not None:
            after_step(torch.where(sheet.given[:, None], clean, predicted), index + 1, steps)
    return split(torch.where(sheet.given[:, None], clean, tokens), order.places)


def split(tokens: Tensor, places: Sequence[Place]) -> dict[int, Tensor]:
    """The tokens of each layer by its number."""
    parts = tokens.split([place.cells**2 for place in places])
    return {place.layer: part for place, part in zip(places, parts, strict=True)}


def decoded(model: StudioModel, tokens: Tensor, *, coarse: bool = False) -> Tensor:
    """(cells², values) of one layer to (4, h, w), straight, in [0, 1]."""
    rows = round(len(tokens) ** 0.5)
    latents = latents_of(tokens[None], PATCH, rows)
    decode = model.codec.preview if coarse else model.codec.decode
    with torch.inference_mode():
        return straight(decode(latents))[0]


def encoded(model: StudioModel, on_grey: Tensor) -> Tensor:
    """(4, h, w) as ``on_grey`` gives it to (cells², values)."""
    with torch.inference_mode():
        return tokens_of(model.codec.encode(on_grey[None]), PATCH)[0]


def _levels(steps: int) -> list[float]:
    even = [1 - index / steps for index in range(steps + 1)]
    return [_SHIFT * level / (1 + (_SHIFT - 1) * level) for level in even]


def _laid_out(
    places: Sequence[Place], known: Mapping[int, Tensor], shape: tuple[int, ...]
) -> Tensor:
    """(n, *shape): the tokens of the layers that are known, zeros for the others."""
    parts = [
        known[place.layer].cpu() if place.layer in known else torch.zeros(place.cells**2, *shape)
        for place in places
    ]
    return torch.cat(parts)
