"""Folders of PNG layers, as LayerD's generator of data sets writes them from Crello.

Source of the layout: ``tools/generate_crello_matting.py`` and ``tools/evaluate.py`` of
CyberAgentAILab/LayerD. A split has ``composite/NAME.png``, ``layers/NAME/NAME_00.png`` and on,
bottom to top, each as large as the canvas (and ``im/``, ``gt/``, which only training reads). The
evaluation takes ``layers/`` alone: a folder for each sample.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from layerstudio.document import Document, Layer
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.limits import Limits
from layerstudio.io.picture import read_picture
from layerstudio.pipelines.evaluation.samples import Sample, picture_of

_SPLITS = ("test", "validation", "train")  # the first that is there is taken
_PICTURES = ("composite", "image", "input")  # the flat picture, where it lies beside the layers
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class PngFolders:
    """``layers`` holds a folder for each sample; ``composites`` the pictures, None where they lie
    beside the layers or are not there at all."""

    layers: Path
    composites: Path | None
    names: tuple[str, ...]
    limits: Limits
    notes: tuple[str, ...] = ()

    layout = "crello"
    tags = ()

    @classmethod
    def at(cls, path: Path, limits: Limits, limit: int | None = None) -> PngFolders:
        """Raises ``UnreadableFile`` where there is no sample."""
        root, notes = _split_of(path)
        layers, composites = root / "layers", root / "composite"
        if (root / "gt").is_dir() and not layers.is_dir():
            raise UnreadableFile(
                f"{str(root)!r} has mattes for training, but no layers.",
                advice="Make the data set with --save-layers.",
            )
        if not layers.is_dir():
            layers = root
            composites = root.parent / "composite" if root.name == "layers" else composites
        known = composites if composites.is_dir() else None
        names = _names(layers, known)
        if not names:
            raise UnreadableFile(f"{str(path)!r} holds no folder of PNG layers.")
        return cls(layers, known, names[:limit], limits, notes)

    @property
    def title(self) -> str:
        return f"PNG layers in {self.layers}"

    def load(self, name: str) -> Sample:
        if not (self.layers / name).is_dir():
            raise UnreadableFile(f"The sample {name!r} has no folder of layers.")
        truth = read_layers(self.layers / name, self.limits)
        flat = self._picture_file(name)
        if flat is None:
            note = "Its picture is made of its layers: there is no composite."
            return Sample(name, picture_of(truth), truth, is_composed=True, notes=(note,))
        picture = read_picture(flat, self.limits)
        return Sample(name, picture, truth, notes=picture.notes)

    def _picture_file(self, name: str) -> Path | None:
        """Raises ``UnreadableFile`` where all others lie in one folder and this one does not."""
        if self.composites is None:
            return _first(self.layers / name, _PICTURES)
        found = _first(self.composites, (name,))
        if found is None:
            raise UnreadableFile(f"The sample {name!r} has no picture in composite/.")
        return found


def is_png_layout(path: Path) -> bool:
    if not path.is_dir():
        return False
    root, _ = _split_of(path)
    if (root / "layers").is_dir() or (root / "gt").is_dir():
        return True
    return any(_is_sample(folder) for folder in root.iterdir())


def _split_of(path: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder of one split, and a note where it was chosen from several."""
    if not path.is_dir():
        raise UnreadableFile(f"{str(path)!r} is not a folder.")
    there = [name for name in _SPLITS if (path / name / "layers").is_dir()]
    if not there or (path / "layers").is_dir():
        return path, ()
    note = f"Of the splits {', '.join(there)} only {there[0]} was taken." if there[1:] else ""
    return path / there[0], (note,) if note else ()


def _names(layers: Path, composites: Path | None) -> tuple[str, ...]:
    """A sample that lacks its layers or its picture counts as well: it is told as broken."""
    folders = [folder for folder in layers.iterdir() if _is_folder(folder)]
    names = {folder.name for folder in folders} if any(map(_is_sample, folders)) else set()
    if composites is not None:
        names |= {file.stem for file in composites.iterdir() if _is_picture(file)}
    return tuple(sorted(names))


def _is_folder(path: Path) -> bool:
    """Of our own format's folders each is a document by itself."""
    return path.is_dir() and not path.name.startswith(".") and path.suffix != ".layers"


def _is_sample(path: Path) -> bool:
    return _is_folder(path) and bool(_layer_files(path))


def _is_picture(file: Path) -> bool:
    named = file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")
    return named and file.is_file()


def _layer_files(folder: Path) -> list[Path]:
    """Bottom to top: by the numbers in their names, so that layer 100 follows layer 99."""
    files = [file for file in folder.iterdir() if _is_picture(file)]
    layers = [f for f in files if f.suffix.lower() == ".png" and f.stem not in _PICTURES]
    return sorted(layers, key=_by_numbers)


def _by_numbers(file: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", file.stem)
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]


def _first(folder: Path, stems: tuple[str, ...]) -> Path | None:
    places = (folder / f"{stem}{suffix}" for stem in stems for suffix in _SUFFIXES)
    return next((place for place in places if place.is_file()), None)


def read_layers(folder: Path, limits: Limits) -> Document:
    """The PNG layers of a folder, bottom to top, each as large as the canvas: the protocol looks at
    their colour under alpha 0 too. Raises ``UnreadableFile``."""
    files = _layer_files(folder)
    if not files:
        raise UnreadableFile(f"The folder {str(folder)!r} holds no PNG layer.")
    layers = []
    for file in files:
        pixels = read_picture(file, limits).pixels
        name = file.stem.removeprefix(f"{folder.name}_")
        layers.append(Layer(name, Bounds.full(Extent.of(pixels)), pixels))
    sizes = {layer.bounds.extent for layer in layers}
    if len(sizes) > 1:
        shown = ", ".join(map(str, sorted(sizes)))
        raise UnreadableFile(f"The layers of {folder.name!r} have different sizes: {shown}.")
    return Document(layers[0].bounds.extent, tuple(layers))
