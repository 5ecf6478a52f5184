"""The text of a run, with the text encoder in memory only where something new has to be read.

Captions and embeddings are kept for as long as the process runs: a second run of a picture, with
more layers or another seed, needs no text encoder at all.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from PIL import Image

from layerstudio.models.memory import released
from layerstudio.pipelines.embedding_cache import EMBEDDINGS
from layerstudio.pipelines.qwen_layered.engine import opened
from layerstudio.pipelines.qwen_layered.memory import Plan
from layerstudio.pipelines.qwen_layered.published import NEGATIVE, TEXT_TOKENS
from layerstudio.pipelines.qwen_layered.words import Watch, Words, caption, encoded
from layerstudio.pipelines.runtime import Runtime

_MOST_CAPTIONS = 256


@dataclass(frozen=True)
class Text:
    """``prompt`` as it was given, or as the captioner wrote it (``is_caption``)."""

    prompt: str
    is_caption: bool
    positive: Words
    negative: Words | None


class Captions:
    """The least recently used go first; safe with threads."""

    def __init__(self, capacity: int = _MOST_CAPTIONS) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[Hashable, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, write: Callable[[], str]) -> str:
        with self._lock:
            known = self._entries.pop(key, None)
        text = write() if known is None else known
        with self._lock:
            self._entries[key] = text
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
        return text

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


CAPTIONS = Captions()


def text_for(
    plan: Plan,
    runtime: Runtime,
    prompt: str,
    picture: Callable[[], Image.Image],
    sha256: str,
    *,
    english: bool,
    guided: bool,
    watch: Watch,
) -> Text:
    """What a run is told of its picture: ``prompt``, or a caption where that is empty.

    ``picture`` gives the image to be captioned, ``sha256`` its hash; ``watch`` is called after each
    word. Raises as ``engine.opened`` does, and what ``watch`` raises.
    """
    layout = plan.layout
    encoder = (layout.source, layout.encoder, layout.dtype)
    with ExitStack() as stack, torch.no_grad():

        @cache
        def pipeline() -> Any:
            ready = stack.enter_context(opened(plan, runtime, "text"))
            if layout.placement == "offloaded":
                device = ready._execution_device
                stack.enter_context(released(ready.text_encoder, device=device))
            return ready

        def written() -> str:
            return caption(pipeline(), picture(), english=english, watch=watch)

        def words(text: str) -> Words:
            key = ("qwen-layered", encoder, text)
            rows = EMBEDDINGS.get(
                (),
                key,
                lambda: (encoded(pipeline(), text, TEXT_TOKENS),),
                device=plan.free.device,
            )
            return Words.of(rows)

        text = prompt.strip() or CAPTIONS.get((encoder, english, sha256), written)
        return Text(
            prompt=text,
            is_caption=not prompt.strip(),
            positive=words(text),
            negative=words(NEGATIVE) if guided else None,
        )
