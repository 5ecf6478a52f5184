"""What LayerDiffuse's weights for SD 1.5 make, and from what.

The frames are denoised together in this order, which is a property of the published files
(sd-forge-layerdiffuse); the foreground alone has transparency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from layerstudio.errors import InvalidRequest

Frame = Literal["foreground", "background", "blended"]
SharingModeId = Literal["fg", "joint", "fg2bg", "bg2fg"]


@dataclass(frozen=True)
class SharingMode:
    """``makes`` are the frames of one picture, the one asked for first; ``given`` is the
    picture that it is built on."""

    makes: tuple[Frame, ...]
    given: Frame | None = None

    @property
    def is_transparent(self) -> bool:
        return "foreground" in self.makes


SHARING_MODES: Mapping[SharingModeId, SharingMode] = {
    "fg": SharingMode(("foreground",)),
    "joint": SharingMode(("foreground", "background", "blended")),
    "fg2bg": SharingMode(("background", "blended"), given="foreground"),
    "bg2fg": SharingMode(("foreground", "blended"), given="background"),
}


def find_sharing_mode(name: str) -> SharingMode:
    """Raises ``InvalidRequest`` for a mode that is not in the table."""
    mode = {str(known): mode for known, mode in SHARING_MODES.items()}.get(name)
    if mode is None:
        raise InvalidRequest(
            f"There is no LayerDiffuse mode {name!r} for SD 1.5.",
            advice=f"Known: {', '.join(SHARING_MODES)}.",
        )
    return mode


def texts_by_frame(mode: SharingMode, own: Mapping[Frame, Any], prompt: Any) -> list[Any]:
    """The prompt of every frame that is made: its own, else ``prompt``.

    Raises ``InvalidRequest`` for a prompt of a frame that this mode does not make.
    """
    useless = [frame for frame in own if own[frame] is not None and frame not in mode.makes]
    if useless:
        raise InvalidRequest(
            f"These weights make no {useless[0]}, so it takes no prompt.",
            advice=f"They make {', '.join(mode.makes)}.",
        )
    return [prompt if own.get(frame) is None else own[frame] for frame in mode.makes]
