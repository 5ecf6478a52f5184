"""Photoshop's colour modes as RGB.

Everything becomes sRGB except RGB with a profile, which keeps it. Colour is stored as light: 0 is
black ink in CMYK and multichannel as in every other mode.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from layerstudio.color import F32, full_scale, to_depth, to_float, to_u16
from layerstudio.errors import UnreadableFile


class Mode(IntEnum):
    """ "File Header Section": the colour mode of the file."""

    BITMAP = 0
    GRAYSCALE = 1
    INDEXED = 2
    RGB = 3
    CMYK = 4
    MULTICHANNEL = 7
    DUOTONE = 8
    LAB = 9


_CHANNELS = {Mode.RGB: 3, Mode.CMYK: 4, Mode.LAB: 3}
_TITLES = {
    Mode.BITMAP: "black and white",
    Mode.GRAYSCALE: "greyscale",
    Mode.INDEXED: "indexed",
    Mode.CMYK: "CMYK",
    Mode.MULTICHANNEL: "multichannel",
    Mode.DUOTONE: "duotone; its inks were left out and its greys",
    Mode.LAB: "Lab",
}
_PROFILE_SPACES = {
    Mode.RGB: b"RGB ",
    Mode.CMYK: b"CMYK",
    Mode.GRAYSCALE: b"GRAY",
    Mode.DUOTONE: b"GRAY",
}
# Rows are converted in bands, as the float intermediates are many times the size of the pixels.
_BAND_PIXELS = 2**20

# ICC's profile connection space: D50 white (ICC.1:2022, 7.2.16).
_WHITE_D50 = np.array([0.9642, 1.0, 0.8249], np.float32)
# XYZ (D50) to linear sRGB, Bradford-adapted: the inverse of the matrix in IEC 61966-2-1 as ICC
# profiles carry it (B. Lindbloom, "RGB/XYZ Matrices").
_XYZ_TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ],
    np.float32,
)


class Colors:
    """How the planes of one file become RGB; ``icc`` is the profile that stays valid after it."""

    def __init__(self, mode: int, bits: int, icc: bytes | None, palette: bytes) -> None:
        try:
            self.mode = Mode(mode)
        except ValueError as error:
            raise UnreadableFile(f"The file has the unknown colour mode {mode}.") from error
        if bits == 1 and self.mode is not Mode.BITMAP:
            raise UnreadableFile("The file is damaged: colours of 1 bit are no colours.")
        self.bits = bits
        fits = icc is not None and icc[16:20] == _PROFILE_SPACES.get(self.mode)
        self._given = icc if fits else None
        self.icc = self._given if self.mode is Mode.RGB and bits < 32 else None
        self._palette = palette
        if self.mode is Mode.INDEXED and len(palette) < 768:
            raise UnreadableFile("The file is damaged: its palette is missing.")

    @property
    def notes(self) -> tuple[str, ...]:
        """What the conversion changes, one sentence each."""
        notes = []
        if self.mode in _TITLES:
            notes.append(f"The picture was {_TITLES[self.mode]}; it was converted to sRGB.")
        if self.mode is Mode.CMYK and self.bits == 16:
            notes.append("The picture's 16-bit inks were converted with 8 bits.")
        if self.bits == 32:
            notes.append("The picture had 32 bits of linear light; it has 16 bits in sRGB now.")
        return tuple(notes)

    @property
    def dtype(self) -> np.dtype:
        """uint8 or uint16, the depth of converted pixels."""
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)

    def channel_count(self, available: int) -> int:
        """How many of the first ``available`` planes are colour."""
        if self.mode is Mode.MULTICHANNEL:
            return min(available, 4) if available >= 3 else 1
        return _CHANNELS.get(self.mode, 1)

    def alpha(self, plane: NDArray) -> NDArray:
        """A stored plane of transparency or mask at ``dtype``."""
        if plane.dtype == bool:
            return plane.astype(self.dtype) * self.dtype.type(full_scale(self.dtype))
        return to_u16(_unit(plane)) if plane.dtype == np.float32 else plane

    def rgb(self, planes: Sequence[NDArray]) -> NDArray:
        """Stored planes (h, w), as ``psd_unpack.decode`` gives them, to (h, w, 3) ``dtype``."""
        convert = self._conversion(len(planes))
        height, width = planes[0].shape
        out = np.empty((height, width, 3), self.dtype)
        step = max(1, _BAND_PIXELS // max(1, width))
        for top in range(0, height, step):
            out[top : top + step] = convert(np.stack([p[top : top + step] for p in planes], -1))
        return out

    def _conversion(self, count: int) -> Callable[[NDArray], NDArray]:
        """(h, w, count) stored samples to (h, w, 3) or (h, w, 1) of ``dtype``."""
        if self.mode is Mode.BITMAP:
            return lambda inked: np.where(inked, 0, 255).astype(np.uint8)
        if self.mode is Mode.INDEXED:
            table = np.frombuffer(self._palette[:768], np.uint8).reshape(3, 256).T
            return lambda indices: table[to_depth(indices[..., 0], np.uint8)]
        if self.bits == 32:
            return lambda light: to_u16(_srgb_curve(_unit(light)))
        if self.mode is Mode.LAB:
            return lambda lab: to_depth(_lab_to_srgb(lab), self.dtype)
        if self.mode is Mode.CMYK or count == 4:
            return self._inks()
        if self.mode in (Mode.GRAYSCALE, Mode.DUOTONE) and self._given:
            return self._greys(self._given)
        return lambda samples: samples

    def _inks(self) -> Callable[[NDArray], NDArray]:
        """With the file's profile, or (1 - ink) (1 - black) without a usable one."""
        transform = _transform(self._given, "CMYK")
        if transform is None:
            return lambda light: to_depth(
                to_float(light[..., :3]) * to_float(light[..., 3:]), self.dtype
            )

        def convert(light: NDArray) -> NDArray:
            inks = np.ascontiguousarray(255 - to_depth(light, np.uint8))
            image = Image.frombytes("CMYK", inks.shape[1::-1], inks.tobytes())
            return to_depth(np.asarray(ImageCms.applyTransform(image, transform)), self.dtype)

        return convert

    def _greys(self, icc: bytes) -> Callable[[NDArray], NDArray]:
        """The profile's tone curve, sampled at 256 greys; 16-bit greys lie between them."""
        transform = _transform(icc, "L")
        if transform is None:
            return lambda samples: samples
        ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
        curve = np.asarray(ImageCms.applyTransform(ramp, transform))[0, :, 1]
        if self.bits == 8:
            return lambda samples: curve[samples]
        places = np.arange(256) * 257
        levels = np.interp(np.arange(65536), places, curve.astype(np.float64) * 257)
        table = np.rint(levels).astype(np.uint16)
        return lambda samples: table[samples]


