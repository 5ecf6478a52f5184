"""The options of ``generate``, and how their text becomes a request."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from layerstudio.ui.cli.options import parse_box

if TYPE_CHECKING:
    from layerstudio.generate_request import InputRole
    from layerstudio.pipelines.runtime import Runtime

PromptArgument = Annotated[
    str | None, typer.Argument(metavar="PROMPT", help="What to make.", show_default=False)
]
PromptFileOption = Annotated[
    Path | None, typer.Option("--prompt-file", help="Read the prompt from a text file, or - .")
]
FromOption = Annotated[
    Path | None,
    typer.Option("--from", help="Run the recipe in a layered file again; options change it."),
]
ModeOption = Annotated[
    str | None, typer.Option(help="A way of working of the method, such as fg or fg+bg.")
]
NegativeOption = Annotated[str | None, typer.Option("--negative", help="What not to show.")]
ForegroundOption = Annotated[
    list[str] | None,
    typer.Option("--foreground", help="The text of one layer. May be repeated."),
]
BackgroundOption = Annotated[str | None, typer.Option(help="The text of what is behind them.")]
ForegroundBoxOption = Annotated[
    list[str] | None,
    typer.Option("--box", "--boxes", metavar="X,Y,W,H", help="A foreground's place, in order."),
]
SizeOption = Annotated[
    str | None, typer.Option(metavar="WxH", help="In pixels, such as 1024x1024.")
]
CountOption = Annotated[int | None, typer.Option(help="Pictures, with the seeds N, N+1 ...")]
StepsOption = Annotated[int | None, typer.Option(help="Steps of the sampling.")]
GuidanceOption = Annotated[
    float | None, typer.Option(help="How closely to follow the prompt (classifier-free guidance).")
]
StrengthOption = Annotated[
    float | None, typer.Option(help="How much of --image to change, 0 to 1.")
]
EndingStepOption = Annotated[
    float | None,
    typer.Option(help="Share of the steps after which conditional weights are off, 0 to 1."),
]
SchedulerOption = Annotated[str | None, typer.Option(help='A sampler, such as "euler a".')]
ImageOption = Annotated[Path | None, typer.Option(help="A picture to vary.")]
ForegroundImageOption = Annotated[Path | None, typer.Option(help="A cut-out to complete.")]
BackgroundImageOption = Annotated[Path | None, typer.Option(help="A background to complete.")]
BlendedImageOption = Annotated[
    Path | None, typer.Option(help="What both look like together, if you have it.")
]
ControlOption = Annotated[Path | None, typer.Option(help="The picture that --controlnet follows.")]
StyleOption = Annotated[Path | None, typer.Option(help="The picture that --ip-adapter follows.")]
BaseOption = Annotated[
    str | None,
    typer.Option(help="The model underneath: id, folder, .safetensors file, or hub name in cache."),
]
LoraOption = Annotated[
    list[str] | None,
    typer.Option("--lora", metavar="FILE[:WEIGHT]", help="A LoRA. May be repeated."),
]
ControlNetOption = Annotated[
    str | None, typer.Option("--controlnet", metavar="WHICH[:WEIGHT]", help="A ControlNet.")
]
IPAdapterOption = Annotated[
    str | None, typer.Option("--ip-adapter", metavar="WHICH[:WEIGHT]", help="An IP-Adapter.")
]
VariantOption = Annotated[str | None, typer.Option(help="Which of the published weights.")]
PatchStrengthOption = Annotated[
    float | None, typer.Option(help="How much of the published weights; 1 as published.")
]
AugmentOption = Annotated[
    int | None, typer.Option(help="Passes of the transparency decoder: 8, 4, 2 or 1.")
]
ParityOption = Annotated[
    Literal["cli"] | None, typer.Option(help="Sample as the published script does.")
]
DeviceOption = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 ...")]
DtypeOption = Annotated[
    Literal["auto", "float32", "float16", "bfloat16"] | None, typer.Option(help="Precision.")
]
AttentionOption = Annotated[
    Literal["auto", "xformers", "sdpa", "flash"] | None, typer.Option(help="Attention library.")
]
OffloadOption = Annotated[
    Literal["auto", "none", "model", "sequential"] | None,
    typer.Option(help="Move what is not in use to the main memory."),
]

# Options that are fields of the request as they are.
_PLAIN = (
    "prompt", "method", "mode", "background", "seed", "count", "steps", "guidance", "strength",
    "ending_step", "scheduler", "base", "variant", "patch_strength", "augment", "parity",
)  # fmt: skip
_ROLES: dict[str, InputRole] = {
    "image": "image",
    "foreground_image": "foreground",
    "background_image": "background",
    "blended_image": "blended",
    "control": "control",
    "style": "style",
}


def request_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a ``GenerateRequest`` that the options name, and no others."""
    fields = {name: options[name] for name in _PLAIN if options[name] is not None}
    if options["negative"] is not None:
        fields["negative_prompt"] = options["negative"]
    if options["foregrounds"]:
        fields["foregrounds"] = options["foregrounds"]
    if options["prompt_file"] is not None:
        fields["prompt"] = _prompt_from(options["prompt_file"], options["prompt"])
    if options["size"] is not None:
        fields["extent"] = parse_size(options["size"])
    if options["boxes"]:
        fields["boxes"] = [parse_box(box) for box in options["boxes"]]
    if options["loras"]:
        fields["loras"] = [parse_adapter(text) for text in options["loras"]]
    for name in ("controlnet", "ip_adapter"):
        if options[name] is not None:
            fields[name] = parse_adapter(options[name])
    return fields


def pictures_given(options: Mapping[str, Any]) -> dict[InputRole, str]:
    """The paths of pictures, by role."""
    return {role: str(options[name]) for name, role in _ROLES.items() if options[name] is not None}


def runtime_of(options: Mapping[str, Any]) -> Runtime:
    from layerstudio.pipelines.runtime import Runtime

    names = ("device", "dtype", "attention", "offload")
    return Runtime(**{name: options[name] for name in names if options[name] is not None})


def parse_size(text: str) -> tuple[int, int]:
    """ "1024x768", or one number for a square; raises ``typer.BadParameter``."""
    found = re.fullmatch(r"(\d+)(?:\s*[x×,]\s*(\d+))?", text.strip(), re.IGNORECASE)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a size such as 1024x768.")
    return int(found[1]), int(found[2] or found[1])


def parse_adapter(text: str) -> dict[str, Any]:
    """ "FILE" or "FILE:0.8"; what follows the last colon counts only if it is a number."""
    source, _, weight = text.rpartition(":")
    try:
        return {"source": source, "weight": float(weight)} if source else {"source": text}
    except ValueError:
        return {"source": text}


def _prompt_from(path: Path, prompt: str | None) -> str:
    if prompt is not None:
        raise typer.BadParameter("Give either a prompt or --prompt-file.")
    if str(path) == "-":
        return sys.stdin.read().strip()
    from layerstudio.io.limits import DEFAULT_LIMITS
    from layerstudio.io.picture import read_bytes

    try:
        return read_bytes(path, DEFAULT_LIMITS).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{str(path)!r} is not a text file in UTF-8.") from None
