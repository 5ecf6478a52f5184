"""Parts of a prompt that no text encoder of a pipeline reads, told instead of lost."""

from __future__ import annotations

from typing import Any

_TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3", "tokenizer_4")
_UNLIMITED = 100_000  # tokenizers without a length say some astronomic number


def of_length(pipeline: Any, prompt: str) -> tuple[str, ...]:
    """A remark where the prompt is longer than every one of the pipeline's encoders reads.

    One that reads all of it is enough: FLUX's CLIP sees the beginning only, its T5 everything.
    """
    found = (getattr(pipeline, name, None) for name in _TOKENIZERS)
    lacking = [_beyond(tokenizer, prompt) for tokenizer in found if callable(tokenizer)]
    if not lacking or any(cut is None for cut in lacking):
        return ()
    read, length = max((cut for cut in lacking if cut is not None), key=lambda cut: cut[0])
    return (f"Of the prompt's {length} tokens the first {read} are read; the rest has no effect.",)


def _beyond(tokenizer: Any, prompt: str) -> tuple[int, int] | None:
    """How many tokens are read, of how many; None where it is all."""
    most = getattr(tokenizer, "model_max_length", _UNLIMITED)
    length = len(tokenizer(prompt, truncation=False, verbose=False).input_ids)
    return None if length <= min(most, _UNLIMITED) else (most, length)
