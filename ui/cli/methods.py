"""``layerstudio methods``: what can be chosen with --method."""

from __future__ import annotations

from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import JsonOption


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
            _state(card.needs, missing(card.needs)),
            f"{card.code_licence}; weights {card.weights_licence or 'none'}",
        )
        for card in cards()
    ]
    print_table(("id", "task", "what it does", "modes", "weights", "licence"), rows)


def _state(needs: tuple[str, ...], absent: tuple[str, ...]) -> str:
    if not needs:
        return "no weights"
    return f"missing: {', '.join(absent)}" if absent else "ready"
