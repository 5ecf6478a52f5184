"""Other programs as readers of our files: each renders a file to pixels, without a shell.

They share no code with our own readers and writers, which is what makes their word worth
something. Every run has a time limit and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from layerstudio.color import F32, to_float
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Extent
from layerstudio.io.png_codec import decode_png

# Krita takes a second when warm, but up to a minute to index its resources for the first time.
TIMEOUT_SECONDS = 180.0

# Distributions add the version to the name of ImageMagick's program, and other tools take the
# plain one, so that is asked last.
_IMAGEMAGICK = ("magick", "convert-im7", "convert-im6.q16", "convert-im6.q16hdri", "convert")
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True)
class Reader:
    """``render(file, png, extent)`` makes a PNG of a file whose canvas is ``extent``.

    ``programs`` is what must be installed: one of each row. ``opaque`` readers show the picture
    on white, ``windowed`` ones in the corner of a window that may be larger.
    """

    name: str
    suffixes: frozenset[str]
    programs: tuple[tuple[str, ...], ...]
    render: Callable[[Path, Path, Extent], None]
    opaque: bool = False
    windowed: bool = False

    @property
    def is_installed(self) -> bool:
        return all(_program(names) for names in self.programs)


def readers_of(suffix: str) -> tuple[Reader, ...]:
    """The readers of a format, installed or not."""
    return tuple(reader for reader in READERS if suffix.lower() in reader.suffixes)


def render(reader: Reader, path: Path, extent: Extent) -> F32:
    """What ``reader`` sees: (h, w, 4) float32 in [0, 1], straight alpha, of its own size.

    Raises ``UnreadableFile`` if the program cannot read the file, fails or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="layerstudio-") as folder:
        # Programs choose how to read by the suffix, and a plain name cannot be taken for an option.
        source = Path(folder, f"picture{path.suffix.lower()}")
        result = Path(folder, "result.png")
        try:
            shutil.copyfile(path, source)
            reader.render(source, result, extent)
        except OSError as error:
            raise UnreadableFile(f"{reader.name} could not be run: {error}.") from error
        if not result.exists():
            raise UnreadableFile(f"{reader.name} made no picture of {path.name!r}.")
        picture = to_float(decode_png(result.read_bytes()))
        return picture[: extent.height, : extent.width] if reader.windowed else picture


def _imagemagick(source: Path, result: Path, _: Extent) -> None:
    # The first picture of a PSD is the merged one; so it is in our layered TIFF.
    _run([_installed(_IMAGEMAGICK), f"{source}[0]", f"PNG64:{result}"], result.parent)


def _krita(source: Path, result: Path, _: Extent) -> None:
    # Krita needs an X display even to convert files.
    command = [_installed(("xvfb-run",)), "-a", _installed(("krita",)), "--nosplash"]
    export = ["--export", "--export-filename", str(result), str(source)]
    with _KRITA_ALONE:
        for attempt in range(_KRITA_ATTEMPTS):
            time.sleep(attempt)
            _run([*command, *export], result.parent, env=_krita_environment())
            if result.exists():
                return


_KRITA_ALONE = threading.Lock()
# On a busy machine `xvfb-run -a` can lose its display to a program that starts just then; Krita
# ends without a picture and without an error in that case.
_KRITA_ATTEMPTS = 4


@cache
def _krita_home() -> tempfile.TemporaryDirectory[str]:
    """A home for Krita that lasts as long as this process.

    Krita waits for another one that is open, or stuck, in the same home. Its index of resources
    takes 10 s and more to make, so the user's is copied where there is one.
    """
    home = tempfile.TemporaryDirectory(prefix="layerstudio-krita-")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    index = Path(data, "krita", "resourcecache.sqlite")
    if index.is_file():
        copy = Path(home.name, "data", "krita", index.name)
        copy.parent.mkdir(parents=True)
        shutil.copyfile(index, copy)
    return home


def _krita_environment() -> dict[str, str]:
    home = _krita_home().name
    places = {f"XDG_{name.upper()}_HOME": f"{home}/{name}" for name in ("config", "data", "cache")}
    return {**os.environ, **places, "HOME": home}


def _gimp(source: Path, result: Path, _: Extent) -> None:
    script = (
        f'(let* ((image (car (gimp-file-load RUN-NONINTERACTIVE "{source}" "{source}")))'
        " (layer (car (gimp-image-merge-visible-layers image CLIP-TO-IMAGE))))"
        " (gimp-layer-resize-to-image-size layer)"
        f' (file-png-save RUN-NONINTERACTIVE image layer "{result}" "{result}" 0 1 0 0 0 0 0))'
    )
    batch = ["--batch-interpreter=plug-in-script-fu-eval", "-b", script, "-b", "(gimp-quit 0)"]
    _run([_installed(("gimp-console",)), "-i", "-d", "-f", *batch], result.parent)


