"""Files out of a document: every format that a browser can take, and single layers as PNGs."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layerstudio.document import BlendMode, Document, Group, Node, NodePath
from layerstudio.edits.paths import normalised
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.io.archive import add
from layerstudio.io.files import FORMATS, save_with_notes
from layerstudio.io.names import file_stem
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.jobs.job import JobFile


@dataclass(frozen=True)
class Facts:
    """What a person should know before choosing a format; ``loses`` is in docs/formats.md too."""

    summary: str
    loses: tuple[str, ...] = ()


_BAKED = "blend modes beyond the web's, and clipping, become pixels"
_EIGHT = "16 bits become 8"
_FACTS: dict[str, Facts] = {
    "psd": Facts("All layers, groups, masks and blend modes, up to 30,000 pixels a side."),
    "psb": Facts("As PSD, for pictures of up to 300,000 pixels a side."),
    "ora": Facts(
        "For Krita, GIMP and MyPaint; opened here again, nothing is lost.",
        ("masks and clipping become pixels for other programs",),
    ),
    "tif": Facts(
        "A page per layer, for scan tools and GIMP; opened here again, nothing is lost.",
        ("other programs see no groups, opacity or blend modes",),
    ),
    "zip": Facts("A PNG per layer with a list of all facts; nothing is lost."),
    "png": Facts("One picture with transparency.", ("layers are flattened",)),
    "webp": Facts(
        "One picture with transparency, without loss and small.",
        ("layers are flattened", _EIGHT),
    ),
    "svg": Facts("For Inkscape, Illustrator and the web, with live text.", (_BAKED, _EIGHT)),
    "pptx": Facts(
        "A slide of pictures and text boxes.",
        ("blend modes, masks and clipping become pixels", _EIGHT),
    ),
    "html": Facts("One file that shows the layers in any browser.", (_BAKED, _EIGHT)),
}


@dataclass(frozen=True)
class Wanted:
    """What to export: ``formats`` are suffixes of the table; ``paths`` the nodes, none for all.

    ``canvas`` gives single PNGs the size of the canvas instead of the layer's; ``text`` is "live"
    or "pixels" for the formats that can hold words.
    """

    formats: tuple[str, ...]
    paths: tuple[NodePath, ...] = ()
    canvas: bool = False
    text: str = "live"


def format_views() -> list[dict[str, Any]]:
    """The formats, JSON-ready, the most useful first."""
    return [
        {
            "id": id,
            "title": FORMATS[f".{id}"].title,
            "suffix": f".{id}",
            "summary": facts.summary,
            "loses": list(facts.loses),
        }
        for id, facts in _FACTS.items()
    ]


def formats_of(given: Sequence[Any]) -> tuple[str, ...]:
    """Ids as suffixes, each once; raises ``InvalidRequest`` for unknown ones and for none."""
    given = [given] if isinstance(given, str) else given
    ids = [str(id).lower().removeprefix(".") for id in given]
    unknown = [id for id in ids if id not in _FACTS]
    if unknown or not ids:
        raise InvalidRequest(
            f"{unknown[0][:40]!r} is no format." if unknown else "No format is chosen.",
            advice=f"There are: {', '.join(_FACTS)}.",
        )
    return tuple(dict.fromkeys(f".{id}" for id in ids))


def wanted_of(body: Fields, document: Document) -> Wanted:
    """The body of an export; raises ``InvalidRequest``."""
    options = body.object("options", {})
    options.only(("canvas", "text"))
    text = options.text("text", "live")
    if text not in ("live", "pixels"):
        raise InvalidRequest('Text is "live" or "pixels".')
    paths = body.paths("paths", [])
    return Wanted(
        formats_of(body.items("formats")),
        normalised(document, paths) if paths else (),
        options.flag("canvas", False),
        text,
    )


def export(
    document: Document,
    name: str,
    wanted: Wanted,
    folder: Path,
    *,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> tuple[JobFile, ...]:
    """Write the files into ``folder``, which is the caller's to remove if this raises.

    Of chosen nodes, "png" gives one PNG each, in a zip if there are several; the other formats hold
    these nodes alone. Raises ``UnwritableFile``, ``InvalidRequest`` and ``Cancelled``.
    """
    stem = file_stem(name, set(), "picture")
    titled = replace(document, metadata={"title": name, **document.metadata})
    files: list[JobFile] = []
    for number, suffix in enumerate(wanted.formats):
        cancel.check()
        progress(Progress(f"writing {suffix}", number / len(wanted.formats)))
        if wanted.paths and suffix == ".png":
            files.append(_single_pngs(titled, stem, wanted, folder, cancel))
            continue
        target = folder / f"{stem}{suffix}"
        notes = save_with_notes(_chosen(titled, wanted.paths), target, **_options(suffix, wanted))
        files.append(JobFile(target, notes))
    cancel.check()
    return tuple(files)


def _options(suffix: str, wanted: Wanted) -> Mapping[str, Any]:
    return {"text": wanted.text} if suffix in (".svg", ".pptx", ".html") else {}


def _chosen(document: Document, paths: tuple[NodePath, ...]) -> Document:
    """Only these nodes, on the same canvas."""
    if not paths:
        return document
    return replace(document, children=tuple(document.at(path) for path in paths))


def _single_pngs(
    document: Document, stem: str, wanted: Wanted, folder: Path, cancel: CancelToken
) -> JobFile:
    nodes = [document.at(path) for path in wanted.paths]
    shown = [node for node in nodes if not node.bounds.is_empty]
    if not shown:
        raise InvalidRequest("What is chosen is empty, so there is nothing to export.")
    empty = [f"{node.name!r} is empty and was left out." for node in nodes if node not in shown]
    if len(shown) == 1:
        target = folder / f"{file_stem(shown[0].name, set())}.png"
        save_with_notes(_alone(document, shown[0], wanted.canvas), target)
        return JobFile(target, tuple(empty))
    target, taken = folder / f"{file_stem(f'{stem} layers', set())}.zip", set[str]()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for number, node in enumerate(shown, 1):
            cancel.check()
            single = folder / ".layer.png"
            save_with_notes(_alone(document, node, wanted.canvas), single)
            entry = file_stem(f"{number:02d} {node.name}", taken)
            add(archive, f"{entry}.png", single.read_bytes())
            single.unlink()
    return JobFile(target, tuple(empty))


def _alone(document: Document, node: Node, canvas: bool) -> Document:
    """A node by itself with its mask and opacity, on a canvas of its own size or the document's."""
    plain = BlendMode.PASS_THROUGH if isinstance(node, Group) else BlendMode.NORMAL
    node = replace(node, visible=True, clipped=False, blend=plain)
    if canvas:
        return replace(document, children=(node,))
    bounds: Bounds = node.bounds
    moved = node.moved(-bounds.x, -bounds.y)
    return replace(document, extent=bounds.extent, children=(moved,))
