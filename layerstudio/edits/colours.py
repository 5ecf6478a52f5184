"""Colours as people give them: "#rrggbb" in sRGB, brought into the document's own colours."""

from __future__ import annotations

import io
import re

from PIL import Image, ImageCms

from layerstudio.errors import InvalidRequest

Colour = tuple[int, int, int]  # 8 bits a channel

_HEX = re.compile(r"#([0-9a-fA-F]{6})")


def parse_colour(text: str) -> Colour:
    """``"#ff8000"`` as (255, 128, 0); raises ``InvalidRequest`` for anything else."""
    match = _HEX.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidRequest("This is not a colour.", advice="Colours look like #ff8000.")
    red, green, blue = bytes.fromhex(match[1])
    return red, green, blue


def document_colour(text: str, icc_profile: bytes | None) -> Colour:
    """A colour given in sRGB in the colour space of a document's profile, if it has a usable one.

    Relative colorimetric with black point compensation, as pictures are converted at the door
    (``layerstudio/io/profiles.py``).
    """
    colour = parse_colour(text)
    if icc_profile is None:
        return colour
    try:
        converted = ImageCms.profileToProfile(
            Image.new("RGB", (1, 1), colour),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            ImageCms.ImageCmsProfile(io.BytesIO(icc_profile)),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return colour
    assert converted is not None
    red, green, blue = converted.tobytes()
    return red, green, blue
