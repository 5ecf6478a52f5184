"""Colour profiles at the door: everything becomes RGB, RGB keeps the profile it came with.

CMYK, Lab and grey pictures are converted to sRGB through LittleCMS where they carry a profile,
relative colorimetric with black point compensation, the default of Photoshop and Krita.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from layerstudio.color import Pixels, full_scale

_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


@dataclass(frozen=True)
class Profiled:
    """A picture in RGB with the profile to keep; ``pixels`` (h, w, 4) where those were given."""

    image: Image.Image
    pixels: Pixels
    icc: bytes | None
    notes: tuple[str, ...] = ()


def rgb_profile(icc: object) -> bytes | None:
    """``icc`` if it is a profile of RGB colour (ICC.1, 7.2.6): the only kind a document has."""
    return icc if isinstance(icc, bytes) and icc[16:20] == b"RGB " else None


def to_rgb_profile(image: Image.Image, pixels: Pixels | None = None) -> Profiled:
    """``image`` in an RGB-like mode; or ``pixels`` (h, w, 4) decoded from it at 16 bits."""
    profile = _profile(image)
    given = np.empty((0, 0, 4), np.uint8) if pixels is None else pixels
    if pixels is None and image.mode in ("CMYK", "LAB"):
        return _converted(image, profile, given)
    if profile is None:
        broken = ("The colour profile is broken and was left out.",)
        return Profiled(image, given, None, broken if image.info.get("icc_profile") else ())
    space = _space(image)
    if space == "RGB":
        return Profiled(image, given, image.info["icc_profile"])
    grey = image.mode in ("L", "LA", "1") if pixels is None else image.mode != "RGB"
    if space == "GRAY" and grey:
        return _from_grey(image, profile, pixels, given)
    note = f"The colour profile is for {space}, not for this picture, and was left out."
    return Profiled(image, given, None, (note,))


def _profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    icc = image.info.get("icc_profile")
    if not icc:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (ImageCms.PyCMSError, OSError):
        return None


def _space(image: Image.Image) -> str:
    """The colour space that the profile is for: bytes 16 to 19 of its header, ICC.1 7.2.6."""
    return image.info["icc_profile"][16:20].decode("latin-1").strip()


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    """The picture through its profile, or None where the profile's tables are broken."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        return ImageCms.profileToProfile(
            image, profile, srgb, _INTENT, outputMode="RGB", flags=_FLAGS
        )
    except ImageCms.PyCMSError:
        return None


def _converted(
    image: Image.Image, profile: ImageCms.ImageCmsProfile | None, given: Pixels
) -> Profiled:
    if image.mode == "LAB":
        profile, name = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "Lab"
    else:
        usable = profile is not None and _space(image) == "CMYK"
        profile, name = profile if usable else None, "CMYK"
    converted = profile and _to_srgb(image, profile)
    if profile is None or converted is None:
        note = "CMYK without a usable profile was converted by formula; colours are approximate."
        return Profiled(image.convert("RGB"), given, None, (note,))
    title = ImageCms.getProfileDescription(profile).strip()
    return Profiled(converted, given, None, (f"{name} was converted to sRGB from {title!r}.",))


def _from_grey(
    image: Image.Image,
    profile: ImageCms.ImageCmsProfile,
    pixels: Pixels | None,
    given: Pixels,
) -> Profiled:
    """A grey profile is one curve: it is sampled at 256 levels and applied at any depth."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    sampled = _to_srgb(ramp, profile)
    if sampled is None:
        return Profiled(image, given, None, ("The colour profile is broken and was left out.",))
    curve = np.asarray(sampled)[0, :, 1]
    note = ("The grey profile was converted to sRGB.",)
    if pixels is None:
        bands = list(image.convert("LA" if "transparency" in image.info else image.mode).split())
        bands[0] = bands[0].convert("L").point(curve.tolist())
        mode = "LA" if len(bands) == 2 else "L"
        return Profiled(Image.merge(mode, bands), given, None, note)
    scale = full_scale(pixels.dtype)
    levels = np.linspace(0, scale, 256)
    table = np.rint(np.interp(np.arange(scale + 1), levels, curve * (scale / 255)))
    changed = pixels.copy()
    changed[..., :3] = table.astype(pixels.dtype)[pixels[..., :3]]
    return Profiled(image, changed, None, note)
