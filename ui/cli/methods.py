"""``layerstudio methods``: what can be chosen with --method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import JsonOption

if TYPE_CHECKING:
    from layerstudio.pipelines.methods import MethodCard
    from layerstudio.settings import Setting


@guarded
def methods(
    method: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Show this one in full.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the methods: what each does, its modes, and which of its weights are missing.

    The weights listed are those of the first mode; a run of another mode names what it lacks. With
    an ID, that method in full: licences, inputs, and the settings that --set takes.
    """
    from layerstudio.pipelines.methods import cards
    from layerstudio.ui.cli.output import print_json

    if method is not None:
        card = _card_of(method)
        if as_json:
            print_json(_data(card))
        else:
            _show(card)
    elif as_json:
        print_json({"methods": [_data(card) for card in cards()]})
    else:
        _list(cards())


def _card_of(method: str) -> MethodCard:
    """Of any task; raises ``InvalidRequest`` for an unknown id."""
    from layerstudio.errors import InvalidRequest
    from layerstudio.pipelines.methods import cards

    found = {card.id: card for card in cards()}
    if method not in found:
        raise InvalidRequest(f"{method!r} is no method.", advice=f"There are: {', '.join(found)}.")
    return found[method]


def _data(card: MethodCard) -> dict[str, Any]:
    from dataclasses import asdict

    from layerstudio.pipelines.needs import missing

    return {**asdict(card), "missing": missing(card.needs)}


def _list(cards: tuple[MethodCard, ...]) -> None:
    from layerstudio.ui.cli.output import print_table

    rows = [
        (
            card.id,
            card.task,
            card.summary,
            " ".join(card.modes),
            _state(card),
            _licences(card.code_licence, card.weights_licence),
        )
        for card in cards
    ]
    print_table(("id", "task", "what it does", "modes", "weights", "licence"), rows)


def _show(card: MethodCard) -> None:
    from layerstudio.ui.cli.output import print_table

    facts = {
        "method": f"{card.id}, to {card.task}",
        "title": card.title,
        "what it does": card.summary,
        "reference": card.reference,
        "licence": _licences(card.code_licence, card.weights_licence),
        "weights": _state(card),
        **{f"needs {id}": state for id, state in _needs(card)},
        "takes": ", ".join(card.inputs) or "the picture alone",
        "modes": ", ".join(card.modes),
    }
    print_table(("", card.id), [(name, text) for name, text in facts.items() if text])
    if card.settings:
        rows = [
            (item.name, str(item.default), allowed(item), item.summary) for item in card.settings
        ]
        print_table(("--set", "default", "allowed", "what it is"), rows)


def allowed(setting: Setting) -> str:
    """Which values a setting takes, as people read it."""
    if setting.choices:
        return ", ".join(map(str, setting.choices))
    if isinstance(setting.default, bool):
        return "true, false"
    if isinstance(setting.default, str):
        return "text"
    kind = "number" if isinstance(setting.default, float) else "whole number"
    least, most = setting.least, setting.most
    if least is None and most is None:
        return kind
    if most is None:
        return f"{kind}, {least:g} or more"
    return f"{kind}, {most:g} or less" if least is None else f"{kind}, {least:g} to {most:g}"


def _needs(card: MethodCard) -> Iterator[tuple[str, str]]:
    """Each checkpoint by its registry id, and whether it is here."""
    from layerstudio.pipelines.needs import missing
    from layerstudio.weights.registry import checkpoint

    absent = missing(card.needs)
    for id in card.needs:
        if id not in absent:
            yield id, "here"
        elif checkpoint(id).withdrawn:
            yield id, "missing, withdrawn by its publisher"
        else:
            yield id, f"missing: `layerstudio models pull {id}`"


def _licences(code: str, weights: str | None) -> str:
    return f"{code}; weights {weights or 'none'}"


def _state(card: MethodCard) -> str:
    from layerstudio.pipelines.needs import missing
    from layerstudio.weights.registry import checkpoint

    if not card.needs:
        return "no weights"
    absent = [id for id in missing(card.needs) if not checkpoint(id).withdrawn]
    if len(absent) < len(missing(card.needs)):
        return f"your own; {card.setup}"
    state = f"missing: {', '.join(absent)}" if absent else "ready" if not card.setup else "here"
    return f"{state}; {card.setup}" if card.setup else state
