"""Arguments from outside: a number is a finite number in its range, or a sentence says so."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from layerstudio.document import BlendMode
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import MAX_SIDE, Bounds
from layerstudio.io.limits import DEFAULT_LIMITS

# Layers farther off than this from the canvas's corner are a slip of the hand, and no format of
# ours stores places beyond 32 bits.
FARTHEST = 4 * MAX_SIDE

# What one edit may allocate for one layer: twice a picture of 50 megapixels, turned by 45 degrees.
MOST_PIXELS = 200_000_000

_NOT_IN_NAMES = ("Cc", "Cs", "Cn", "Zl", "Zp")  # Unicode's categories: controls, halves, line ends
_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def number(value: object, name: str, least: float, most: float) -> float:
    """``value`` as a float in [least, most]; raises ``InvalidRequest`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"{name} must be a number.")
    if not least <= value <= most:  # so is NaN
        raise InvalidRequest(f"{name} must be from {least:,g} to {most:,g}.")
    return float(value)


def pixels(value: object, name: str, least: float = -FARTHEST, most: float = FARTHEST) -> int:
    """``number`` rounded to whole pixels."""
    return round(number(value, name, least, most))


def flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} must be true or false.")
    return value


def choice(value: object, name: str, choices: Iterable[str]) -> str:
    known = list(choices)
    if not isinstance(value, str) or value not in known:
        raise InvalidRequest(f"{name} must be one of {', '.join(known)}.")
    return value


def node_name(value: object) -> str:
    """A name without blanks around it: 1 to 1,000 characters, none of them a control character."""
    name = value.strip() if isinstance(value, str) else ""
    if not name or len(name) > 1000 or not all(map(_fits_on_a_line, name)):
        raise InvalidRequest("A layer's name has 1 to 1,000 characters on one line.")
    return name


def _fits_on_a_line(character: str) -> bool:
    """Joiners are part of emoji and of Persian words; overrides of the direction only mislead."""
    kind = unicodedata.category(character)
    return kind not in _NOT_IN_NAMES and character not in _DIRECTIONS


def blend_mode(value: object) -> BlendMode:
    return BlendMode(choice(value, "The blend mode", BlendMode))


def affordable(bounds: Bounds, what: str) -> Bounds:
    """``bounds``, unless so many pixels, or a place so far off, cannot be meant."""
    if bounds.area > MOST_PIXELS:
        raise InvalidRequest(
            f"{what} would be {bounds.extent} pixels, more than the limit of {MOST_PIXELS:,}.",
            advice="Choose a smaller scale.",
        )
    return near(bounds, what)


def near(bounds: Bounds, what: str) -> Bounds:
    """``bounds``, unless they lie too far from the canvas to be found again."""
    edges = (bounds.x, bounds.y, bounds.right, bounds.bottom)
    if not bounds.is_empty and max(map(abs, edges)) > FARTHEST:
        raise InvalidRequest(f"{what} would lie more than {FARTHEST:,} pixels off the canvas.")
    return bounds


def canvas_affordable(width: int, height: int) -> None:
    """Raise ``InvalidRequest`` for a canvas that no picture of ours may have."""
    if width * height > DEFAULT_LIMITS.pixels:
        raise InvalidRequest(
            f"A canvas of {width:,} x {height:,} pixels is more than the limit of"
            f" {DEFAULT_LIMITS.pixels:,}."
        )
