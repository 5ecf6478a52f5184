"""Settings that are lists: one entry for each layer, bottom to top, separated by commas."""

from __future__ import annotations

import re

from layerstudio.document import BlendMode
from layerstudio.errors import InvalidRequest
from layerstudio.ops.blend_slopes import BLENDABLE

Levels = tuple[int, int, int]

AUTO = "auto"
_ALIASES = {"add": BlendMode.LINEAR_DODGE, "plus": BlendMode.LINEAR_DODGE}


def entries(text: str) -> list[str]:
    """The entries of a setting; none of an empty one."""
    return [part.strip().lower() for part in text.split(",")] if text.strip() else []


def colour_of(entry: str) -> Levels:
    """8-bit RGB of "#rrggbb" or "#rgb"; raises ``InvalidRequest``."""
    digits = entry.removeprefix("#")
    if re.fullmatch(r"[0-9a-f]{3}", digits):
        digits = "".join(digit * 2 for digit in digits)
    if not re.fullmatch(r"[0-9a-f]{6}", digits):
        raise InvalidRequest(
            f"{entry!r} is no colour.", advice="Colours are written #rrggbb, separated by commas."
        )
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def mode_of(entry: str) -> BlendMode:
    """A blend mode that can be solved for; raises ``InvalidRequest``."""
    known = {mode.value: mode for mode in BLENDABLE} | _ALIASES
    if entry not in known:
        raise InvalidRequest(
            f"{entry!r} is no blend mode that a picture can be taken apart by.",
            advice=f"There are: {', '.join(known)}.",
        )
    return known[entry]


def spread_of(entry: str) -> float:
    """8-bit levels, 0.5 to 128; raises ``InvalidRequest``."""
    try:
        value = float(entry)
    except ValueError:
        value = float("nan")
    if not 0.5 <= value <= 128:
        raise InvalidRequest(f"{entry!r} is no spread.", advice="Spreads are 0.5 to 128 levels.")
    return value
