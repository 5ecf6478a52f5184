"""A chat model of transformers on this machine: messages in, words out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.generation.stopping_criteria import StoppingCriteria, StoppingCriteriaList

from layerstudio.errors import InvalidRequest, MismatchedWeights, OutOfMemory, UnreadableFile
from layerstudio.models.memory import empty_cache
from layerstudio.pipelines.multilayer.layout.instructions import Message
from layerstudio.pipelines.out_of_memory import is_shortage
from layerstudio.pipelines.placement import free_now
from layerstudio.pipelines.quiet import quiet_libraries
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken

# What transformers raises for files that are incomplete, damaged or of no causal language model.
_LOADING_ERRORS = (
    OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError,
    SafetensorError,
)  # fmt: skip
_LEAST_ROOM = 64  # tokens for an answer, below which asking is pointless
_TOP_P = 0.95  # as LaDeCo samples (arXiv 2412.19712, section 4)


class ChatModel:
    """A causal language model with its tokenizer and chat template, on a device.

    ``loaded`` is the way to one.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._name = name

    @classmethod
    @contextmanager
    def loaded(cls, folder: Path, name: str, runtime: Runtime | None) -> Iterator[ChatModel]:
        """The model in ``folder``, in memory only while it is used.

        Raises ``UnreadableFile`` and ``MismatchedWeights`` for files that are no chat model and
        ``OutOfMemory``; ``InvalidRequest`` for a device that is not there.
        """
        device = torch.device(free_now(runtime).device)
        try:
            with quiet_libraries():
                tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
                _check_template(tokenizer, name)
                model: Any = AutoModelForCausalLM.from_pretrained(
                    folder, dtype=_dtype(runtime), local_files_only=True
                )
                model = model.to(device).eval()
        except (*_LOADING_ERRORS, MemoryError) as error:
            raise _explained(error, name) from error
        try:
            yield cls(model, tokenizer, name)
        finally:
            del model
            empty_cache()

    def answer(
        self,
        messages: Sequence[Message],
        *,
        longest: int,
        temperature: float,
        seed: int,
        cancel: CancelToken,
    ) -> str:
        """What the model says next: at most ``longest`` tokens, greedy at ``temperature`` 0.

        Raises ``Cancelled`` between two tokens, ``InvalidRequest`` where the messages leave no
        room for an answer, and ``OutOfMemory``.
        """
        ids = self._encoded(messages)
        room = self._room(ids.shape[1])
        sampling = {"temperature": temperature, "top_p": _TOP_P} if temperature > 0 else {}
        devices = [ids.device] if ids.is_cuda else []
        try:
            with torch.random.fork_rng(devices), torch.inference_mode(), quiet_libraries():
                torch.manual_seed(seed)
                said = self._model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=min(longest, room),
                    do_sample=temperature > 0,
                    pad_token_id=self._padding(),
                    stopping_criteria=StoppingCriteriaList([_StopOnCancel(cancel)]),
                    **sampling,
                )
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error):
                raise
            raise _explained(error, self._name) from error
        cancel.check()
        return self._tokenizer.decode(said[0, ids.shape[1] :], skip_special_tokens=True)

    def _encoded(self, messages: Sequence[Message]) -> torch.Tensor:
        """Token ids (1, length); templates without a system turn get it in the first user's."""
        for turns in (list(messages), _without_system(messages)):
            try:
                text = self._tokenizer.apply_chat_template(
                    turns, add_generation_prompt=True, tokenize=False
                )
                break
            except TemplateError as error:
                problem = error
        else:
            raise UnreadableFile(
                f"The chat template of {self._name!r} does not work: {problem}."
            ) from problem
        ids = self._tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        return ids.to(self._model.device)

    def _room(self, used: int) -> int:
        context = getattr(self._model.config, "max_position_embeddings", None) or 2**31
        if context - used < _LEAST_ROOM:
            raise InvalidRequest(
                f"The design is described in {used} tokens, and {self._name!r} reads {context}.",
                advice="Describe it in fewer words, or use a model with a longer context.",
            )
        return context - used

    def _padding(self) -> int | None:
        """No padding happens with one sequence; without an id transformers would warn."""
        padding = self._tokenizer.pad_token_id
        return self._tokenizer.eos_token_id if padding is None else padding


class _StopOnCancel(StoppingCriteria):
    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel

    def __call__(self, input_ids: Any, scores: Any, **unused: Any) -> Any:
        return torch.full((len(input_ids),), self._cancel.is_cancelled, device=input_ids.device)


def _without_system(messages: Sequence[Message]) -> list[Message]:
    system, first, *rest = messages
    return [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *rest]


def _check_template(tokenizer: Any, name: str) -> None:
    if not tokenizer.chat_template:
        raise UnreadableFile(
            f"{name!r} has no chat template, so it is no chat model.",
            advice="Use the variant of the model that is made for chat or instructions.",
        )


def _dtype(runtime: Runtime | None) -> Any:
    """As published where the user leaves it open: planners are large, and float32 doubles most."""
    wanted = runtime.dtype if runtime else "auto"
    return "auto" if wanted == "auto" else getattr(torch, wanted)


def _explained(error: Exception, name: str) -> Exception:
    if is_shortage(error):
        empty_cache()
        return OutOfMemory(
            f"Memory ran out with the planner {name!r}.",
            advice='Use a smaller chat model, another device, or the planner "rules".',
        )
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
    misfit = next((line for line in lines if "size mismatch" in line), None)
    if misfit:
        return MismatchedWeights(f"The planner {name!r} does not fit: {misfit[:200]}")
    return UnreadableFile(
        f"The planner {name!r} could not be loaded: {lines[0][:200]}",
        advice="It may be incomplete, or no causal language model.",
    )
