"""Photographs beyond the pack's few: wallpapers of Debian packages, where those are installed.

They are only ever trained on. Their licences ask that changed copies say whose they are, so they
are not in the repository; what is drawn from them is not kept either.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image

from layerstudio.color import U8
from training.splits import split_of

SHARE = Path("/usr/share")
PHOTOGRAPH_SIDE = 1600  # longest side that is kept, of pictures up to 5120 wide


@dataclass(frozen=True)
class Credit:
    """Whose a photograph is; ``package`` is the Debian package that it comes from."""

    author: str
    licence: str
    package: str


class PhotographSource(Protocol):
    """Photographs of the train split by name."""

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        ...

    def read(self, name: str) -> U8:
        """(h, w, 3)."""
        ...

    def credit(self, name: str) -> Credit: ...


@dataclass(frozen=True)
class Wallpaper:
    """``path`` is below /usr/share; the split goes by ``name``, since many files are named for
    their size."""

    name: str
    path: str
    credit: Credit


def _mate(name: str, author: str) -> Wallpaper:
    path = f"backgrounds/mate/nature/{name}.jpg"
    return Wallpaper(f"{name}.jpg", path, Credit(author, "GPL-2+", "mate-backgrounds"))


def _plasma(name: str, size: str = "2560x1600", dark: str = "") -> Wallpaper:
    path = f"wallpapers/{name}/contents/images{dark}/{size}.jpg"
    credit = Credit("KDE Visual Design Group", "GPL-2+", "plasma-workspace-wallpapers")
    return Wallpaper(f"{name}.jpg", path, credit)


def _lomiri(name: str, author: str, licence: str = "CC-BY-4.0", year: str = "16.04") -> Wallpaper:
    credit = Credit(author, licence, f"lomiri-wallpapers-{year}")
    return Wallpaper(f"{name}.jpg", f"backgrounds/{name}.jpg", credit)


# Photographs, and paintings as rich, chosen by eye; authors and licences as each package says.
WALLPAPERS = (
    _mate("Aqua", "Charles Barbin"),
    _mate("Blinds", "Lennart Poettering, Andrea Cimitan"),
    _mate("Dune", "Marco Cogoni, Hylke Bons"),
    _mate("FreshFlower", "Jens Ansorg"),
    _mate("Garden", "Charles Barbin"),
    _mate("GreenMeadow", "Timothy Schellhase, Lapo Calamandrei"),
    _mate("LadyBird", "Charles Barbin"),
    _mate("RainDrops", "blackcombwhistler07"),
    _mate("Storm", "Sergey Nazarov"),
    _mate("TwoWings", "Charles Barbin, Hylke Bons"),
    _mate("Wood", "Jean-François Fortin Tam"),
    _mate("YellowFlower", "Charles Barbin"),
    _plasma("Autumn"),
    _plasma("BytheWater"),
    _plasma("ColdRipple"),
    _plasma("ColorfulCups"),
    _plasma("DarkestHour"),
    _plasma("EveningGlow"),
    _plasma("FallenLeaf"),
    _plasma("Grey"),
    _plasma("Kite"),
    _plasma("OneStandsOut"),
    _plasma("Path"),
    _plasma("Shell", "5120x2880"),
    _plasma("Volna", "5120x2880"),
    _plasma("summer_1am"),
    _lomiri("Bridge_by_Sander_Klootwijk", "Sander Klootwijk", "CC-BY-SA-4.0"),
    _lomiri("Dragonfly_by_Bolly", "Bolly", "CC-BY-SA-4.0"),
    _lomiri("Picture_0B_by_freespace", "Trevor Freespace"),
    _lomiri("Picture_1A_by_freespace", "Trevor Freespace"),
    _lomiri("Wine_by_Jakkub_Mede", "Jakub Mede"),
    _lomiri("aitzgorri_by_Aitzol_Berasategi", "Aitzol Berasategi"),
    _lomiri("analogpattern_by_Peter_Nerlich", "Peter Nerlich", "CC-BY-SA-4.0"),
    _lomiri("free_by_Peter_Nerlich", "Peter Nerlich", "CC-BY-SA-4.0"),
    _lomiri("friends_by_Aitzol_Berasategi", "Aitzol Berasategi"),
    _lomiri("greentock_by_Peter_Nerlich", "Peter Nerlich", "CC-BY-SA-4.0"),
    _lomiri("life_by_Aitzol_Berasategi", "Aitzol Berasategi"),
    _lomiri("picosdeeuropa_by_Aitzol_Berasategi", "Aitzol Berasategi"),
    _lomiri("sunset_by_Aitzol_Berasategi", "Aitzol Berasategi"),
    _lomiri("Kleiber_by_Lukas_Baubkus", "Lukas Baubkus", "CC-BY-SA-3.0", "20.04"),
)  # fmt: skip

_TRAINED_ON = {item.name: item for item in WALLPAPERS if split_of(item.name) == "train"}


class Wallpapers:
    """Those of ``WALLPAPERS`` that are installed and of the train split."""

    def __init__(self, root: Path = SHARE) -> None:
        self._root = root

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._found))

    def read(self, name: str) -> U8:
        with Image.open(self._found[name]) as image:
            image.draft("RGB", (PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE))
            return within(np.asarray(image.convert("RGB")), PHOTOGRAPH_SIDE)

    def credit(self, name: str) -> Credit:
        return _TRAINED_ON[name].credit

    def missing(self) -> dict[str, str]:
        """Those of the train split that are not installed: the package of each."""
        return {
            name: item.credit.package
            for name, item in _TRAINED_ON.items()
            if name not in self._found
        }

    @cached_property
    def _found(self) -> dict[str, Path]:
        places = {name: self._root / item.path for name, item in _TRAINED_ON.items()}
        return {name: path for name, path in places.items() if path.is_file()}


def within(pixels: U8, side: int) -> U8:
    """``pixels`` (h, w, 3) made smaller where a side exceeds ``side``."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
