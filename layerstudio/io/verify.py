"""Ask other programs what they see in a file, and compare it with our own composite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np

from layerstudio.color import F32, to_float
from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Node
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Extent
from layerstudio.io.external import Reader, on_white, readers_of, render
from layerstudio.io.files import format_of, open_document

# Two of 255 levels: what programs that compute in 8 bits may differ by, and no eye sees.
SAME_WITHIN = 2 / 255


class Status(StrEnum):
    """``same`` and ``differs`` are measured; ``failed`` means that the program could not read the
    file, ``missing`` that it is not installed, ``unchecked`` that there is nothing to compare."""

    SAME = "same"
    DIFFERS = "differs"
    FAILED = "failed"
    MISSING = "missing"
    UNCHECKED = "unchecked"


@dataclass(frozen=True)
class Verification:
    """What one reader says. Errors are of alpha and of colour times alpha, in [0, 1], or None
    where nothing was measured; ``note`` is a sentence about why, or empty."""

    reader: str
    status: Status
    max_error: float | None = None
    mean_error: float | None = None
    note: str = ""


def verify(path: str | Path, expected: Document | None = None) -> tuple[Verification, ...]:
    """Compare what every installed reader of the format sees with our own composite.

    The composite is of ``expected``, the document that was saved; without it, of the file as we
    read it back. With ``expected``, our own reader is checked as well. Formats without layers
    (PNG, SVG ...) need ``expected``. Raises ``InvalidRequest`` for an unknown format and
    ``UnreadableFile`` for a file that is missing or broken.
    """
    source = Path(path)
    row = format_of(source)
    if not source.exists():
        raise UnreadableFile(f"{str(source)!r} does not exist.")
    own = open_document(source) if row.readable else None
    document = expected or own
    readers = readers_of(row.suffix)
    if document is None:
        note = "The file holds no layers to compare with; pass the document it was made from."
        return tuple(Verification(reader.name, Status.UNCHECKED, note=note) for reader in readers)
    picture = composite(document)
    results = [_ask(reader, source, document, picture) for reader in readers]
    if own is not None and expected is not None:
        results.insert(0, _compared("LayerStudio", picture, composite(own), ""))
    return tuple(results)


def _ask(reader: Reader, path: Path, document: Document, picture: F32) -> Verification:
    if not reader.is_installed:
        return Verification(reader.name, Status.MISSING, note=f"{reader.name} is not installed.")
    try:
        seen = render(reader, path, document.extent)
    except UnreadableFile as error:
        return Verification(reader.name, Status.FAILED, note=str(error))
    ours = on_white(picture) if reader.opaque else picture
    return _compared(reader.name, ours, seen, _known_differences(reader.name, document))


def _compared(reader: str, ours: F32, seen: F32, known: str) -> Verification:
    extent, size = Extent.of(ours), Extent.of(seen)
    note = ""
    if size != extent:
        note = f"Its picture is {size} instead of {extent}."
        # A page in whole points keeps its proportions; anything else is another picture.
        if abs(size.width / extent.width - size.height / extent.height) > 0.02:
            return Verification(reader, Status.DIFFERS, note=note)
        note = f"{note} It was resized, so edges differ and only the mean error counts."
        seen = to_float(cv2.resize(seen, tuple(extent), interpolation=cv2.INTER_AREA))
    errors = np.abs(_premultiplied(ours) - _premultiplied(seen))
    largest, mean = float(errors.max()), float(errors.mean())
    same = (mean if note else largest) <= SAME_WITHIN
    status = Status.SAME if same else Status.DIFFERS
    notes = [note] if same else [note, known]
    return Verification(reader, status, largest, mean, " ".join(filter(None, notes)))


def _premultiplied(picture: F32) -> F32:
    return np.dstack([picture[..., :3] * picture[..., 3:], picture[..., 3]])


_LUMINOSITY_MODES = frozenset(
    {
        BlendMode.DARKER_COLOR,
        BlendMode.LIGHTER_COLOR,
        BlendMode.HUE,
        BlendMode.SATURATION,
        BlendMode.COLOR,
        BlendMode.LUMINOSITY,
    }
)

# Reader, what a node must be, and the sentence about it; each was measured, see the tests.
_KNOWN: tuple[tuple[str, Callable[[Node], bool], str], ...] = (
    ("Krita", lambda node: node.clipped, "Krita clips to all that lies below in the group."),
    (
        "Krita",
        lambda node: isinstance(node, Group) and node.opacity < 1,
        "Krita reads groups of a PSD without their opacity.",
    ),
    (
        "Krita",
        lambda node: node.blend is BlendMode.SOFT_LIGHT,
        "Krita has another formula for soft light.",
    ),
    (
        "Krita",
        lambda node: node.blend in _LUMINOSITY_MODES,
        "Krita weighs luminosity a little differently.",
    ),
)


def _known_differences(reader: str, document: Document) -> str:
    """Why ``reader`` shows ``document`` in another way, as far as that is known."""
    nodes = [node for _, node in document.walk() if node.visible]
    sentences = [
        sentence
        for name, concerns, sentence in _KNOWN
        if name == reader and any(map(concerns, nodes))
    ]
    if any(node.blend is BlendMode.DISSOLVE for node in nodes):
        sentences.append("Every program dissolves with a noise of its own.")
    return " ".join(sentences)
