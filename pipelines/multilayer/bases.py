"""Which folder a multi-layer run reads; nothing of it is loaded here."""

from __future__ import annotations

import json
from pathlib import Path

from layerstudio.errors import InvalidRequest, MissingWeights, UnreadableFile
from layerstudio.pipelines.base_models import Found, find_model

_CLASS = "MultiLayerPipeline"
_OWN = (
    "Give the folder of a multi-layer pipeline with --base: `layerstudio models convert` makes one "
    "of published files that you have, such as CLD's (`layerstudio models pull cld "
    "--accept-provenance`), and training/multilayer.py trains one."
)
_NO_ADAPTER = "Taking pictures apart needs CLD's adapter, or one trained for it."


def find_base(name: str | None, *, needs_adapter: bool = False) -> Found:
    """The multi-layer pipeline called ``name``, a folder or a repository in the cache.

    Raises ``MissingWeights`` for no name, which says where such a folder comes from,
    ``InvalidRequest`` for what is no multi-layer pipeline, and what ``find_model`` raises.
    """
    if not name:
        what = "CLD's come in pieces" if needs_adapter else "ART's were withdrawn by their authors"
        raise MissingWeights(f"No weights were given to make layers with: {what}.", advice=_OWN)
    found = find_model(name, "multi-layer model")
    parts = components(found.path)
    if needs_adapter and "adapter" not in parts:
        raise InvalidRequest(
            f"{found.weights!r} makes layers from text only: it has no adapter for pictures.",
            advice=_NO_ADAPTER,
        )
    return found


def components(folder: Path) -> set[str]:
    """The names of what the pipeline in ``folder`` is made of."""
    path = folder / "model_index.json"
    if not path.is_file():
        raise InvalidRequest(f"{str(folder)!r} is no multi-layer pipeline.", advice=_OWN)
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{str(path)!r} is not a sound configuration.") from error
    if not isinstance(index, dict) or index.get("_class_name") != _CLASS:
        raise InvalidRequest(f"{str(folder)!r} is no multi-layer pipeline.", advice=_OWN)
    listed = {name: value for name, value in index.items() if isinstance(value, list)}
    return {name for name, value in listed.items() if any(value)}
