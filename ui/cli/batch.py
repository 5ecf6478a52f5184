"""``layerstudio batch``: thousands of pictures or prompts to layered files, unattended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from layerstudio.ui.cli import generate_options as given
from layerstudio.ui.cli.boundary import STOPPED, USER_ERROR, guarded
from layerstudio.ui.cli.options import (
    DecomposeBaseOption,
    ExactOption,
    JsonOption,
    LanguagesOption,
    LayersOption,
    MaxPixelsOption,
    MethodOption,
    OverwriteOption,
    ReadTextOption,
    SeedOption,
    SettingsOption,
    ShownOption,
    limits_of,
    request_fields,
)

if TYPE_CHECKING:
    from layerstudio.pipelines.batch.batch import Options, Summary
    from layerstudio.pipelines.batch.planning import Asked

INCOMPLETE = 3  # the batch ran to its end, and some items were set aside
ENDED_EARLY = 4  # a full disk, or more failures than allowed

InputsArgument = Annotated[
    list[str],
    typer.Argument(
        help="Pictures, folders, patterns such as 'in/*.png', addresses (s3://...), lists of "
        "requests (.jsonl, .csv), or - for lines of requests or paths on standard input."
    ),
]
OutOption = Annotated[str, typer.Option("--out", "-o", help="A folder or address to write to.")]
FormatsOption = Annotated[str, typer.Option("--format", help="One or more, such as psd,ora.")]
TemplateOption = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="TEMPLATE",
        help="{stem} {name} {folder} {suffix} {method} {seed} {index} {hash}, with / for folders.",
    ),
]
TaskOption = Annotated[
    Literal["decompose", "convert", "again"],
    typer.Option("--task", help="With files: take apart, only convert, or run their recipe again."),
]


@guarded
def batch(
    context: typer.Context,
    inputs: InputsArgument,
    out: OutOption,
    formats: FormatsOption = "psd",
    template: TemplateOption = "{stem}",
    task: TaskOption = "decompose",
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders in folders.")] = (
        False
    ),
    layers: LayersOption = "auto",
    method: MethodOption = None,
    exact: ExactOption = True,
    seed: SeedOption = None,
    read_text: ReadTextOption = None,
    languages: LanguagesOption = "eng",
    base: DecomposeBaseOption = None,
    prompts: ShownOption = None,
    settings: SettingsOption = None,
    device: given.DeviceOption = None,
    dtype: given.DtypeOption = None,
    attention: given.AttentionOption = None,
    offload: given.OffloadOption = None,
    max_pixels: MaxPixelsOption = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes on this machine, or a Ray cluster.")
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", "-w", min=0, help="0: in this process. [default: one, or one a GPU]"
        ),
    ] = None,
    address: Annotated[str, typer.Option(help="Of a running Ray cluster; default: one here.")] = "",
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds for one item.")] = None,
    max_failures: Annotated[
        int | None, typer.Option(min=0, help="End the batch when more items than that failed.")
    ] = None,
    overwrite: OverwriteOption = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what was set aside.")] = False,
    journal: Annotated[
        Path | None, typer.Option(help="Folder for the journal. Default: in the output folder.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, estimate, and run nothing.")
    ] = False,
    sample: Annotated[
        int, typer.Option(min=0, help="Items that a dry run measures its estimate on.")
    ] = 3,
    watch: Annotated[
        float | None,
        typer.Option(min=0.5, metavar="SECONDS", help="Look for new files, until stopped."),
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Prometheus metrics on 127.0.0.1.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make layered files of many pictures or prompts, and survive whatever happens.

    The same command continues where it ended, however that was. Items that cannot be done are set
    aside with their reason. Exit codes: 0 all done, 2 nothing was started, 3 some items were set
    aside, 4 ended early, 130 stopped. With --json every event is a line.
    """
    from layerstudio.io.files import suffixes_of
    from layerstudio.pipelines.batch.batch import Options
    from layerstudio.pipelines.batch.planning import Asked
    from layerstudio.pipelines.batch.templates import check_template

    check_template(template)
    _refuse_what_cannot_be_watched(inputs, watch, dry_run)
    fields = request_fields(
        layers, method, exact, seed, None, read_text, languages, base, prompts, settings=settings
    )
    asked = Asked(
        inputs=tuple(inputs),
        out=out,
        formats=suffixes_of(formats),
        template=template,
        task=task,
        defaults=_that_were_given(fields),
        recursive=recursive,
        settled=watch or 0.0,
        may_be_empty=watch is not None,
    )
    options = Options(
        engine=engine,
        workers=workers,
        address=address,
        runtime=given.runtime_of(context.params),
        limits=limits_of(max_pixels),
        overwrite=overwrite,
        retry=retry,
        most_failures=max_failures,
        timeout=timeout,
        home=journal,
    )
    if dry_run:
        _estimate(asked, options, sample, as_json)
        return
    raise typer.Exit(_run(asked, options, watch, metrics_port, as_json))


