"""Reading lines of text with the program tesseract, where it is installed.

The ink of every line is known, so what is read is clean: black on white at one size, all lines of a
picture under each other on one sheet, because each call of the program costs a fifth of a second.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import U8
from layerstudio.geometry import Bounds

_PROGRAM = "tesseract"
_CAP_HEIGHT = 36  # px; recognition peaks at capitals of 30 to 40 px (tesseract's manual, FAQ)
_MARGIN = 24  # px of white around each line
_TALLEST_SHEET = 6000
_TIMEOUT = 30.0  # seconds for one sheet
_DPI = "300"


@dataclass(frozen=True)
class Word:
    """``bounds`` in the pixels of the line's own ink array."""

    string: str
    bounds: Bounds
    confidence: float


@dataclass(frozen=True)
class Reading:
    """What a line says; ``confidence`` 0..1 is the mean of its words by length, 0 if nothing."""

    string: str
    confidence: float
    words: tuple[Word, ...]


@dataclass(frozen=True)
class _Row:
    """Where a line lies on the sheet, and by how much it was enlarged."""

    index: int
    bounds: Bounds
    scale: float


def is_available() -> bool:
    """Whether the program is installed."""
    return shutil.which(_PROGRAM) is not None


def read_lines(
    inks: Sequence[NDArray], heights: Sequence[float], languages: Sequence[str] = ("eng",)
) -> list[Reading]:
    """One reading per line.

    ``inks`` are coverages (h, w), bool or float in [0, 1]; ``heights`` the height of their
    capitals in pixels. Lines that cannot be read, and all of them without the program, give an
    empty reading.
    """
    readings = [Reading("", 0.0, ())] * len(inks)
    if not is_available():
        return readings
    for sheet, rows in _sheets(inks, heights):
        found = _words(_run(sheet, languages))
        for row in rows:
            readings[row.index] = _reading(row, found)
    return readings


def _sheets(inks: Sequence[NDArray], heights: Sequence[float]):
    """Sheets (h, w) of black on white and the rows on each."""
    pending: list[U8] = []
    rows: list[_Row] = []
    top = _MARGIN
    for index, (ink, height) in enumerate(zip(inks, heights, strict=True)):
        picture, scale = _enlarged(ink, height)
        if pending and top + picture.shape[0] > _TALLEST_SHEET:
            yield _stacked(pending, rows), rows
            pending, rows, top = [], [], _MARGIN
        rows.append(_Row(index, Bounds(_MARGIN, top, picture.shape[1], picture.shape[0]), scale))
        pending.append(picture)
        top += picture.shape[0] + _MARGIN
    if pending:
        yield _stacked(pending, rows), rows


def _enlarged(ink: NDArray, height: float) -> tuple[U8, float]:
    """Black on white with capitals of the size that is read best."""
    scale = float(np.clip(_CAP_HEIGHT / max(height, 1.0), 0.02, 12.0))
    width = max(1, round(ink.shape[1] * scale))
    size = (width, max(1, round(ink.shape[0] * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    coverage = cv2.resize(ink.astype(np.float32), size, interpolation=kind)
    return np.rint(255 * (1 - np.clip(coverage, 0, 1))).astype(np.uint8), scale


def _stacked(pictures: Sequence[U8], rows: Sequence[_Row]) -> U8:
    width = max(row.bounds.right for row in rows) + _MARGIN
    sheet = np.full((rows[-1].bounds.bottom + _MARGIN, width), 255, dtype=np.uint8)
    for picture, row in zip(pictures, rows, strict=True):
        sheet[row.bounds.slices] = picture
    return sheet


def _run(sheet: U8, languages: Sequence[str]) -> str:
    """The program's table for one sheet; empty if it failed or took too long."""
    mode = "7" if sheet.shape[0] < 3 * _CAP_HEIGHT else "6"
    command = [_PROGRAM, "stdin", "stdout", "-l", "+".join(languages), "--psm", mode]
    command += ["--dpi", _DPI, "tsv"]
    encoded, data = cv2.imencode(".png", sheet)
    assert encoded, sheet.shape
    # One thread: the program's own threading slows small sheets down.
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        done = subprocess.run(
            command,
            input=data.tobytes(),
            capture_output=True,
            timeout=_TIMEOUT,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _words(table: str) -> list[Word]:
    """Words of the TSV output with bounds on the sheet."""
    words = []
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        string = (row.get("text") or "").strip()
        if row.get("level") != "5" or not string:
            continue
        place = Bounds(*(int(row[key]) for key in ("left", "top", "width", "height")))
        words.append(Word(string, place, max(0.0, float(row["conf"])) / 100.0))
    return words


def _reading(row: _Row, found: Sequence[Word]) -> Reading:
    """The words whose middle lies in the row, from left to right."""
    mine = []
    for word in found:
        middle = word.bounds.y + word.bounds.height / 2
        if row.bounds.y - _MARGIN / 2 <= middle < row.bounds.bottom + _MARGIN / 2:
            place = word.bounds.relative_to(row.bounds)
            back = Bounds(*(round(value / row.scale) for value in place))
            mine.append(Word(word.string, back, word.confidence))
    mine.sort(key=lambda word: word.bounds.x)
    string = " ".join(word.string for word in mine)
    letters = sum(len(word.string) for word in mine)
    certain = sum(len(word.string) * word.confidence for word in mine)
    return Reading(string, certain / letters if letters else 0.0, tuple(mine))
