"""The table of methods: the one place where a new one is added.

A row names a class without importing it, so that listing methods loads none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Literal, Protocol

from layerstudio.document import Document
from layerstudio.errors import InvalidRequest
from layerstudio.picture import Picture
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest

Task = Literal["generate", "decompose", "edit"]


@dataclass(frozen=True)
class MethodCard:
    """What a person or a program must know before choosing a method."""

    id: str
    task: Task
    title: str
    summary: str
    reference: str
    code_licence: str
    weights_licence: str | None
    needs: tuple[str, ...]  # registry ids of checkpoints, empty for none
    inputs: tuple[str, ...]  # request fields that the method takes besides the picture


class DecomposeMethod(Protocol):
    """A method that takes pictures apart; ``run`` gets a resolved request."""

    card: MethodCard

    def run(
        self,
        request: DecomposeRequest,
        picture: Picture,
        *,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> Document: ...


_METHODS: dict[str, str] = {
    "flat": "layerstudio.pipelines.flat.method:FlatMethod",
}
DEFAULT_DECOMPOSE = "flat"


def method_ids() -> tuple[str, ...]:
    return tuple(_METHODS)


def load_method(method_id: str) -> DecomposeMethod:
    """An instance of the method; raises ``InvalidRequest`` for an unknown id."""
    if method_id not in _METHODS:
        raise InvalidRequest(
            f"There is no method {method_id!r}.", advice=f"Known: {', '.join(_METHODS)}."
        )
    module, name = _METHODS[method_id].split(":")
    return getattr(import_module(module), name)()


def cards() -> tuple[MethodCard, ...]:
    return tuple(load_method(method_id).card for method_id in _METHODS)
