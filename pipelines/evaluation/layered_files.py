"""A folder of PSDs, or of whatever else holds layers, as samples with known layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from layerstudio.errors import UnreadableFile
from layerstudio.io.files import FORMATS, open_document
from layerstudio.io.limits import Limits
from layerstudio.pipelines.evaluation.flattening import flattened
from layerstudio.pipelines.evaluation.samples import Sample, picture_of

_SUFFIXES = {suffix for suffix, row in FORMATS.items() if row.readable}


@dataclass(frozen=True)
class LayeredFiles:
    """Every file is a sample: its visible layers are the truth, their composite the picture.

    Names are paths below ``root``, with forward slashes.
    """

    root: Path
    names: tuple[str, ...]
    limits: Limits

    layout = "psd"
    tags = ()
    notes = ()

    @classmethod
    def at(cls, path: Path, limits: Limits, limit: int | None = None) -> LayeredFiles:
        """Raises ``UnreadableFile`` where there is no layered file."""
        found = layered_files_in(path)
        if not found:
            raise UnreadableFile(
                f"{str(path)!r} holds no layered file.",
                advice=f"They end in one of {', '.join(sorted(_SUFFIXES))}.",
            )
        root = path.parent if found == (path,) else path
        names = tuple(file.relative_to(root).as_posix() for file in found)
        return cls(root, names[:limit], limits)

    @property
    def title(self) -> str:
        return f"layered files in {self.root}"

    def load(self, name: str) -> Sample:
        document = open_document(self.root / name, self.limits)
        truth, notes = flattened(replace(document, request=None, notes=()))
        return Sample(
            name, picture_of(document), truth, is_composed=True, notes=(*document.notes, *notes)
        )


def layered_files_in(path: Path) -> tuple[Path, ...]:
    """The file itself, or those in a folder and below it, sorted; hidden ones do not count."""
    if path.suffix.lower() in _SUFFIXES and path.is_dir() == FORMATS[path.suffix.lower()].is_folder:
        return (path,)
    if not path.is_dir():
        return ()
    found = [file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES]
    return tuple(sorted(file for file in found if _is_document(file, path)))


def _is_document(file: Path, root: Path) -> bool:
    """Not hidden, and not a part of a document that is a folder itself."""
    inner = file.relative_to(root).parts
    if any(part.startswith(".") for part in inner):
        return False
    if any(Path(part).suffix.lower() == ".layers" for part in inner[:-1]):
        return False
    return file.is_dir() == FORMATS[file.suffix.lower()].is_folder
