"""A report as three files beside each other: a page, JSON and Markdown."""

from __future__ import annotations

import json
import os
from pathlib import Path

from layerstudio.errors import UnwritableFile
from layerstudio.pipelines.evaluation.markdown import markdown
from layerstudio.pipelines.evaluation.report import Report
from layerstudio.pipelines.evaluation.web import page

FILES = ("report.html", "report.json", "report.md")


def save_report(report: Report, folder: Path, pictures: int) -> tuple[Path, ...]:
    """Write the page (with the pictures of the ``pictures`` worst samples), the JSON and the
    Markdown into ``folder``; raises ``UnwritableFile``."""
    texts = {
        "report.html": page(report, pictures),
        "report.json": json.dumps(report.to_dict(), indent=1, allow_nan=False),
        "report.md": markdown(report),
    }
    assert tuple(texts) == FILES
    for name, text in texts.items():
        _write(folder / name, text)
    return tuple(folder / name for name in FILES)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(text.encode("utf-8", "replace"))
        os.replace(partial, path)
    except OSError as error:
        reason = error.strerror or error
        raise UnwritableFile(f"{str(path)!r} could not be written: {reason}.") from error
    finally:
        partial.unlink(missing_ok=True)
