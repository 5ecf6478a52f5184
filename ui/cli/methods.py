"""``layerstudio methods``: what can be chosen with --method."""

from __future__ import annotations

from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import JsonOption


@guarded
def methods(as_json: JsonOption = False) -> None:
    """List the methods: what each does, needs and takes."""
    from dataclasses import asdict

    from layerstudio.pipelines.methods import cards
    from layerstudio.ui.cli.output import print_json, print_table

    if as_json:
        print_json({"methods": [asdict(card) for card in cards()]})
        return
    rows = [
        (
            card.id,
            card.task,
            card.summary,
            ", ".join(card.needs) or "no weights",
            f"{card.code_licence}; weights {card.weights_licence or 'none'}",
        )
        for card in cards()
    ]
    print_table(("id", "task", "what it does", "needs", "licence"), rows)
