"""Which files a run reads, and what the files that it writes are called."""

from __future__ import annotations

import os
from pathlib import Path

from layerstudio.errors import InvalidRequest, UnreadableFile, UnwritableFile
from layerstudio.io.files import FORMATS, format_of
from layerstudio.io.names import file_stem
from layerstudio.io.picture import PICTURE_SUFFIXES, refuse_address


def pictures_in(names: list[str]) -> list[Path]:
    """Files as given, folders replaced by the pictures directly in them, sorted by name."""
    found: list[Path] = []
    for name in names:
        refuse_address(name)
        path = Path(name)
        found.extend(_pictures_of_folder(path) if path.is_dir() else [path])
    return list(dict.fromkeys(found))


def _pictures_of_folder(folder: Path) -> list[Path]:
    try:
        names = sorted(folder.iterdir())
    except OSError as error:
        raise UnreadableFile(f"{str(folder)!r} could not be read: {error.strerror}.") from error
    pictures = [path for path in names if path.suffix.lower() in PICTURE_SUFFIXES]
    pictures = [path for path in pictures if path.is_file() and not path.name.startswith(".")]
    if not pictures:
        raise UnreadableFile(f"The folder {str(folder)!r} holds no pictures.")
    return pictures


def targets_for(
    sources: list[Path], out: Path | None, suffixes: tuple[str, ...] | None
) -> list[tuple[Path, ...]]:
    """For each source the files to write.

    ``out`` with a suffix of the table is the one file to write for the one source (an existing
    folder stays a folder); any other ``out`` is the folder to write into, by default the source's
    own. Raises ``InvalidRequest`` where both make no sense together.
    """
    if out is not None and out.suffix.lower() in FORMATS and not _is_plain_folder(out):
        if len(sources) != 1 or suffixes not in (None, (out.suffix.lower(),)):
            raise InvalidRequest(
                f"{str(out)!r} is one file, and this run writes several.",
                advice="Give a folder with -o.",
            )
        return [(out,)]
    if out is not None and not out.is_dir():
        raise UnwritableFile(
            f"The folder {str(out)!r} does not exist.",
            advice=f"Make it first, or name a file ending in one of {', '.join(FORMATS)}.",
        )
    stems = _distinct_stems(sources)
    taken = {source.resolve() for source in sources}
    return [
        tuple(
            _beside(out or source.parent, stem, suffix, taken) for suffix in suffixes or (".psd",)
        )
        for source, stem in zip(sources, stems, strict=True)
    ]


def targets_of_new(
    stem: str,
    count: int,
    out: Path | None,
    suffixes: tuple[str, ...] | None,
    overwrite: bool = False,
) -> list[tuple[Path, ...]]:
    """The files to write for ``count`` new pictures: numbered if there are several.

    ``out`` with a suffix of the table names the file, any other is the folder, by default the
    current one; there the names are called by ``stem``, and numbers go on after those that are
    taken unless ``overwrite``. Raises as ``targets_for`` does.
    """
    if out is not None and out.suffix.lower() in FORMATS and not _is_plain_folder(out):
        if suffixes not in (None, (out.suffix.lower(),)):
            raise InvalidRequest(
                f"{str(out)!r} is one format, and this run writes others.",
                advice="Give a folder with -o.",
            )
        return [(path,) for path in _numbered(out.parent, out.stem, (out.suffix,), count, 1)]
    folder = out or Path()
    if not folder.is_dir():
        raise UnwritableFile(
            f"The folder {str(folder)!r} does not exist.",
            advice=f"Make it first, or name a file ending in one of {', '.join(FORMATS)}.",
        )
    name, endings = file_stem(stem, set(), "picture"), suffixes or (".psd",)
    first = 1
    while not overwrite and any(
        path.exists() for path in _numbered(folder, name, endings, count, first)
    ):
        first += 1
    paths = _numbered(folder, name, endings, count, first)
    each = len(endings)
    return [tuple(paths[start : start + each]) for start in range(0, len(paths), each)]


def check_targets(targets: tuple[Path, ...], overwrite: bool) -> None:
    """Raise ``UnwritableFile``, before any work, for what could not be written after it."""
    for target in targets:
        folder = target.parent
        if not folder.is_dir():
            raise UnwritableFile(f"The folder {str(folder)!r} does not exist.")
        if not os.access(folder, os.W_OK):
            raise UnwritableFile(f"The folder {str(folder)!r} may not be written to.")
        if target.is_dir() and not format_of(target).is_folder:
            raise UnwritableFile(f"{str(target)!r} is a folder.")
        if target.exists() and not overwrite:
            raise UnwritableFile(
                f"{str(target)!r} exists already.", advice="Add --overwrite to replace it."
            )


def _numbered(
    folder: Path, stem: str, suffixes: tuple[str, ...], count: int, first: int
) -> list[Path]:
    """All suffixes of the first picture, then of the next; one alone, the first, has no number."""
    if (count, first) == (1, 1):
        stems = [stem]
    else:
        stems = [f"{stem}-{number}" for number in range(first, first + count)]
    return [folder / f"{name}{suffix}" for name in stems for suffix in suffixes]


def _is_plain_folder(path: Path) -> bool:
    """A folder that is not itself a document in the folder format."""
    return path.is_dir() and not FORMATS[path.suffix.lower()].is_folder


def _beside(folder: Path, stem: str, suffix: str, sources: set[Path]) -> Path:
    """Never the source itself: a flattened PNG of a PNG gets a name of its own."""
    target = folder / (stem + suffix)
    return folder / f"{stem}-layers{suffix}" if target.resolve() in sources else target


def _distinct_stems(sources: list[Path]) -> list[str]:
    """``poster.png`` and ``poster.jpg`` of one run must not write the same file."""
    stems = [_clean(source.stem) for source in sources]
    distinct: list[str] = []
    for source, stem in zip(sources, stems, strict=True):
        name = stem if stems.count(stem) == 1 else f"{stem}-{source.suffix.lstrip('.').lower()}"
        number, candidate = 2, name
        while candidate in distinct:
            candidate, number = f"{name}-{number}", number + 1
        distinct.append(candidate)
    return distinct


def _clean(stem: str) -> str:
    return "".join(c if c.isprintable() else "_" for c in stem) or "picture"
