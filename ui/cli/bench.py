"""``layerstudio bench``: methods scored on pictures whose layers are known."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from layerstudio.errors import InvalidRequest
from layerstudio.ui.cli import generate_options as given
from layerstudio.ui.cli.boundary import STOPPED, USER_ERROR, guarded
from layerstudio.ui.cli.options import (
    DecomposeBaseOption,
    ExactOption,
    JsonOption,
    MaxPixelsOption,
    OverwriteOption,
    SeedOption,
    SettingsOption,
    limits_of,
    parse_layers,
    parse_setting,
)

if TYPE_CHECKING:
    from layerstudio.pipelines.evaluation.contestants import Contestant
    from layerstudio.pipelines.evaluation.samples import Dataset

_SCRIPT = Path("benchmarks/designs.py")
# Not part of the package: found by name where there is a checkout.
_DESIGNS = "benchmarks.design_samples"
_DEFAULT_SEEDS = "0:200"


@guarded
def bench(
    context: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(help="Layered files, or folders of PNG layers. Default: the designs."),
    ] = None,
    methods: Annotated[
        list[str] | None, typer.Option("--method", help="May be repeated. [default: flat]")
    ] = None,
    results: Annotated[
        list[str] | None,
        typer.Option("--results", metavar="NAME=FOLDER", help="Another program's layers."),
    ] = None,
    layout: Annotated[
        Literal["auto", "designs", "crello", "psd"], typer.Option(help="What DATA is.")
    ] = "auto",
    seeds: Annotated[
        str, typer.Option(metavar="A:B", help="Which designs, without DATA.")
    ] = _DEFAULT_SEEDS,
    split: Annotated[
        str, typer.Option(help="Of the designs: dev, or test for a last word.")
    ] = "dev",
    limit: Annotated[int | None, typer.Option(min=1, help="Samples at most.")] = None,
    short_side: Annotated[
        int | None, typer.Option(min=16, help="Shrink larger samples to this; LayerD's is 512.")
    ] = None,
    layers: Annotated[
        str, typer.Option("--layers", "-n", metavar="N|auto|truth", help="Layers to ask for.")
    ] = "auto",
    boxes: Annotated[
        Literal["none", "truth"], typer.Option(help="Give the true layers' places, which flatters.")
    ] = "none",
    settings: SettingsOption = None,
    exact: ExactOption = True,
    seed: SeedOption = None,
    base: DecomposeBaseOption = None,
    device: given.DeviceOption = None,
    dtype: given.DtypeOption = None,
    attention: given.AttentionOption = None,
    offload: given.OffloadOption = None,
    edits: Annotated[int, typer.Option(min=0, max=50, help="Merges that LayerD's allows.")] = 5,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Samples at a time.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for the report; else only tables.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, help="Worst samples that the report shows.")] = 24,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the report's run.")] = False,
    max_pixels: MaxPixelsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score methods on pictures whose layers are known, and write a report.

    By LayerD's protocol, by CLD's, and by putting the layers together again. DATA is a folder of
    PSDs (or of other layered files), or of PNG layers as LayerD's generator writes them; without
    it, designs are generated, which needs a checkout of the repository. Several methods are set
    side by side. Ctrl-C writes a report of what was done, and --resume goes on.
    """
    from layerstudio.pipelines.evaluation.plan import Plan
    from layerstudio.ui.cli.bench_running import carried_out, tell

    options = context.params
    dataset = _dataset(data, layout, seeds, split, limit, max_pixels)
    _check_jobs(jobs, device)
    thumb_side = _THUMB_SIDE if out is not None and pictures else 0
    plan = Plan(dataset, _contestants(options), edits, short_side, thumb_side)
    report, stopped = carried_out(
        plan, jobs, out, pictures, resume=resume, overwrite=overwrite, quiet=as_json
    )
    tell(report, out, as_json)
    if stopped:
        raise typer.Exit(STOPPED)
    if not any(outcome.scores for outcome in report.outcomes):
        raise typer.Exit(USER_ERROR)


_THUMB_SIDE = 264  # pixels: twice what the page shows, for dense screens


def _dataset(
    data: str | None, layout: str, seeds: str, split: str, limit: int | None, pixels: int | None
) -> Dataset:
    if data is not None and layout != "designs":
        from layerstudio.pipelines.evaluation.reading import open_dataset

        return open_dataset(data, layout, limit=limit, limits=limits_of(pixels))
    if layout not in ("auto", "designs") or data is not None:
        raise InvalidRequest(
            "Designs are generated, and everything else is read from DATA.",
            advice="Give either --layout designs or a folder.",
        )
    root = str(_checkout())
    if root not in sys.path:
        sys.path.insert(0, root)
    chosen = parse_seeds(seeds)
    known = import_module("training.splits").SPLITS
    if split not in known:
        raise InvalidRequest(f"There is no split {split!r}.", advice=f"{', '.join(known)}.")
    return import_module(_DESIGNS).Designs(chosen[:limit], split)


def parse_seeds(text: str) -> range:
    """ "100" is 0 to 99, "40:60" is 40 to 59; raises ``typer.BadParameter``."""
    first, _, last = text.rpartition(":")
    try:
        seeds = range(int(first or 0), int(last))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not A:B.") from None
    if not seeds or seeds.start < 0:
        raise typer.BadParameter(f"{text!r} holds no seed.")
    return seeds


def _contestants(options: dict[str, Any]) -> tuple[Contestant, ...]:
    from layerstudio.pipelines.evaluation.contestants import FolderContestant, method_contestants
    from layerstudio.pipelines.methods import DEFAULT_DECOMPOSE
    from layerstudio.requests import DecomposeRequest

    others = [parse_setting(text) for text in options["results"] or ()]
    methods = options["methods"] or ([] if others else [DEFAULT_DECOMPOSE])
    told = options["layers"].strip() == "truth"
    request = DecomposeRequest.from_dict(
        {
            "layers": "auto" if told else parse_layers(options["layers"]),
            "exact": options["exact"],
            "seed": options["seed"],
            "base": options["base"],
            "read_text": False,  # words are not scored
        }
    )
    ours = method_contestants(
        methods,
        request,
        dict(parse_setting(text) for text in options["settings"] or ()),
        given.runtime_of(options),
        layers_from_truth=told,
        boxes_from_truth=options["boxes"] == "truth",
    )
    limits = limits_of(options["max_pixels"])
    theirs = [FolderContestant(name, Path(folder), limits) for name, folder in others]
    return (*ours, *theirs)


def _check_jobs(jobs: int, device: str | None) -> None:
    if jobs > 1 and device is not None and device.startswith("cuda"):
        raise InvalidRequest(
            "Several processes would each load the weights onto the same device.",
            advice="Use --jobs 1 with a GPU.",
        )


def _checkout() -> Path:
    """The folder with ``benchmarks/``: where we are, or where this file really lies."""
    candidates = [Path.cwd(), *Path.cwd().parents, Path(__file__).resolve().parents[2]]
    for folder in candidates:
        if (folder / _SCRIPT).is_file() and (folder / "layerstudio").is_dir():
            return folder
    raise InvalidRequest(
        "The generated designs are not part of the installed package.",
        advice="Give a folder of layered files, or run this in a checkout of the repository.",
    )
