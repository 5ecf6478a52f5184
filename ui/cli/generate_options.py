"""The options of ``generate``, and how their text becomes a request."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from layerstudio.ui.cli.options import parse_box, parse_layers, parse_setting

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
    typer.Option("--box", "--boxes", metavar="X,Y,W,H", help="A layer's place, bottom to top."),
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
LayersOption = Annotated[
    str | None,
    typer.Option(
        "--layers", "-n", metavar="N|auto", help="Layers to lay out, the background counted."
    ),
]
PlannerOption = Annotated[
    str | None, typer.Option(help="What lays layers out: rules, or a chat model.")
]
TrueGuidanceOption = Annotated[
    float | None, typer.Option(help="Classifier-free guidance beside the embedded one; 1 is none.")
]
LayerGuidanceOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME:SCALE", help="Guidance of one layer. May be repeated."),
]
DocumentOption = Annotated[
    Path | None,
    typer.Option(help="A layered file of which --regenerate, or all but --keep, is made anew."),
]
KeepOption = Annotated[
    list[str] | None, typer.Option("--keep", metavar="NAME", help="A layer that stays.")
]
RegenerateOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="A layer to make anew. May be repeated.")
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
    "planner", "true_guidance",
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
    fields |= _layer_fields(options)
    if options["prompt_file"] is not None:
        fields["prompt"] = _prompt_from(options["prompt_file"], options["prompt"])
    if options["size"] is not None:
        fields["extent"] = parse_size(options["size"])
    if options["boxes"]:
        fields["boxes"] = [parse_box(box) for box in options["boxes"]]
    if options["settings"]:
        fields["settings"] = dict(parse_setting(text) for text in options["settings"])
    if options["loras"]:
        fields["loras"] = [parse_adapter(text) for text in options["loras"]]
    for name in ("controlnet", "ip_adapter"):
        if options[name] is not None:
            fields[name] = parse_adapter(options[name])
    return fields


def _layer_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """What methods take that make all layers at once."""
    fields: dict[str, Any] = {}
    if options["layers"] is not None:
        fields["layers"] = parse_layers(options["layers"])
    is_laid_out_anew = options["layers"] is not None or options["planner"] is not None
    if is_laid_out_anew:  # whatever places a recipe has
        fields["boxes"] = ()
    if is_laid_out_anew or options["boxes"]:
        fields["layout"] = None
    if options["layer_guidance"]:
        fields["layer_guidance"] = [parse_named(text) for text in options["layer_guidance"]]
    if options["document"] is not None:
        fields["document"] = {"source": str(options["document"])}
    if options["keep"] or options["regenerate"]:  # one replaces the other of a recipe
        fields["locked"] = options["keep"] or ()
        fields["regenerate"] = options["regenerate"] or ()
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


def parse_named(text: str) -> tuple[str, float]:
    """ "NAME:3.0"; raises ``typer.BadParameter``."""
    found = re.fullmatch(r"(.+):\s*(\d+(?:\.\d*)?|\.\d+)\s*", text, re.DOTALL)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a name and a number such as Title:3.0.")
    return found[1], float(found[2])


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