def _transform(icc: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where the profile is missing or broken; the plain formula has to do then."""
    if icc is None:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(
            profile, srgb, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
    except (ImageCms.PyCMSError, OSError):
        return None


def _lab_to_srgb(lab: NDArray) -> F32:
    """CIE 15:2004, 8.2.1, backwards: L is 0..100 over the range, a and b are offset by 128."""
    scale = np.float32(full_scale(lab.dtype))
    lightness = lab[..., 0] * np.float32(100) / scale
    offset = 128 if lab.dtype == np.uint8 else 32768
    unit = np.float32(1 if lab.dtype == np.uint8 else 1 / 256)
    a, b = (lab[..., index].astype(np.float32) * unit - offset * unit for index in (1, 2))
    fy = (lightness + 16) / 116
    f = np.stack([fy + a / 500, fy, fy - b / 200], -1)
    delta = np.float32(6 / 29)
    xyz = np.where(f > delta, f**3, 3 * delta**2 * (f - np.float32(4 / 29))) * _WHITE_D50
    return _srgb_curve(np.clip(xyz @ _XYZ_TO_SRGB.T, 0, 1))


def _unit(light: NDArray) -> F32:
    """Floats as far as a picture can show them: 0 to 1, and no colour for what is no number."""
    return np.clip(np.nan_to_num(light, nan=0.0), 0, 1)


def _srgb_curve(linear: NDArray) -> F32:
    """IEC 61966-2-1: linear light in [0, 1] to sRGB's encoding."""
    linear = linear.astype(np.float32, copy=False)
    low = linear * np.float32(12.92)
    high = np.float32(1.055) * linear ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= 0.0031308, low, high)
