"""``verify`` with the real programs, and with programs that are missing, broken or stuck."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Layer, Mask
from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import external, save
from layerstudio.io.external import READERS, readers_of, render
from layerstudio.io.verify import Status, Verification, verify

CANVAS = Extent(163, 101)


def _disc(place: Bounds, color: tuple[int, int, int], **fields) -> Layer:
    ys, xs = np.mgrid[: place.height, : place.width]
    radius = np.hypot((xs + 0.5) / place.width * 2 - 1, (ys + 0.5) / place.height * 2 - 1)
    pixels = np.empty((*place.extent.shape, 4))
    pixels[..., :3] = color
    pixels[..., 0] += xs / place.width * (255 - color[0])
    pixels[..., 3] = np.clip((1 - radius) * 15, 0, 1) * 255
    return Layer("disc", place, np.rint(pixels).astype(np.uint8), **fields)


def _backdrop() -> Layer:
    pixels = np.full((*CANVAS.shape, 4), 255, np.uint8)
    pixels[..., 0] = np.linspace(0, 255, CANVAS.width)
    pixels[..., 1] = np.linspace(255, 0, CANVAS.height)[:, None]
    pixels[:30, :40, 3] = 128
    return Layer("backdrop", Bounds.full(CANVAS), pixels)


def _document() -> Document:
    inside = (
        _disc(Bounds(80, 30, 40, 50), (30, 200, 40)),
        _disc(Bounds(100, 20, 50, 40), (9, 9, 99)),
    )
    shade = _disc(Bounds(-20, 50, 70, 70), (0, 90, 250), blend=BlendMode.MULTIPLY)
    group = Group("group", inside, blend=BlendMode.NORMAL)
    return Document(CANVAS, (_backdrop(), group, shade))


# Each reader's programs run one at a time: they wait for, or disturb, one another.
_SUFFIXES = (
    pytest.param(".ora", marks=pytest.mark.xdist_group("krita")),
    pytest.param(".pptx", marks=pytest.mark.xdist_group("libreoffice")),
    ".tif",
    ".svg",
    ".html",
    ".png",
    ".webp",
)


def _by_reader(results: tuple[Verification, ...]) -> dict[str, Verification]:
    return {result.reader: result for result in results}


@pytest.mark.parametrize("suffix", _SUFFIXES)
def test_independent_readers_see_what_we_composite(suffix: str, tmp_path: Path) -> None:
    document = _document()
    path = save(document, tmp_path / f"picture{suffix}")
    results = verify(path, expected=document)
    missing = [result.reader for result in results if result.status is Status.MISSING]
    assert all(result.status in (Status.SAME, Status.MISSING) for result in results), results
    if len(missing) == len(results):
        pytest.skip(f"not installed: {', '.join(missing)}")


def test_a_changed_picture_is_noticed(tmp_path: Path) -> None:
    document = _document()
    path = save(document, tmp_path / "picture.png")
    changed = document.replaced((2,), document.children[2].moved(1, 0))
    (result,) = verify(path, expected=changed)
    assert result.status is Status.DIFFERS
    assert result.max_error is not None
    assert result.max_error > 5 / 255


def test_another_size_is_noticed(tmp_path: Path) -> None:
    path = save(_document(), tmp_path / "picture.png")
    (result,) = verify(path, expected=replace(_document(), extent=Extent(163, 120)))
    assert result.status is Status.DIFFERS
    assert "163 x 101 instead of 163 x 120" in result.note


def test_gimp_reads_groups_masks_and_clipping_as_we_do(tmp_path: Path) -> None:
    gimp = next(reader for reader in READERS if reader.name == "GIMP")
    if not gimp.is_installed:
        pytest.skip("GIMP is not installed")
    rng = np.random.default_rng(4)

    def noise(x: int, y: int, width: int, height: int, **fields) -> Layer:
        pixels = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
        return Layer("noise", Bounds(x, y, width, height), pixels, **fields)

    def mask(outside: int) -> Mask:
        pixels = rng.integers(0, 256, (20, 22), dtype=np.uint8)
        return Mask(Bounds(6, 5, 22, 20), pixels, outside)

    multiply, half = BlendMode.MULTIPLY, 128 / 255
    pair = noise(2, 0, 38, 30), noise(4, 4, 30, 30, blend=multiply)
    cells = (
        [noise(0, 0, 40, 40, mask=mask(0))],
        [noise(0, 0, 40, 40, mask=mask(1))],
        [Group("isolated", pair, half, BlendMode.NORMAL)],
        [Group("multiplied", pair, half, multiply)],
        [Group("through", pair)],
        [Group("half through", pair, half)],
        [Group("masked", pair, 1.0, BlendMode.NORMAL, mask=mask(0))],
        [noise(5, 5, 20, 20), noise(0, 0, 40, 40, clipped=True, blend=multiply)],
        [noise(5, 5, 20, 20, opacity=half), noise(0, 0, 40, 40, clipped=True)],
    )
    groups = [
        Group("cell", (noise(0, 0, 40, 40), *cell), blend=BlendMode.NORMAL).moved(40 * index, 0)
        for index, cell in enumerate(cells)
    ]
    document = Document(Extent(40 * len(cells), 40), tuple(groups))
    path = save(document, tmp_path / "structure.psd")
    seen, ours = render(gimp, path, document.extent), composite(document)
    errors = np.abs(seen[..., :3] * seen[..., 3:] - ours[..., :3] * ours[..., 3:])
    assert np.abs(seen[..., 3] - ours[..., 3]).max() <= 1 / 255
    assert errors.max() <= 2 / 255


@pytest.mark.xdist_group("krita")
def test_known_differences_of_a_reader_are_told(tmp_path: Path) -> None:
    krita = next(reader for reader in READERS if reader.name == "Krita")
    if not krita.is_installed:
        pytest.skip("Krita is not installed")
    opaque, disc = _backdrop(), _disc(Bounds(20, 10, 90, 80), (200, 0, 0))
    document = Document(CANVAS, (opaque, Group("faint", (disc,), 0.5, BlendMode.NORMAL)))
    path = save(document, tmp_path / "group.psd")
    result = _by_reader(verify(path))["Krita"]
    assert result.status is Status.DIFFERS
    assert "without their opacity" in result.note


def test_a_file_without_layers_needs_the_document(tmp_path: Path) -> None:
    path = save(_document(), tmp_path / "picture.webp")
    (result,) = verify(path)
    assert (result.status, result.max_error) == (Status.UNCHECKED, None)


def test_our_own_reader_is_checked_too(tmp_path: Path) -> None:
    document = _document()
    path = save(document, tmp_path / "picture.zip")
    (result,) = verify(path, expected=document)
    assert (result.reader, result.status, result.max_error) == ("LayerStudio", Status.SAME, 0.0)


def test_bad_paths_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        verify(tmp_path / "picture.docx")
    with pytest.raises(UnreadableFile):
        verify(tmp_path / "nothing.psd")


@pytest.fixture
def only_programs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _program(folder: Path, name: str, *lines: str) -> None:
    path = folder / name
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_missing_programs_are_told(only_programs_in: Path, tmp_path: Path) -> None:
    path = save(_document(), tmp_path / "picture.svg")
    results = verify(path, expected=_document())
    assert [result.status for result in results] == [Status.MISSING] * len(readers_of(".svg"))


def test_a_program_without_a_result_failed(only_programs_in: Path, tmp_path: Path) -> None:
    _program(only_programs_in, "rsvg-convert", "exit 3")
    path = save(_document(), tmp_path / "picture.svg")
    result = _by_reader(verify(path, expected=_document()))["rsvg-convert"]
    assert result.status is Status.FAILED
    assert "made no picture" in result.note


def test_a_stuck_program_is_ended_with_its_children(
    only_programs_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    _program(only_programs_in, "rsvg-convert", "/bin/sleep 60 &", f"echo $! > {child}", "wait")
    monkeypatch.setattr(external, "TIMEOUT_SECONDS", 0.5)
    path = save(_document(), tmp_path / "picture.svg")
    start = time.monotonic()
    result = _by_reader(verify(path, expected=_document()))["rsvg-convert"]
    assert time.monotonic() - start < 10
    assert result.status is Status.FAILED
    assert "longer" in result.note
    assert not _is_running(int(child.read_text()))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not (state.exists() and state.read_text().split()[2] == "Z")
