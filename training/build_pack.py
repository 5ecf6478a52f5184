"""Build ``training/pack``: the sprites, photographs and fonts that ship with the repository.

    python -m training.build_pack

Needs apt (Debian 12) and pip to download from, rsvg-convert, fonttools and OpenEXR; nothing is
installed. Which sprites are taken stands in ``pack/sprites.txt``, chosen by eye: single things,
no brands, no weapons, none of the reserved files. Everything is public domain or CC0, but for the
fonts, which are under the SIL Open Font License or Apache-2.0; they are reduced to Latin letters
and, as modified versions must be, renamed.
"""

from __future__ import annotations

import bz2
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from layerstudio.color import F32, U8, to_u8
from training.assets import OPENCLIPART, PACK, decoded, drawings, rendered_svg, trimmed
from training.splits import split_of

PHOTOGRAPH_SIDE = 640
PHOTOGRAPH_QUALITY = 80
LATIN = "U+20-7E,U+A0-FF,U+2013,U+2014,U+2018-201D,U+2022,U+2026,U+20AC"

# Debian package, file, family, licence.
FONTS = (
    ("fonts-lato", "Lato-Black.ttf", "Lato", "OFL-1.1"),
    ("fonts-lato", "Lato-Heavy.ttf", "Lato", "OFL-1.1"),
    ("fonts-lato", "Lato-Regular.ttf", "Lato", "OFL-1.1"),
    ("fonts-open-sans", "OpenSans-Bold.ttf", "Open Sans", "Apache-2.0"),
    ("fonts-open-sans", "OpenSans-Semibold.ttf", "Open Sans", "Apache-2.0"),
    ("fonts-open-sans", "OpenSans-Regular.ttf", "Open Sans", "Apache-2.0"),
    ("fonts-roboto-slab", "RobotoSlab-Bold.otf", "Roboto Slab", "Apache-2.0"),
    ("fonts-comfortaa", "Comfortaa-Bold.ttf", "Comfortaa", "OFL-1.1"),
    ("fonts-lobster", "lobster.otf", "Lobster", "OFL-1.1"),
    ("fonts-vollkorn", "Vollkorn-Bold.ttf", "Vollkorn", "OFL-1.1"),
    ("fonts-vollkorn", "Vollkorn-Regular.ttf", "Vollkorn", "OFL-1.1"),
    ("fonts-league-spartan", "LeagueSpartan-Bold.otf", "League Spartan", "OFL-1.1"),
    ("fonts-crosextra-carlito", "Carlito-Regular.ttf", "Carlito", "OFL-1.1"),
    ("fonts-crosextra-carlito", "Carlito-Bold.ttf", "Carlito", "OFL-1.1"),
    ("fonts-dancingscript", "DancingScript-Bold.otf", "Dancing Script", "OFL-1.1"),
    ("fonts-bebas-neue", "BebasNeue-Bold.otf", "Bebas Neue", "OFL-1.1"),
    ("fonts-yanone-kaffeesatz", "YanoneKaffeesatz-Bold.otf", "Yanone Kaffeesatz", "OFL-1.1"),
    ("fonts-sil-gentium-basic", "GenBasBI.ttf", "Gentium Basic", "OFL-1.1"),
    ("fonts-dosis", "Dosis-SemiBold.otf", "Dosis", "OFL-1.1"),
)

# File in scikit-image's data folder, author, licence; all as its own documentation says.
SKIMAGE = "scikit-image==0.26.0"
SKIMAGE_PHOTOGRAPHS = (
    ("astronaut.png", "NASA", "public domain"),
    ("coffee.png", "Rachel Michetti", "CC0-1.0"),
    ("chelsea.png", "Stefan van der Walt", "CC0-1.0"),
    ("rocket.jpg", "SpaceX", "public domain"),
    ("hubble_deep_field.jpg", "NASA", "public domain"),
    ("brick.png", "CC0Textures", "CC0-1.0"),
    ("gravel.png", "CC0Textures", "CC0-1.0"),
    ("grass.png", "Rob Tuytel", "CC0-1.0"),
)
PANORAMAS = ("city", "courtyard", "forest", "interior", "night", "studio", "sunrise", "sunset")
WALLPAPER = "seeding_by_Clements_Engelhardt.jpg"

Entry = dict[str, str]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        index = {
            "sprites": _pack_sprites(),
            "photographs": _pack_photographs(work),
            "fonts": _pack_fonts(work),
        }
    text = json.dumps(index, indent=1, ensure_ascii=False)
    (PACK / "index.json").write_text(text + "\n", encoding="utf-8")
    print({kind: len(entries) for kind, entries in index.items()})


def _pack_sprites() -> list[Entry]:
    files = drawings(OPENCLIPART)
    chosen = sorted((PACK / "sprites.txt").read_text(encoding="utf-8").split("\n")[:-1])
    assert not [name for name in chosen if split_of(name) == "test"], "a reserved file was chosen"
    entries: list[Entry] = []
    with zipfile.ZipFile(PACK / "sprites.zip", "w", zipfile.ZIP_STORED) as archive:
        for number, name in enumerate(chosen):
            sprite = trimmed(decoded(rendered_svg(files[name]), "RGBA"))
            assert sprite is not None, name
            member = f"{number:03}.webp"
            data = _lossless(sprite)
            archive.writestr(zipfile.ZipInfo(member), data)  # without today's date in it
            title, author = _metadata(files[name].read_text(encoding="utf-8", errors="replace"))
            entries.append({"file": name, "member": member, "title": title, "author": author,
                            "licence": "public domain"})  # fmt: skip
    return entries


