"""Tokenizers of a few hundred tokens in the published files, for which any text is valid."""

import json
import string
from pathlib import Path

from tokenizers.pre_tokenizers import ByteLevel

START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = (("t", "h"), ("th", "e</w>"), ("a", "n"), ("an", "d</w>"), ("r", "e"), ("re", "d</w>"))
PIECES = ("▁", "▁the", "▁a", "▁of", "▁and", "ing", "er", "ed")


def clip_vocabulary() -> dict[str, int]:
    """Every byte alone and at a word's end, a few merges, then the two marks, as CLIP orders it.

    The end mark has the highest id: CLIP models whose config says ``eos_token_id`` 2 look for it
    there.
    """
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["".join(pair) for pair in MERGES]
    return {word: index for index, word in enumerate([*words, START, END])}


CLIP_TOKENS = len(clip_vocabulary())


def write_clip_tokenizer(folder: Path, *, pad: str = END) -> None:
    """vocab.json, merges.txt and the two configs; SDXL's second tokenizer pads with "!"."""
    folder.mkdir(parents=True)
    merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in MERGES)])
    marks = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    (folder / "vocab.json").write_text(json.dumps(clip_vocabulary(), ensure_ascii=False))
    (folder / "merges.txt").write_text(merges + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(marks))
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, **marks}))


def t5_vocabulary() -> list[tuple[str, float]]:
    """Pad, end and unknown first, as T5 numbers them, then pieces with their log probabilities."""
    marks = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    letters = [(letter, -6.0) for letter in string.printable if not letter.isspace()]
    return marks + [(piece, -3.0) for piece in PIECES] + letters


T5_TOKENS = len(t5_vocabulary())


def write_t5_tokenizer(folder: Path) -> None:
    """tokenizer.json and its config; a letter outside ASCII becomes the unknown token."""
    from transformers import T5Tokenizer

    tokenizer = T5Tokenizer(vocab=t5_vocabulary(), extra_ids=0, model_max_length=512)
    tokenizer.save_pretrained(folder)
