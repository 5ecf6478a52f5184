"""``layerstudio models``: the checkpoints, what of them is here, and how to get or lose them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from layerstudio.ui.cli.boundary import USER_ERROR, guarded, one_line
from layerstudio.ui.cli.options import JsonOption

if TYPE_CHECKING:
    from layerstudio.pipelines.memory_layout import Dtype
    from layerstudio.pipelines.multilayer.pieces import FusedLora
    from layerstudio.progress import Progress, ProgressCallback
    from layerstudio.weights.consent import Terms
    from layerstudio.weights.registry import Checkpoint

app = typer.Typer(
    help="List, fetch, verify and remove checkpoints.", no_args_is_help=True, rich_markup_mode=None
)

NameArgument = Annotated[
    str, typer.Argument(help="An id from `models list`, or a repository organisation/name.")
]
NamesArgument = Annotated[
    list[str], typer.Argument(help="Ids from `models list`, or repositories organisation/name.")
]
RevisionOption = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of a repository outside the list.")
]


@app.command("list")
@guarded
def list_models(
    present: Annotated[
        bool, typer.Option("--present", help="Only what is on this machine.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the checkpoints: what each is, its licence, and whether it is here."""
    from layerstudio.ui.cli.output import print_json, print_table
    from layerstudio.weights.registry import checkpoints

    rows = [_described(row) for row in checkpoints()]
    rows = [row for row in rows if row["present"] or not present]
    if as_json:
        print_json({"models": rows})
        return
    columns = ("id", "family", "kind", "here", "licence", "gated")
    cells = [
        (
            row["id"],
            row["family"],
            row["kind"],
            _here(row),
            row["licence"]["name"],
            "yes" if row["gated"] else "",
        )
        for row in rows
    ]
    print_table(columns, cells, right=("here",))


@app.command("show")
@guarded
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show one checkpoint: origin, licence, files, notes, and where it lies."""
    from layerstudio.ui.cli.output import print_json
    from layerstudio.weights import store
    from layerstudio.weights.registry import checkpoint

    row = checkpoint(name)
    found = _described(row)
    found["files_present"] = {path: str(at) for path, at in store.present_files(name).items()}
    if as_json:
        print_json(found)
        return
    licence = row.licence
    facts = {
        "title": row.title,
        "for": f"{row.family}, {row.kind}" + (f", with {row.base}" if row.base else ""),
        "from": f"{row.page} at {row.revision}" + (" (gated)" if row.gated else ""),
        "licence": f"{licence.name}, {licence.url}"
        + ("" if licence.commercial else "; no commercial use"),
        "provenance": row.provenance,
        "withdrawn": row.withdrawn,
        "files": "\n".join(row.patterns),
        "here": _here(found),
        "folder": str(store.located(name)) if found["present"] else "",
        "notes": row.notes,
    }
    for key, value in facts.items():
        for line in value.splitlines():
            typer.echo(one_line(f"{key:>10}  {line}"))
            key = ""


@app.command("pull")
@guarded
def pull(
    names: NamesArgument,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licence without being asked.")
    ] = False,
    accept_provenance: Annotated[
        bool,
        typer.Option("--accept-provenance", help="Accept weights whose training data is in doubt."),
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not use the network.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Take what is published now, not what was first seen.")
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(envvar="HF_TOKEN", help="A token of the hub, for gated repositories."),
    ] = None,
    revision: RevisionOption = None,
    variant: Annotated[
        str | None, typer.Option(help="Precision of a repository outside the list, such as fp16.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Download checkpoints into the Hugging Face cache, verified; goes on where it ended."""
    from layerstudio.ui.cli.output import print_json
    from layerstudio.weights import fetch

    pulled = []
    for name in names:
        with download_bars(quiet=as_json) as progress:
            folder = fetch.pull(
                name,
                progress=progress,
                offline=offline,
                accept_licence=accept_licence,
                accept_provenance=accept_provenance,
                ask=_ask,
                token=token,
                revision=revision,
                variant=variant,
                update=update,
            )
        pulled.append({"name": name, "folder": str(folder)})
        if not as_json:
            typer.echo(one_line(f"{name}: {folder}"))
    if as_json:
        print_json({"pulled": pulled})


