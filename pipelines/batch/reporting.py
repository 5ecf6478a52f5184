"""What became of a batch, for people (a page with pictures) and for programs (JSON)."""

from __future__ import annotations

import base64
import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from layerstudio.errors import UnwritableFile
from layerstudio.pipelines.batch import places
from layerstudio.pipelines.batch.batch import Summary
from layerstudio.pipelines.batch.journal import entries

PAGE, DATA = "batch-report.html", "batch-report.json"
_MOST_PICTURES = 240  # a page of more would not open; the newest are shown
_STYLE = Path(__file__).with_name("report.css")


def write_report(summary: Summary) -> Path:
    """Write the page and the JSON beside local results, else into the journal's folder.

    Both tell of every run of this batch so far. Returns the page. Raises ``UnwritableFile``.
    """
    folder = summary.home if places.is_address(summary.out) else Path(summary.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        newest: deque[dict[str, Any]] = deque(maxlen=_MOST_PICTURES)
        _replace(folder / DATA, _data(summary, newest))
        _replace(folder / PAGE, _page(summary, folder, newest))
    except OSError as error:
        reason = error.strerror or error
        raise UnwritableFile(f"The report could not be written: {reason}.") from error
    return folder / PAGE


def _data(summary: Summary, newest: deque[dict[str, Any]]) -> Iterator[str]:
    """Written item by item: a batch may hold a million. The last ones stay in ``newest``."""
    head = json.dumps(summary.to_dict(), indent=2)[:-2]
    yield head + ',\n  "items": ['
    separator = "\n    "
    for item in _items(summary):
        newest.append(item)
        yield separator + json.dumps(item)
        separator = ",\n    "
    yield "\n  ]\n}\n"


def _items(summary: Summary) -> Iterator[dict[str, Any]]:
    """The last word of the journal on each item that was done."""
    latest: dict[str, int] = {}
    path = summary.home / "journal.jsonl"
    for number, found in enumerate(entries(path, "done")):
        latest[str(found["key"])] = number
    for number, found in enumerate(entries(path, "done")):
        if latest[str(found["key"])] == number:
            yield {key: value for key, value in found.items() if key not in ("event", "files")} | {
                "outputs": [file[0] for file in found["files"]]
            }


def _page(summary: Summary, folder: Path, newest: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    tally = summary.tally
    style = _STYLE.read_text(encoding="utf-8")
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Batch</title><style>{style}</style></head><body>\n<header><h1>Batch</h1>"
        f"<p>{escape(summary.sentence)}</p>"
    )
    if tally.stopped:
        yield f'<p class="stopped">{escape(tally.stopped)}</p>'
    yield "</header>\n"
    yield from _numbers(summary)
    yield from _refusals(summary)
    if newest:
        yield "<section><h2>Results</h2>"
        if len(newest) == _MOST_PICTURES:
            yield f"<p>The newest {_MOST_PICTURES}; all are in {DATA}.</p>"
        yield '<div class="sheet">\n'
        for item in newest:
            yield _figure(item, summary, folder)
        yield "</div></section>\n"
    yield "</body></html>\n"


def _numbers(summary: Summary) -> Iterator[str]:
    tally = summary.tally
    each = tally.seconds / tally.done if tally.done else 0.0
    rows = {
        "Items": f"{tally.total:,}",
        "Done in this run": f"{tally.done:,}",
        "Done before": f"{tally.before:,}",
        "Set aside": f"{len(summary.refused):,}",
        "Tried again": f"{tally.retried:,}",
        "Time": f"{summary.wall_seconds:,.1f} s",
        "Seconds of the method, each": f"{each:.2f}",
        "Written": f"{tally.bytes / 2**20:,.1f} MiB",
        "Most memory of a worker": f"{tally.peak_bytes / 2**20:,.0f} MiB",
    }
    yield '<section class="numbers"><dl>'
    for name, value in rows.items():
        yield f"<div><dt>{name}</dt><dd>{value}</dd></div>"
    yield "</dl></section>\n"


def _refusals(summary: Summary) -> Iterator[str]:
    if not summary.refused:
        return
    yield "<section><h2>Set aside</h2><table><tr><th>Item</th><th>Why</th></tr>\n"
    for one in summary.refused:
        yield f"<tr><td>{escape(one.origin)}</td><td>{escape(one.message)}</td></tr>\n"
    yield "</table></section>\n"


def _figure(item: Mapping[str, Any], summary: Summary, folder: Path) -> str:
    outputs = [str(place) for place in item["outputs"]]
    title = escape(places.name_of(outputs[0]) if outputs else str(item.get("source", "")))
    links = " ".join(_link(place, folder) for place in outputs)
    error = item.get("max_error")
    facts = [f"{item.get('layers')} layers", f"{item.get('seconds')} s"]
    if error is not None:
        facts.append(f"error {255 * float(error):.3g}/255")
    notes = "".join(f"<li>{escape(str(note))}</li>" for note in item.get("notes", ()))
    return (
        f"<figure>{_picture(summary.home / 'thumbnails' / (str(item['key']) + '.webp'), title)}"
        f"<figcaption><b>{title}</b><span>{escape(', '.join(facts))}</span><span>{links}</span>"
        f"{f'<ul>{notes}</ul>' if notes else ''}</figcaption></figure>\n"
    )


def _picture(path: Path, title: str) -> str:
    if not path.is_file():
        return '<div class="blank"></div>'
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{title}" loading="lazy" src="data:image/webp;base64,{data}">'


def _link(place: str, folder: Path) -> str:
    """To a file beside the page; what lies elsewhere is only named."""
    suffix = escape(Path(places.name_of(place)).suffix.lstrip(".") or "file")
    if places.is_address(place):
        return suffix
    return f'<a href="{escape(quote(os.path.relpath(place, folder)))}">{suffix}</a>'


def _replace(path: Path, pieces: Iterator[str]) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
