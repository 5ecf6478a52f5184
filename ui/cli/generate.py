"""``layerstudio generate``: text to layered files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerstudio.ui.cli import generate_options as given
from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import (
    JsonOption,
    MethodOption,
    OverwriteOption,
    SeedOption,
    SettingsOption,
)

if TYPE_CHECKING:
    from layerstudio.document import Document
    from layerstudio.generate_request import GenerateRequest
    from layerstudio.progress import Progress
    from layerstudio.requests import DecomposeRequest


@guarded
def generate(
    context: typer.Context,
    prompt: given.PromptArgument = None,
    prompt_file: given.PromptFileOption = None,
    recipe: given.FromOption = None,
    method: MethodOption = None,
    mode: given.ModeOption = None,
    negative: given.NegativeOption = None,
    foregrounds: given.ForegroundOption = None,
    background: given.BackgroundOption = None,
    boxes: given.ForegroundBoxOption = None,
    size: given.SizeOption = None,
    count: given.CountOption = None,
    seed: SeedOption = None,
    steps: given.StepsOption = None,
    guidance: given.GuidanceOption = None,
    strength: given.StrengthOption = None,
    ending_step: given.EndingStepOption = None,
    scheduler: given.SchedulerOption = None,
    image: given.ImageOption = None,
    foreground_image: given.ForegroundImageOption = None,
    background_image: given.BackgroundImageOption = None,
    blended_image: given.BlendedImageOption = None,
    control: given.ControlOption = None,
    style: given.StyleOption = None,
    base: given.BaseOption = None,
    loras: given.LoraOption = None,
    controlnet: given.ControlNetOption = None,
    ip_adapter: given.IPAdapterOption = None,
    variant: given.VariantOption = None,
    patch_strength: given.PatchStrengthOption = None,
    augment: given.AugmentOption = None,
    parity: given.ParityOption = None,
    layers: given.LayersOption = None,
    planner: given.PlannerOption = None,
    true_guidance: given.TrueGuidanceOption = None,
    layer_guidance: given.LayerGuidanceOption = None,
    document: given.DocumentOption = None,
    keep: given.KeepOption = None,
    regenerate: given.RegenerateOption = None,
    settings: SettingsOption = None,
    device: given.DeviceOption = None,
    dtype: given.DtypeOption = None,
    attention: given.AttentionOption = None,
    offload: given.OffloadOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder, or a file (numbered if several)."),
    ] = None,
    formats: Annotated[
        str | None, typer.Option("--format", help="One or more, such as psd,ora. [default: psd]")
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make layers from text.

    What is not given is the method's default; what was used is recorded in the file, and
    --from FILE makes the same again. Nothing is written unless all pictures are finished.
    """
    from layerstudio.io.files import suffixes_of
    from layerstudio.ui.cli.naming import check_targets, targets_of_new

    options = context.params
    request = _request(options)
    suffixes = suffixes_of(formats) if formats else None
    targets = targets_of_new(_stem(request), getattr(request, "count", 1), out, suffixes, overwrite)
    for files in targets:
        check_targets(files, overwrite)
    start = time.perf_counter()
    documents = _run(request, options)
    seconds = time.perf_counter() - start
    _report(_saved(documents, targets), seconds, as_json)


def _request(options: dict[str, Any]) -> GenerateRequest | DecomposeRequest:
    from layerstudio.generate_request import GenerateRequest
    from layerstudio.pipelines.rerunning import recipe_of

    fields = given.request_fields(options)
    if options["recipe"] is not None:
        return recipe_of(options["recipe"], fields)
    return GenerateRequest.from_dict(fields)


def _stem(request: GenerateRequest | DecomposeRequest) -> str:
    """What the files are called: the first words of what they show."""
    from layerstudio.pipelines.recording import title_of
    from layerstudio.requests import DecomposeRequest

    if isinstance(request, DecomposeRequest):
        return title_of(request.source)["title"] if request.source else "picture"
    words = (request.prompt or ", ".join(request.foregrounds)).split()
    if not words and request.document is not None:
        return Path(request.document.source).stem
    return " ".join(words[:8])


def _run(
    request: GenerateRequest | DecomposeRequest, options: dict[str, Any]
) -> tuple[Document, ...]:
    from layerstudio.pipelines.rerunning import run_recipe
    from layerstudio.ui.cli.output import progress_bar, remark

    quiet = options["as_json"]
    with progress_bar(_stem(request) or "picture", quiet) as show:

        def watch(report: Progress) -> None:
            show(report)
            if report.stage.startswith("loaded: ") and not quiet:
                remark(report.stage.removeprefix("loaded: "))

        return run_recipe(
            request,
            given.pictures_given(options),
            runtime=given.runtime_of(options),
            progress=watch,
        )


def _saved(
    documents: Sequence[Document], targets: Sequence[tuple[Path, ...]]
) -> list[dict[str, Any]]:
    """Write each document, and say what was made of it, JSON-ready."""
    from layerstudio.io.files import save_with_notes

    results = []
    for document, files in zip(documents, targets, strict=True):
        notes = list(document.notes)
        for path in files:
            notes.extend(f"{path.name}: {note}" for note in save_with_notes(document, path))
        request = dict(document.request or {})
        results.append(
            {
                "outputs": [str(path) for path in files],
                "layers": [layer.name for layer in document.layers],
                "extent": list(document.extent),
                "seed": request.get("seed"),
                "notes": notes,
                "request": request,
            }
        )
    return results


def _report(results: list[dict[str, Any]], seconds: float, as_json: bool) -> None:
    from layerstudio.ui.cli.output import print_json, print_table, remark

    if as_json:
        print_json({"results": results, "seconds": round(seconds, 3)})
        return
    for note in dict.fromkeys(note for result in results for note in result["notes"]):
        remark(note)
    rows = [
        (
            str(result["request"].get("mode") or ""),
            str(len(result["layers"])),
            "{} x {}".format(*result["extent"]),
            str(result["seed"]),
            " ".join(result["outputs"]),
        )
        for result in results
    ]
    print_table(("mode", "layers", "size", "seed", "written"), rows, right=("layers", "seed"))
    remark(f"{seconds:.1f} s")
