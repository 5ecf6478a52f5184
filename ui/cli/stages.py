"""``layerstudio stages``: the parts that methods are put together from, each to be swapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import JsonOption

if TYPE_CHECKING:
    from layerstudio.pipelines.stages.contracts import StageCard


@guarded
def stages(
    kind: Annotated[
        str | None,
        typer.Argument(help="detect, segment, depth, matte, foreground or complete."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the stages that methods are put together from, and which of their weights are missing.

    A method's setting says which stage it uses (`layerstudio methods ID`): --set NAME=STAGE.
    """
    from dataclasses import asdict

    from layerstudio.pipelines.needs import missing
    from layerstudio.ui.cli.output import print_json, print_table

    cards = _cards(kind)
    if as_json:
        print_json({"stages": [{**asdict(card), "missing": missing(card.needs)} for card in cards]})
        return
    rows = [
        (
            card.id,
            card.kind,
            card.title,
            ", ".join(card.takes),
            _state(card),
            f"{card.code_licence}; weights {card.weights_licence or 'none'}",
            card.reference,
        )
        for card in cards
    ]
    print_table(("id", "kind", "title", "takes", "weights", "licence", "reference"), rows)


def _cards(kind: str | None) -> tuple[StageCard, ...]:
    """In the order of the table, kinds together; raises ``InvalidRequest`` for an unknown kind."""
    from typing import get_args

    from layerstudio.errors import InvalidRequest
    from layerstudio.pipelines.stages.contracts import StageKind
    from layerstudio.pipelines.stages.table import stage_cards

    kinds: tuple[StageKind, ...] = get_args(StageKind)
    if kind is not None and kind not in kinds:
        raise InvalidRequest(f"There is no kind of stage {kind!r}.", advice=f"{', '.join(kinds)}.")
    cards = [card for card in stage_cards() if kind in (None, card.kind)]
    return tuple(sorted(cards, key=lambda card: kinds.index(card.kind)))


def _state(card: StageCard) -> str:
    from layerstudio.pipelines.needs import missing

    if not card.needs:
        return "no weights"
    absent = missing(card.needs)
    return f"missing: {', '.join(absent)}" if absent else "here"
