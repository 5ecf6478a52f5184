"""Layouts by any chat model: asked in one schema, mended, and asked again where that fails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.base_models import find_model
from layerstudio.pipelines.multilayer.layout.answers import layers_in
from layerstudio.pipelines.multilayer.layout.chat_model import ChatModel
from layerstudio.pipelines.multilayer.layout.instructions import correction, opening_messages
from layerstudio.pipelines.multilayer.layout.plan import LayoutPlan
from layerstudio.pipelines.multilayer.layout.planning import PlanRequest
from layerstudio.pipelines.multilayer.layout.repair import repaired_plan
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken

_ATTEMPTS = 4  # as the published planner's script: up to 4 tries
_TOKENS_PER_LAYER = 160  # an entry takes some 60 to 120 with a prompt of a sentence
_TOKENS_AROUND = 256
_USUAL_LAYERS = 24  # LaDeCo's data drops designs of more than 25 elements
_SHOWN_TO_MODEL = 1500  # characters of a wrong answer
_SHOWN_TO_USER = 80


@dataclass(frozen=True, kw_only=True)
class LanguageModelPlanner:
    """A planner that asks the chat model in ``folder``, called ``name`` in messages.

    ``temperature`` 0 is greedy, the same for every seed. ``longest`` is the most tokens of one
    answer, by default what the layers may need.
    """

    folder: Path
    name: str
    temperature: float = 0.4
    longest: int | None = None

    @classmethod
    def named(cls, name: str) -> LanguageModelPlanner:
        """The planner in a folder, or of a hub id in the cache; nothing is downloaded.

        Raises ``MissingWeights``, ``UnreadableFile`` and ``InvalidRequest`` as ``find_model``.
        """
        found = find_model(name, "planner")
        if not found.path.is_dir():
            raise InvalidRequest(
                f"The planner {name!r} is a file.", advice="Give the folder of a chat model."
            )
        return cls(folder=found.path, name=name)

    def plan(
        self,
        request: PlanRequest,
        *,
        runtime: Runtime | None = None,
        cancel: CancelToken | None = None,
    ) -> LayoutPlan:
        """The layout; raises ``InvalidRequest`` with the last problem once four attempts failed,
        ``Cancelled``, and what loading the model raises."""
        cancel = cancel or CancelToken()
        cancel.check()
        with ChatModel.loaded(self.folder, self.name, runtime) as chat:
            return self._asked(chat, request, cancel)

    def _asked(self, chat: ChatModel, request: PlanRequest, cancel: CancelToken) -> LayoutPlan:
        opening = opening_messages(request)
        messages, second_best, answer, problem = opening, None, "", ""
        for attempt in range(_ATTEMPTS):
            answer = chat.answer(
                messages,
                longest=self.longest or _most_tokens(request),
                temperature=self.temperature,
                seed=request.seed + attempt,
                cancel=cancel,
            )
            try:
                plan = _understood(answer, request)
            except InvalidRequest as error:
                problem = str(error)
            else:
                problem = _shortcoming(plan, request)
                if not problem:
                    return plan
                second_best = replace(plan, repairs=(*plan.repairs, problem))
            messages = [*opening, *correction(answer[:_SHOWN_TO_MODEL], problem)]
        if second_best is not None:
            return second_best
        raise InvalidRequest(
            f"The planner {self.name!r} gave no layout in {_ATTEMPTS} attempts. {problem}",
            advice=f"Its last answer begins with {answer[:_SHOWN_TO_USER]!r}. Try another chat "
            'model, or the planner "rules".',
        )


def _understood(answer: str, request: PlanRequest) -> LayoutPlan:
    layers, repairs = layers_in(answer)
    prompt = request.background or request.prompt
    return repaired_plan(layers, request.extent, prompt=prompt, repairs=repairs)


def _shortcoming(plan: LayoutPlan, request: PlanRequest) -> str:
    """What a sound layout lacks of what was asked for; it is worth asking again, not failing."""
    count = len(plan.layers)
    if request.layers != "auto" and count != request.layers:
        return f"The layout has {count} layers, and {request.layers} were wanted."
    if len(plan.foregrounds) < len(request.captions):
        return (
            f"The layout has {len(plan.foregrounds)} layers on its background for "
            f"{len(request.captions)} captions."
        )
    return ""


def _most_tokens(request: PlanRequest) -> int:
    usual = max(_USUAL_LAYERS, len(request.captions))
    layers = usual if request.layers == "auto" else request.layers
    return _TOKENS_AROUND + _TOKENS_PER_LAYER * layers
