"""The methods and stages as a page shows them: what each takes, needs, costs, and may be used for.

Answers come from cards, the registry and a look at the disk; no network is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from layerstudio.machine import installed_version
from layerstudio.pipelines.methods import DEFAULT_DECOMPOSE, DEFAULT_GENERATE, MethodCard, cards
from layerstudio.pipelines.needs import missing
from layerstudio.pipelines.stages.contracts import StageCard, StageKind
from layerstudio.pipelines.stages.preferring import BY_THEMSELVES, PREFERRED
from layerstudio.pipelines.stages.table import stage_cards
from layerstudio.settings import Setting
from layerstudio.ui.web.jobs.estimates import Timings
from layerstudio.ui.web.method_costs import Device, cost_of
from layerstudio.weights.registry import Checkpoint, checkpoint

_PACKAGES = ("torch", "diffusers")  # without which no checkpoint can be run
_INSTALL = "Install the networks' packages first: pip install 'layerstudio[models]'"
_STAGES: dict[str, StageKind] = {
    "detect": "detect", "segment": "segment", "matte": "matte", "inpaint": "complete",
}  # fmt: skip


def methods_view(device: Device, timings: Timings) -> dict[str, Any]:
    """The answer to ``GET /studio/methods``."""
    has_packages = all(installed_version(name) for name in _PACKAGES)
    methods = [_method(card, device, timings, has_packages) for card in cards()]
    _mark_defaults(methods)
    return {
        "methods": methods,
        "device": device.view(),
        "stages": {
            name: [_stage(card, has_packages) for card in _ranked(kind)]
            for name, kind in _STAGES.items()
        },
    }


def _mark_defaults(methods: list[dict[str, Any]]) -> None:
    """What a form begins with: the default of its task, or the first that can run here."""
    for task, wanted in (("decompose", DEFAULT_DECOMPOSE), ("generate", DEFAULT_GENERATE)):
        of_task = [method for method in methods if method["task"] == task]
        ready = [method["id"] for method in of_task if method["ready"]]
        chosen = wanted if wanted in ready or not ready else ready[0]
        for method in of_task:
            method["default"] = method["id"] == chosen


def weights_view(ids: Iterable[str]) -> list[dict[str, Any]]:
    """Those of the registry's rows that are not here and can be fetched, JSON-ready."""
    rows = [checkpoint(id) for id in missing(ids)]
    return [_weights(row) for row in rows if not row.withdrawn]


def setting_view(setting: Setting) -> dict[str, Any]:
    """A setting as a form needs it; ``kind`` is choice, flag, text, number or whole."""
    return {
        "name": setting.name,
        "kind": _kind(setting),
        "default": setting.default,
        "summary": setting.summary,
        "choices": list(setting.choices),
        "least": setting.least,
        "most": setting.most,
    }


def _method(
    card: MethodCard, device: Device, timings: Timings, has_packages: bool
) -> dict[str, Any]:
    can_run = has_packages or not card.needs
    is_whole = not missing(card.needs) and not card.setup
    return {
        "id": card.id,
        "task": card.task,
        "title": card.title,
        "summary": card.summary,
        "reference": card.reference,
        "code_licence": card.code_licence,
        "weights_licence": card.weights_licence,
        "inputs": list(card.inputs),
        "modes": list(card.modes),
        "settings": [setting_view(setting) for setting in card.settings],
        "ready": can_run and is_whole,
        "missing": weights_view(card.needs),
        "setup": card.setup if can_run else _INSTALL,
        "cost": cost_of(card, device.free, timings),
    }


def _stage(card: StageCard, has_packages: bool) -> dict[str, Any]:
    absent = missing(card.needs)
    return {
        "id": card.id,
        "title": card.title,
        "reference": card.reference,
        "code_licence": card.code_licence,
        "weights_licence": card.weights_licence,
        "takes": list(card.takes),
        "ready": not absent and (has_packages or not card.needs),
        "missing": weights_view(card.needs),
    }


def _ranked(kind: StageKind) -> list[StageCard]:
    """The best first, as "auto" would take them; then the others as the table has them."""
    order = [*PREFERRED[kind], *(BY_THEMSELVES if kind == "matte" else ())]
    found = {card.id: card for card in stage_cards(kind)}
    first = [found.pop(id) for id in order if id in found]
    return [*first, *found.values()]


def _weights(row: Checkpoint) -> dict[str, Any]:
    sizes = [file.bytes for file in row.files]
    return {
        "id": row.id,
        "title": row.title,
        "bytes": sum(size for size in sizes if size) if all(sizes) else None,
        "licence": row.licence.name,
        "licence_url": row.licence.url,
        "commercial": row.licence.commercial,
        "gated": row.gated,
        "page": row.page,
        "provenance_warning": row.provenance or None,
    }


def _kind(setting: Setting) -> str:
    if isinstance(setting.default, bool):
        return "flag"
    if setting.choices:
        return "choice"
    if isinstance(setting.default, str):
        return "text"
    return "whole" if isinstance(setting.default, int) else "number"
