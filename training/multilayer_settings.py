"""Everything that a training run depends on, from defaults, a JSON file and the command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from layerstudio.errors import InvalidRequest, UnreadableFile

Timesteps = Literal["inference", "logit-normal"]
Kind = Literal["full", "lora"]
Precision = Literal["no", "fp16", "bf16"]
Optimizer = Literal["adamw", "prodigy"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """See ``python -m training.multilayer --help``."""

    out: Annotated[str, "folder of the run; an unfinished one is resumed"] = "runs/multilayer"
    data: Annotated[str, "'designs', a folder of PSD, PSB and ORA, or PrismLayersPro's"] = "designs"
    count: Annotated[int | None, "only the first so many examples"] = None
    size: Annotated[int | None, "longest side in pixels; in JSON null for the files' own"] = 1024
    most_layers: Annotated[int | None, "designs of at most so many layers (for short runs)"] = None
    merge: Annotated[float, "chance of each seam between neighbouring layers to be merged"] = 0.15
    cache: Annotated[str | None, "folder to keep latents in"] = None

    base: Annotated[str | None, "FLUX.1 in diffusers' layout: VAE, text encoders, transformer"] = (
        None
    )
    transformer: Annotated[str | None, "multi-layer transformer to begin with"] = None
    decoder: Annotated[str | None, "transparency decoder, for samples with alpha"] = None
    network: Annotated[dict[str, Any], "config of a new transformer (only in the JSON file)"] = (
        field(default_factory=dict)
    )
    text_length: Annotated[int, "longest prompt in T5's tokens"] = 512

    kind: Annotated[Kind, "'lora' or 'full' fine-tuning; layer_pe is trained in both"] = "lora"
    rank: Annotated[int, "of the LoRA (alpha is the same)"] = 64
    steps: Annotated[int, "optimizer steps"] = 20_000
    batch: Annotated[int, "documents in a sequence, on each device"] = 1
    accumulate: Annotated[int, "sequences for an optimizer step"] = 4
    optimizer: Annotated[Optimizer, "'adamw', or 'prodigy' if prodigyopt is installed"] = "adamw"
    rate: Annotated[float, "learning rate (1.0 for prodigy)"] = 1e-4
    warmup: Annotated[int, "steps until the full rate"] = 200
    decay: Annotated[bool, "lower the rate to 0 along a cosine"] = False
    weight_decay: Annotated[float, "of AdamW or Prodigy, decoupled"] = 1e-4
    clip: Annotated[float, "largest norm of the gradient"] = 1.0
    ema: Annotated[float, "decay of the running average of the weights; 0 for none"] = 0.0
    precision: Annotated[Precision, "'bf16' or 'fp16' for mixed precision"] = "no"
    checkpointing: Annotated[bool, "recompute activations: less memory, a third slower"] = False

    text_share: Annotated[float, "weight of the task text to layers"] = 0.5
    picture_share: Annotated[float, "weight of the task picture to layers"] = 0.3
    layers_share: Annotated[float, "weight of the task layers to layers"] = 0.2
    caption_share: Annotated[float, "share of examples cut to one layer with its own caption"] = 0.1
    drop: Annotated[float, "share of prompts left empty, for classifier-free guidance"] = 0.1
    timesteps: Annotated[Timesteps, "28 'inference' times evenly, or 'logit-normal'"] = "inference"
    foreground: Annotated[float, "weight of foregrounds' tokens in the loss"] = 1.0
    seed: Annotated[int, "of data, noise and new weights"] = 0

    save_every: Annotated[int, "steps between checkpoints, the last two of which are kept"] = 1000
    sample_every: Annotated[int, "steps between sheets of samples; 0 for none at all"] = 1000
    samples: Annotated[int, "examples on a sheet"] = 4
    log_every: Annotated[int, "steps between rows of the log"] = 10

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate", "rank", "save_every", "log_every", "samples"):
            _require(getattr(self, name) >= 1, f"{_flag(name)} must be at least 1.")
        for name in ("merge", "drop", "caption_share", "ema"):
            _require(0 <= getattr(self, name) <= 1, f"{_flag(name)} must be within 0 and 1.")
        shares = self.shares
        _require(min(shares) >= 0 and sum(shares) > 0, "The tasks' weights must add up to more.")
        _require(self.size is None or self.size >= 16, "--size must be at least 16 pixels.")
        known = self.base or self.transformer or self.network
        _require(
            bool(known), "There is nothing to train.", "Give --base, or --config with a network."
        )

    @property
    def shares(self) -> tuple[float, float, float]:
        """Weights of the tasks, in the order of ``TASKS``."""
        return self.text_share, self.picture_share, self.layers_share

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


# May differ when a run is resumed: how long and where, not what is learned.
_MAY_CHANGE = frozenset(
    {"out", "steps", "cache", "save_every", "sample_every", "samples", "log_every"}
)


def check_same(old: Settings, new: Settings) -> None:
    """Raises ``InvalidRequest`` if ``new`` would not continue the run of ``old``."""
    changed = [
        item.name
        for item in fields(Settings)
        if item.name not in _MAY_CHANGE and getattr(old, item.name) != getattr(new, item.name)
    ]
    may_lengthen = not new.decay or old.steps == new.steps
    if changed or not may_lengthen:
        names = ", ".join(_flag(name) for name in changed or ["steps"])
        raise InvalidRequest(
            f"The run in {new.out!r} was begun with another {names}.",
            advice="Take its settings, or another --out.",
        )


def load_settings(path: Path) -> Settings:
    """Settings from a JSON file; what it does not name is the default.

    Raises ``UnreadableFile`` and, for names and values that are no settings, ``InvalidRequest``.
    """
    return Settings(**_values(path))


def _values(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{str(path)!r} cannot be read: {error}.") from error
    unknown = set(values) - {item.name for item in fields(Settings)}
    _require(not unknown, f"{str(path)!r} sets {', '.join(sorted(unknown))}, which is unknown.")
    return values


def parse_settings(arguments: Sequence[str] | None = None) -> Settings:
    """From the command line: defaults, over them ``--config``, over them what is given."""
    parser = argparse.ArgumentParser(
        prog="python -m training.multilayer",
        description="Train the multi-layer transformer: text, a picture or layers to layers.",
    )
    parser.add_argument("--config", type=Path, help="JSON file of settings")
    types = get_type_hints(Settings, include_extras=True)
    for item in fields(Settings):
        if item.name != "network":
            _add(parser, item.name, item.default, types[item.name])
    given = vars(parser.parse_args(arguments))
    config = given.pop("config")
    values = {name: value for name, value in given.items() if value is not None}
    return Settings(**{**(_values(config) if config else {}), **values})


def _add(parser: argparse.ArgumentParser, name: str, default: Any, annotation: Any) -> None:
    kind, text = get_args(annotation)
    options: dict[str, Any] = {"default": None}
    shown = "" if default is None else f" (default {default})"
    if get_origin(kind) is Literal:
        options["choices"] = get_args(kind)
    elif kind is bool:
        options["action"] = argparse.BooleanOptionalAction
    else:
        options["type"] = get_args(kind)[0] if isinstance(kind, UnionType) else kind
        options["metavar"] = "X"
    parser.add_argument(_flag(name), help=text + shown, **options)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _require(condition: bool, message: str, advice: str = "") -> None:
    if not condition:
        raise InvalidRequest(message, advice=advice)
