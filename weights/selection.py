"""Which files of a repository outside the registry are worth fetching."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_TENSORS = frozenset({".safetensors"})
_PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth"})
_TEXTS = frozenset({".json", ".txt", ".model", ".yaml"})
_VARIANT = re.compile(r"\.(fp16|bf16|fp32|non_ema|ema)(?=[.-])")


def worth_fetching(paths: tuple[str, ...], variant: str | None = None) -> tuple[str, ...]:
    """Configuration, tokenizers and tensors: what loaders here read, and each of it once.

    Safetensors win over pickles, and folders of a diffusers pipeline over the same model in one
    file at the top. ``variant`` picks a precision ("fp16"); a folder without it gives its plain
    files. Code is never among them.
    """
    tensors = [path for path in paths if _suffix(path) in _TENSORS]
    tensors = tensors or [path for path in paths if _suffix(path) in _PICKLES]
    if "model_index.json" in paths and any("/" in path for path in tensors):
        tensors = [path for path in tensors if "/" in path]
    texts = [path for path in paths if _suffix(path) in _TEXTS and not path.endswith(".index.json")]
    chosen = [path for path in tensors if _is_wanted(path, tensors, variant)]
    indices = [
        path
        for path in paths
        if path.endswith(".safetensors.index.json")
        and any(one.startswith(_stem(path)) for one in chosen)
    ]
    return tuple(sorted({*texts, *chosen, *indices}))


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _is_wanted(path: str, tensors: list[str], variant: str | None) -> bool:
    """Whether its precision is the one asked for, else the plain one, else any that there is."""
    folder = PurePosixPath(path).parent
    available = {_variant_of(one) for one in tensors if PurePosixPath(one).parent == folder}
    if variant not in available:
        variant = None if None in available else min(filter(None, available))
    return _variant_of(path) == variant


def _variant_of(path: str) -> str | None:
    found = _VARIANT.search(PurePosixPath(path).name)
    return found.group(1) if found else None


def _stem(index: str) -> str:
    """What an index file's shards begin with."""
    return index.removesuffix(".safetensors.index.json")