def _metadata(svg: str) -> tuple[str, str]:
    """Title and author as the drawing's own RDF gives them; empty where it does not."""
    title = re.search(r"<dc:title[^>]*>([^<]+)</dc:title>", svg)
    author = re.search(r"<dc:creator[^>]*>.*?<dc:title[^>]*>([^<]+)</dc:title>", svg, re.DOTALL)
    return tuple(" ".join(m[1].split()) if m else "" for m in (title, author))  # type: ignore[return-value]


def _pack_photographs(work: Path) -> list[Entry]:
    target = PACK / "photographs"
    target.mkdir(exist_ok=True)
    entries: list[Entry] = []

    def keep(name: str, pixels: U8, source: str, author: str, licence: str) -> None:
        image = Image.fromarray(pixels).convert("RGB")
        image.thumbnail((PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE), Image.Resampling.LANCZOS)
        image.save(target / f"{name}.webp", quality=PHOTOGRAPH_QUALITY, method=6)
        entries.append({"file": f"{name}.webp", "source": source, "author": author,
                        "licence": licence})  # fmt: skip

    data = _skimage_data(work)
    for file, author, licence in SKIMAGE_PHOTOGRAPHS:
        pixels = decoded((data / file).read_bytes(), "RGB")
        keep(Path(file).stem, pixels, f"PyPI {SKIMAGE}, {file}", author, licence)
    lights = _unpacked("blender-data", work) / "usr/share/blender/datafiles/studiolights/world"
    for name in PANORAMAS:
        keep(name, _panorama(lights / f"{name}.exr"), f"Debian blender-data, {name}.exr",
             "Greg Zaal (HDRI Haven)", "CC0-1.0")  # fmt: skip
    wallpapers = _unpacked("lomiri-wallpapers-16.04", work) / "usr/share/backgrounds"
    seeding = decoded((wallpapers / WALLPAPER).read_bytes(), "RGB")
    source = f"Debian lomiri-wallpapers-16.04, {WALLPAPER}"
    keep("seeding", seeding, source, "Clemens Engelhardt", "CC0-1.0")
    face = _unpacked("python3-scipy", work) / "usr/lib/python3/dist-packages/scipy/misc/face.dat"
    raccoon = np.frombuffer(bz2.decompress(face.read_bytes()), np.uint8).reshape(768, 1024, 3)
    keep("face", raccoon, "Debian python3-scipy, scipy.misc.face", "Pixnio", "public domain")
    return entries


def _panorama(path: Path) -> U8:
    """The band around the horizon of a high dynamic range panorama, tone-mapped to sRGB.

    Tone curve: Reinhard et al., "Photographic Tone Reproduction" (2002), equation 4, on each
    channel, with a white of 4 and a key of 0.2.
    """
    import OpenEXR  # pyright: ignore[reportMissingImports]  # needed for building the pack only

    with OpenEXR.File(str(path)) as file:
        linear = next(iter(file.channels().values())).pixels[..., :3].astype(np.float32)
    linear = linear[int(0.18 * len(linear)) : int(0.82 * len(linear))]
    scaled = linear * (0.2 / np.exp(np.log(np.maximum(linear, 1e-4)).mean()))
    mapped = scaled * (1 + scaled / 16) / (1 + scaled)
    return to_u8(_srgb(np.clip(mapped, 0, 1)))


def _srgb(linear: F32) -> F32:
    """IEC 61966-2-1's transfer curve."""
    return np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _pack_fonts(work: Path) -> list[Entry]:
    target = PACK / "fonts"
    target.mkdir(exist_ok=True)
    entries: list[Entry] = []
    for package, file, family, licence in FONTS:
        source = next(_unpacked(package, work).rglob(file))
        (target / file).write_bytes(_latin_font(source, f"Pack Font {len(entries) + 1}"))
        notice = _unpacked(package, work) / "usr/share/doc" / package / "copyright"
        (target / f"{package}.copyright").write_bytes(notice.read_bytes())
        entries.append({"file": file, "family": family, "source": f"Debian {package}",
                        "licence": licence})  # fmt: skip
    return entries


def _latin_font(source: Path, name: str) -> bytes:
    """The font reduced to Latin and renamed; the Open Font License reserves the old name."""
    from fontTools import subset, ttLib  # pyright: ignore[reportMissingImports]  # needed for building the pack only

    options = subset.Options(hinting=False, desubroutinize=True, layout_features=["kern"])
    options.drop_tables += ["FFTM"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=subset.parse_unicodes(LATIN))
    with ttLib.TTFont(source, recalcTimestamp=False) as font:
        subsetter.subset(font)
        for record in font["name"].names:
            if record.nameID in (1, 3, 4, 6, 16):
                record.string = name.replace(" ", "") if record.nameID == 6 else name
        if "CFF " in font:
            font["CFF "].cff.fontNames = [name.replace(" ", "")]
        buffer = io.BytesIO()
        font.save(buffer)
    return buffer.getvalue()


def _skimage_data(work: Path) -> Path:
    """The data folder of scikit-image's wheel."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", SKIMAGE, "-d", str(work)]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(work.glob("scikit_image-*.whl"))) as wheel:
        wheel.extractall(work / "skimage")
    return work / "skimage" / "skimage" / "data"


def _unpacked(package: str, work: Path) -> Path:
    """A Debian package's files, downloaded once."""
    folder = work / package
    if not folder.exists():
        subprocess.run(["apt-get", "download", "-qq", package], cwd=work, check=True)
        archive = next(work.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg", "-x", str(archive), str(folder)], check=True)
    return folder


def _lossless(pixels: U8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=100, method=6)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