def _refuse_what_cannot_be_watched(inputs: list[str], watch: float | None, dry_run: bool) -> None:
    from layerstudio.errors import InvalidRequest
    from layerstudio.pipelines.batch.places import is_address, localised

    if watch is None:
        return
    if "-" in inputs:
        raise InvalidRequest("Standard input ends; it cannot be watched.")
    if dry_run:
        raise InvalidRequest("A dry run ends; it watches nothing.")
    for place in map(localised, inputs):
        is_pattern = any(character in place for character in "*?[")
        if not is_address(place) and not is_pattern and not Path(place).exists():
            raise InvalidRequest(f"{place!r} does not exist.", advice="Make it, then watch it.")


def _that_were_given(fields: dict[str, Any]) -> dict[str, Any]:
    """Options at their defaults say nothing, and must not change recipes that are run again."""
    from layerstudio.requests import DecomposeRequest

    plain = DecomposeRequest().to_dict()
    return {key: value for key, value in fields.items() if value != plain.get(key)}


def _run(
    asked: Asked, options: Options, watch: float | None, metrics_port: int | None, as_json: bool
) -> int:
    from layerstudio.pipelines.batch.batch import Batch
    from layerstudio.progress import CancelToken
    from layerstudio.ui.cli.batch_watching import listening, stopping_on_interrupt

    cancel = CancelToken()
    lines = _lines(asked.inputs)  # before signals are caught: nothing is lost by ending here
    with (
        listening(as_json, metrics_port) as listen,
        stopping_on_interrupt(cancel),
        Batch(asked, options, listen, cancel) as batch,
    ):
        code = 0
        for summary in [batch.run(lines)] if watch is None else batch.watch(watch):
            code = _finished(summary, as_json)
        return STOPPED if cancel.is_cancelled else code


def _lines(inputs: Sequence[str]) -> Iterator[str]:
    """Of standard input, if it is asked for; raises ``InvalidRequest`` for what is no text."""
    import sys

    from layerstudio.errors import InvalidRequest

    if "-" not in inputs:
        return iter(())
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"Standard input is not UTF-8: {error.reason}.") from None
    return iter(text.split("\n"))


def _finished(summary: Summary, as_json: bool) -> int:
    from layerstudio.errors import UnwritableFile
    from layerstudio.pipelines.batch.reporting import write_report
    from layerstudio.ui.cli.output import print_json_line, remark

    try:
        report = str(write_report(summary))
    except UnwritableFile as error:
        report = ""
        remark(str(error))
    tally = summary.tally
    code = ENDED_EARLY if tally.stopped else INCOMPLETE if summary.refused else 0
    if as_json:
        print_json_line({"event": "summary", **summary.to_dict(), "report": report or None})
        return code
    for one in summary.refused[:20]:
        remark(f"{one.origin}: {one.message}")
    if len(summary.refused) > 20:
        remark(f"... and {len(summary.refused) - 20} more; all are in the report.")
    if tally.stopped:
        remark(tally.stopped)
    typer.echo(summary.sentence)
    if report:
        typer.echo(f"Report: {report}")
    return code


def _estimate(asked: Asked, options: Options, sample: int, as_json: bool) -> None:
    from layerstudio.pipelines.batch.estimating import estimate
    from layerstudio.ui.cli.output import print_json, remark

    found = estimate(asked, options, sample, _lines(asked.inputs))
    if as_json:
        print_json(found.to_dict())
    else:
        for one in found.refused[:20]:
            remark(f"{one.origin}: {one.message}")
        for line in found.sentences:
            typer.echo(line)
    if not found.todo and found.refused:
        raise typer.Exit(USER_ERROR)
