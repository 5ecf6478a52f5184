"""Prompts longer than CLIP's 77 tokens: cut into pieces that it can read one at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from layerstudio.errors import InvalidRequest

# Attention to 16 x 77 tokens of text costs less than a third of what a 1024 x 1024 picture's
# attention to its own 64 x 64 tokens does, and pieces without a word in common with the first
# are further from what CLIP and the UNet were trained on the more there are.
MAX_CHUNKS = 16
_LOOK_BACK = 20  # tokens of a piece at most given up in order to end it with a phrase

_WORD_END = "</w>"  # how CLIP's vocabulary marks the last token of a word
_CLAUSE = re.compile(rf"[^\w\s]*[,.;:!?]({_WORD_END})?")
_LATER_VECTOR = re.compile(r".+_\d+")  # diffusers' names for the vectors of a learned word

Ids = tuple[int, ...]


def token_chunks(tokenizer: Any, text: str) -> list[Ids]:
    """The tokens of ``text``, framed: each piece has its start and end mark and is padded.

    A piece ends with a clause where one ends within its last 20 tokens, else with a word; the
    vectors of one learned word (textual inversion) stay together. There is at least one piece;
    a text of up to 75 tokens is one, the same ids as the tokenizer gives.

    Raises:
        InvalidRequest: more than ``MAX_CHUNKS`` pieces (1,200 tokens, about 900 English words).
    """
    size = tokenizer.model_max_length - 2
    words = len(text.split())
    if words > MAX_CHUNKS * size:  # a word is at least one token: no need to look closer
        raise _too_long(f"{words:,} words", size)
    ids = tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    pieces = _cut(ids, tokenizer.convert_ids_to_tokens(ids), size, tokenizer.added_tokens_encoder)
    if len(pieces) > MAX_CHUNKS:
        raise _too_long(f"{len(ids):,} tokens", size)
    return [_framed(tokenizer, piece) for piece in pieces]


def empty_chunk(tokenizer: Any) -> Ids:
    """The piece of a text without words."""
    return _framed(tokenizer, [])


def _too_long(length: str, size: int) -> InvalidRequest:
    return InvalidRequest(
        f"The prompt has {length}, more than the {MAX_CHUNKS * size:,} tokens that are read.",
        advice=f"Shorten it to about {MAX_CHUNKS * size * 3 // 4:,} words or fewer.",
    )


def _framed(tokenizer: Any, ids: Sequence[int]) -> Ids:
    marked = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
    padding = [tokenizer.pad_token_id] * (tokenizer.model_max_length - len(marked))
    return (*marked, *padding)


def _cut(
    ids: Sequence[int], tokens: Sequence[str], size: int, learned: dict[str, int]
) -> list[Sequence[int]]:
    pieces, start = [], 0
    while start < len(ids) or not pieces:
        end = _end_of_piece(tokens, start, size, learned)
        pieces.append(ids[start:end])
        start = end
    return pieces


def _end_of_piece(tokens: Sequence[str], start: int, size: int, learned: dict[str, int]) -> int:
    last = start + size
    if last >= len(tokens):
        return len(tokens)

    def ends_word(at: int) -> bool:
        whole = tokens[at - 1].endswith(_WORD_END) or tokens[at - 1] in learned
        return whole and not (tokens[at] in learned and _LATER_VECTOR.fullmatch(tokens[at]))

    def ends_clause(at: int) -> bool:
        return ends_word(at) and _CLAUSE.fullmatch(tokens[at - 1]) is not None

    tests: tuple[Callable[[int], bool], ...] = (ends_clause, ends_word)
    nearest = range(last, last - _LOOK_BACK, -1)
    return next((at for test in tests for at in nearest if test(at)), last)
