"""``layerstudio methods``: what can be chosen with --method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import JsonOption

if TYPE_CHECKING:
    from layerstudio.pipelines.methods import MethodCard


@guarded
def methods(as_json: JsonOption = False) -> None:
    """List the methods: what each does, its modes, and which of its weights are missing.

    The weights listed are those of the first mode; a run of another mode names what it lacks.
    """
    from dataclasses import asdict

    from layerstudio.pipelines.methods import cards
    from layerstudio.pipelines.needs import missing
    from layerstudio.ui.cli.output import print_json, print_table

    if as_json:
        print_json(
            {"methods": [{**asdict(card), "missing": missing(card.needs)} for card in cards()]}
        )
        return
    rows = [
        (
            card.id,
            card.task,
            card.summary,
            " ".join(card.modes),
            _state(card),
            f"{card.code_licence}; weights {card.weights_licence or 'none'}",
        )
        for card in cards()
    ]
    print_table(("id", "task", "what it does", "modes", "weights", "licence"), rows)


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
