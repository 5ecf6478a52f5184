"""``layerstudio``: the table of commands.

Command modules import what they work with inside their functions, so that help and completion
answer at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from layerstudio.ui.cli import (
    batch,
    bench,
    decompose,
    doctor,
    export,
    generate,
    inpaint,
    inspecting,
    matte,
    methods,
    models,
    segment,
    split,
    stages,
    ui,
    verify,
)
from layerstudio.ui.cli.boundary import show_tracebacks

# Rich help would cost its import on every --help and every completion.
app = typer.Typer(
    name="layerstudio",
    help="Layered images: make them from text, take pictures apart, write them for any program.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("generate")(generate.generate)
app.command("decompose")(decompose.decompose)
app.command("batch")(batch.batch)
app.command("segment")(segment.segment)
app.command("matte")(matte.matte)
app.command("inpaint")(inpaint.inpaint)
app.command("split")(split.split)
app.command("export")(export.export)
app.command("inspect")(inspecting.inspect)
app.command("verify")(verify.verify)
app.command("methods")(methods.methods)
app.command("stages")(stages.stages)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)
app.command("ui")(ui.ui)
app.command("bench")(bench.bench)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"layerstudio {version('layerstudio')}")
        raise typer.Exit


@app.callback()
def start(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks.", envvar="LAYERSTUDIO_DEBUG")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="And exit.")
    ] = False,
) -> None:
    show_tracebacks(debug)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
