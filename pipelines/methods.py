"""The table of methods: the one place where a new one is added.

A row names a class without importing it, so that listing methods loads none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, Protocol

from layerstudio.document import Document
from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.picture import Picture
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import Setting

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
    modes: tuple[str, ...] = ()  # its ways of working, the default first
    setup: str = ""  # what is left to do once the weights are here
    settings: tuple[Setting, ...] = ()  # what only this method understands


class DecomposeMethod(Protocol):
    """A method that takes pictures apart; ``run`` gets a resolved request.

    ``runtime`` says how networks are run; a method without any has no use for it.
    """

    card: MethodCard

    def run(
        self,
        request: DecomposeRequest,
        picture: Picture,
        *,
        runtime: Runtime | None = None,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> Document: ...


class GenerateMethod(Protocol):
    """A method that makes layers from text.

    ``resolve`` fills every None of a request, or raises ``InvalidRequest``; ``run`` gets a
    resolved one and returns ``request.count`` documents. ``pictures`` are ``request.inputs``.
    """

    card: MethodCard

    def resolve(
        self, request: GenerateRequest, pictures: Mapping[InputRole, Picture]
    ) -> GenerateRequest: ...

    def run(
        self,
        request: GenerateRequest,
        pictures: Mapping[InputRole, Picture],
        *,
        runtime: Runtime,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> tuple[Document, ...]: ...


_METHODS: dict[str, str] = {
    "auto": "layerstudio.pipelines.peel.method_auto:AutoMethod",
    "flat": "layerstudio.pipelines.flat.method:FlatMethod",
    "peel": "layerstudio.pipelines.peel.method:PeelMethod",
    "palette": "layerstudio.pipelines.colours.method_palette:PaletteMethod",
    "unblend": "layerstudio.pipelines.colours.method_unblend:UnblendMethod",
    "layerd": "layerstudio.pipelines.layerd.method:LayerdMethod",
    "instances": "layerstudio.pipelines.instances.method:InstancesMethod",
    "cld": "layerstudio.pipelines.multilayer.method_cld:CldMethod",
    "qwen-layered": "layerstudio.pipelines.qwen_layered.method:QwenLayeredMethod",
    "layerdiffuse-sdxl": "layerstudio.pipelines.layerdiffuse.method:LayerDiffuseSDXL",
    "layerdiffuse-sd15": "layerstudio.pipelines.layerdiffuse.method:LayerDiffuseSD15",
    "layerdiffuse-flux": "layerstudio.pipelines.layerdiffuse.method:LayerDiffuseFlux",
    "art": "layerstudio.pipelines.multilayer.method_art:ArtMethod",
    "studio": "layerstudio.pipelines.studio.method:StudioMethod",
    "layeringdiff": "layerstudio.pipelines.layeringdiff.method:LayeringDiff",
}
DEFAULT_DECOMPOSE = "auto"
DEFAULT_GENERATE = "layerdiffuse-sdxl"


def method_ids() -> tuple[str, ...]:
    return tuple(_METHODS)


def load_decomposer(method_id: str) -> DecomposeMethod:
    """Raises ``InvalidRequest`` for an unknown id and for a method of another task."""
    return _load(method_id, "decompose")


def load_generator(method_id: str) -> GenerateMethod:
    """Raises ``InvalidRequest`` for an unknown id and for a method of another task."""
    return _load(method_id, "generate")


def card_of(method_id: str, task: Task) -> MethodCard:
    """The card of one method, loading no other; raises ``InvalidRequest`` as above."""
    return _class_for(method_id, task).card


def _load(method_id: str, task: Task) -> Any:
    return _class_for(method_id, task)()


def _class_for(method_id: str, task: Task) -> Any:
    found = _class_of(method_id) if method_id in _METHODS else None
    if found is not None and found.card.task == task:
        return found
    fitting = [card.id for card in cards() if card.task == task]
    what = f"no method that can {task}" if found else "no method"
    raise InvalidRequest(
        f"{method_id!r} is {what}.", advice=f"To {task} there are: {', '.join(fitting)}."
    )


def _class_of(method_id: str) -> Any:
    module, name = _METHODS[method_id].split(":")
    return getattr(import_module(module), name)


def cards() -> tuple[MethodCard, ...]:
    return tuple(_class_of(method_id).card for method_id in _METHODS)
