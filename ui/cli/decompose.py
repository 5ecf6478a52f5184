"""``layerstudio decompose``: flat pictures to layered files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerstudio.ui.cli import generate_options as given
from layerstudio.ui.cli.boundary import guarded
from layerstudio.ui.cli.options import (
    BoxOption,
    DecomposeBaseOption,
    ExactOption,
    ExcludedPointOption,
    JsonOption,
    LanguagesOption,
    LayersOption,
    MaxPixelsOption,
    MethodOption,
    OverwriteOption,
    PointOption,
    ReadTextOption,
    SeedOption,
    SettingsOption,
    ShownOption,
    limits_of,
    request_fields,
)

if TYPE_CHECKING:
    from layerstudio.ui.cli.decompose_jobs import Job, Outcome


@guarded
def decompose(
    context: typer.Context,
    paths: Annotated[list[str], typer.Argument(help="Pictures, or folders of pictures.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder, or a file for one picture. Default: beside."),
    ] = None,
    formats: Annotated[
        str | None, typer.Option("--format", help="One or more, such as psd,ora. [default: psd]")
    ] = None,
    layers: LayersOption = "auto",
    method: MethodOption = None,
    exact: ExactOption = True,
    seed: SeedOption = None,
    boxes: BoxOption = None,
    read_text: ReadTextOption = None,
    languages: LanguagesOption = "eng",
    base: DecomposeBaseOption = None,
    prompts: ShownOption = None,
    points: PointOption = None,
    excluded_points: ExcludedPointOption = None,
    settings: SettingsOption = None,
    device: given.DeviceOption = None,
    dtype: given.DtypeOption = None,
    attention: given.AttentionOption = None,
    offload: given.OffloadOption = None,
    max_pixels: MaxPixelsOption = None,
    overwrite: OverwriteOption = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Pictures at a time.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Take flat pictures apart into layers.

    Files that exist already are left alone unless --overwrite is given. A picture that cannot be
    read is reported, the others go on, and the exit code is 2.
    """
    from layerstudio.io.files import suffixes_of
    from layerstudio.requests import DecomposeRequest
    from layerstudio.ui.cli.decompose_jobs import Job
    from layerstudio.ui.cli.naming import pictures_in, targets_for

    fields = request_fields(
        layers, method, exact, seed, boxes, read_text, languages, base, prompts,
        points, excluded_points, settings,
    )  # fmt: skip
    request = DecomposeRequest.from_dict(fields)
    sources = pictures_in(paths)
    targets = targets_for(sources, out, suffixes_of(formats) if formats else None)
    limits = limits_of(max_pixels)
    runtime = given.runtime_of(context.params)
    work = [
        Job(source, files, request, limits, overwrite, runtime)
        for source, files in zip(sources, targets, strict=True)
    ]
    outcomes = _run(work, jobs, as_json)
    _report(outcomes, as_json)
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(max(outcome.exit_code for outcome in outcomes))


def _run(work: list[Job], processes: int, quiet: bool) -> list[Outcome]:
    """All outcomes in the order of the jobs; failures are told as they happen."""
    from layerstudio.progress import Progress
    from layerstudio.ui.cli.decompose_jobs import run_job, run_jobs
    from layerstudio.ui.cli.output import progress_bar, remark

    outcomes: list[Outcome] = []
    if min(processes, len(work)) > 1:
        with progress_bar(f"{len(work)} pictures", quiet) as show:
            for outcome in run_jobs(work, min(processes, len(work))):
                outcomes.append(outcome)
                show(Progress(outcome.source.name, len(outcomes) / len(work)))
    else:
        for job in work:
            with progress_bar(job.source.name, quiet) as show:
                outcomes.append(run_job(job, show))
    order = {job.source: index for index, job in enumerate(work)}
    outcomes.sort(key=lambda outcome: order[outcome.source])
    for outcome in outcomes:
        if outcome.error:
            remark(outcome.error if len(work) == 1 else f"{outcome.source}: {outcome.error}")
    return outcomes


def _report(outcomes: list[Outcome], as_json: bool) -> None:
    from layerstudio.ui.cli.output import levels, print_json, print_table, remark

    if as_json:
        print_json({"results": [outcome.to_dict() for outcome in outcomes]})
        return
    done = [outcome for outcome in outcomes if not outcome.error]
    for outcome in done:
        for note in outcome.notes:
            remark(f"{outcome.source.name}: {note}")
    rows = [
        (
            outcome.source.name,
            str(len(outcome.layers)),
            f"{outcome.seconds:.2f}",
            levels(outcome.recomposition_max_error or 0.0),
            " ".join(str(path) for path in outcome.outputs),
        )
        for outcome in done
    ]
    if rows:
        columns = ("picture", "layers", "seconds", "error", "written")
        print_table(columns, rows, right=("layers", "seconds", "error"))