def _rsvg(source: Path, result: Path, _: Extent) -> None:
    # Without --unlimited, libxml2 refuses pictures of more than 10 MB inside an SVG.
    options = ["--unlimited", "-o", str(result), str(source)]
    _run([_installed(("rsvg-convert",)), *options], result.parent)


def _libreoffice(source: Path, result: Path, _: Extent) -> None:
    folder = result.parent
    # A profile of its own, or a LibreOffice that is open would take the file over.
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    convert = ["--headless", profile, "--convert-to", "png", "--outdir", str(folder), str(source)]
    _run([_installed(("soffice", "libreoffice")), *convert], folder)
    made = source.with_suffix(".png")
    if made.exists():
        made.rename(result)


def _chromium(source: Path, result: Path, extent: Extent) -> None:
    if source.suffix == ".html":
        _show_picture_only(source)
    # Windows have a least size; a drawing starts at the top left corner all the same.
    width, height = max(extent.width, 640), max(extent.height, 480)
    options = [
        "--headless",
        "--disable-gpu",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
        "--force-color-profile=srgb",
        "--default-background-color=00000000",
        f"--window-size={width},{height}",
        f"--user-data-dir={result.parent / 'profile'}",
        f"--screenshot={result}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses to sandbox the superuser
    _run([_installed(_CHROMIUM), *options, source.as_uri()], result.parent)


def _show_picture_only(page: Path) -> None:
    """Take the frame of our viewer away, in the reader's own copy of the page."""
    style = (
        "<style>html, body, .stage { background: none !important; }"
        " .bar, .panel, .tools, .paper, .label, .skip { display: none !important; }"
        " .stage { position: fixed !important; inset: 0; overflow: visible; }"
        " .scene { position: fixed !important; left: 0 !important; top: 0 !important;"
        " translate: none !important; transform: none !important; }</style></head>"
    )
    text = page.read_text(encoding="utf-8", errors="replace")
    page.write_text(text.replace("</head>", style, 1), encoding="utf-8")


def _pillow(source: Path, result: Path, _: Extent) -> None:
    try:
        with Image.open(source) as image:
            image.convert("RGBA").save(result, compress_level=1)
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"Pillow cannot read the file: {error}.") from error


def _reader(
    name: str,
    suffixes: str,
    render: Callable[[Path, Path, Extent], None],
    *programs: tuple[str, ...],
    opaque: bool = False,
    windowed: bool = False,
) -> Reader:
    return Reader(name, frozenset(suffixes.split()), programs, render, opaque, windowed)


READERS = (
    _reader("ImageMagick", ".psd .psb .tif .tiff", _imagemagick, _IMAGEMAGICK),
    _reader("Krita", ".psd .ora", _krita, ("krita",), ("xvfb-run",)),
    _reader("GIMP", ".psd", _gimp, ("gimp-console",)),
    _reader("rsvg-convert", ".svg", _rsvg, ("rsvg-convert",)),
    _reader("LibreOffice", ".pptx", _libreoffice, ("soffice", "libreoffice"), opaque=True),
    _reader("Chromium", ".svg .html", _chromium, _CHROMIUM, windowed=True),
    _reader("Pillow", ".png .webp", _pillow),
)


def _program(names: Sequence[str]) -> str | None:
    return next((found for name in names if (found := shutil.which(name))), None)


def _installed(names: Sequence[str]) -> str:
    program = _program(names)
    if program is None:
        raise UnreadableFile(f"{names[0]} is not installed.")
    return program


def _run(command: Sequence[str], folder: Path, env: dict[str, str] | None = None) -> None:
    """Run a program in ``folder``; raise ``UnreadableFile`` if it takes too long.

    Exit codes say little (Krita's is not zero after success), so callers look for the result.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UnreadableFile(
            f"{Path(command[0]).name} took longer than {TIMEOUT_SECONDS:.0f} seconds."
        ) from error
    finally:
        if process.poll() is None:
            _stop(process)


def _stop(process: subprocess.Popen) -> None:
    """End the program and what it started (xvfb-run's server and client)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def on_white(straight: F32) -> F32:
    """A picture as a reader without transparency shows it: (h, w, 4) with alpha 1."""
    opaque = np.ones_like(straight)
    alpha = straight[..., 3:]
    opaque[..., :3] = straight[..., :3] * alpha + (1 - alpha)
    return opaque