@app.command("verify")
@guarded
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="What to verify; by default all that is here.")
    ] = None,
    revision: RevisionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read the files again and compare their hashes; ends with 2 if one differs or is missing."""
    from dataclasses import asdict

    from layerstudio.ui.cli.output import print_json, print_table, progress_bar
    from layerstudio.weights import store, upkeep
    from layerstudio.weights.registry import checkpoints

    chosen = names or [row.id for row in checkpoints() if store.is_present(row.id)]
    with progress_bar("Verifying", quiet=as_json) as progress:
        found = {name: upkeep.verify(name, revision=revision, progress=progress) for name in chosen}
    if as_json:
        files = {name: [asdict(one) for one in reports] for name, reports in found.items()}
        print_json({"verified": files})
    else:
        rows = [(name, one.path, one.state, one.detail) for name in found for one in found[name]]
        print_table(("checkpoint", "file", "state", ""), rows)
    if any(one.state in ("damaged", "missing") for reports in found.values() for one in reports):
        raise typer.Exit(USER_ERROR)


@app.command("remove")
@guarded
def remove(
    names: NamesArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Without being asked.")] = False,
    revision: RevisionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete checkpoints from the cache, which other programs on this machine may share."""
    from layerstudio.errors import InvalidRequest
    from layerstudio.ui.cli.output import print_json
    from layerstudio.weights import upkeep

    question = f"Delete {', '.join(names)} from the cache, for other programs too?"
    if not yes and not (sys.stdin.isatty() and typer.confirm(one_line(question), err=True)):
        raise InvalidRequest("Nothing was deleted.", advice="Say --yes to delete.")
    freed = {name: upkeep.remove(name, revision=revision) for name in names}
    if as_json:
        print_json({"freed_bytes": freed})
        return
    for name, count in freed.items():
        typer.echo(one_line(f"{name}: {size(count)} freed"))


@app.command("convert")
@guarded
def convert(
    output: Annotated[Path, typer.Option("-o", "--output", help="The new folder.")],
    name: Annotated[str | None, typer.Argument(help="cld or art; or name the pieces.")] = None,
    base: Annotated[str, typer.Option(help="FLUX.1: an id, a folder or a hub name.")] = "flux-dev",
    transformer: Annotated[
        Path | None, typer.Option(help="Folder of a whole transformer instead of the base's.")
    ] = None,
    lora: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE[:WEIGHT]", help="Fused in this order. May be repeated."),
    ] = None,
    layer_pe: Annotated[Path | None, typer.Option(help="File with the layers' vectors.")] = None,
    decoder: Annotated[
        Path | None, typer.Option(help="Transparency decoder, a file or a folder.")
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="Folder of the inpainting ControlNet, for pictures.")
    ] = None,
    adapter_lora: Annotated[
        list[str] | None, typer.Option(metavar="FILE[:WEIGHT]", help="Fused into the adapter.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="bfloat16, float16 or float32.")] = "bfloat16",
    as_json: JsonOption = False,
) -> None:
    """Make one multi-layer pipeline of what was published in pieces."""
    from layerstudio.pipelines.multilayer.convert import convert as write
    from layerstudio.pipelines.multilayer.pieces import chosen_pieces
    from layerstudio.ui.cli.output import print_json, progress_bar

    pieces = chosen_pieces(
        name,
        base,
        transformer=transformer,
        loras=_fused(lora),
        layer_pe=layer_pe,
        decoder=decoder,
        adapter=adapter,
        adapter_loras=_fused(adapter_lora),
    )
    with progress_bar("Converting", quiet=as_json) as progress:
        folder = write(pieces, output, dtype=cast("Dtype", dtype), progress=progress)
    if as_json:
        print_json({"folder": str(folder)})
    else:
        typer.echo(one_line(str(folder)))


def _fused(texts: list[str] | None) -> list[FusedLora]:
    from layerstudio.pipelines.multilayer.pieces import FusedLora
    from layerstudio.ui.cli.generate_options import parse_adapter

    given = [parse_adapter(text) for text in texts or ()]
    return [FusedLora(Path(one["source"]), one.get("weight", 1.0)) for one in given]


def size(count: int) -> str:
    """Bytes as the hub's pages write them: powers of ten."""
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count} B"


def _described(row: Checkpoint) -> dict[str, Any]:
    """A row with what of it is here, for --json."""
    from dataclasses import asdict

    from layerstudio.weights import store

    return asdict(row) | {
        "page": row.page,
        "present": store.is_present(row.id),
        "bytes_on_disk": store.size_on_disk(row.id),
    }


def _here(described: dict[str, Any]) -> str:
    count = described["bytes_on_disk"]
    if described["present"]:
        return size(count)
    return f"{size(count)}, incomplete" if count else "no"


def _ask(terms: Terms) -> bool:
    """Show the terms, and ask if there is somebody to answer."""
    what = "licence" if terms.kind == "licence" else "provenance in doubt"
    typer.echo(one_line(f"{terms.repository}, {what}: {terms.text} ({terms.url})"), err=True)
    return sys.stdin.isatty() and typer.confirm("Accept?", err=True)


@contextmanager
def download_bars(quiet: bool = False) -> Iterator[ProgressCallback]:
    """Two bars on stderr, if it is a terminal: this file's bytes, and all files'."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    from layerstudio.weights.progress import DownloadProgress

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    )  # fmt: skip
    bars = Bars(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)
    one = bars.add_task("", visible=False)
    every = bars.add_task("all files", visible=False)

    def show(progress: Progress) -> None:
        if not isinstance(progress, DownloadProgress):
            return
        bars.start()  # not before, or the bars would garble the question about the licence
        text = escape(one_line(progress.stage))
        size_of_file, total = progress.file_size, progress.total
        bars.update(
            one, description=text, completed=progress.file_done, total=size_of_file, visible=True
        )
        bars.update(every, completed=progress.done, total=total, visible=True)

    try:
        yield show
    finally:
        bars.stop()
