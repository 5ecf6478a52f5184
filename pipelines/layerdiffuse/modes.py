"""What LayerDiffuse's weights for SDXL make, and from what.

Facts of the published files of layerdiffusion/layerdiffusion-v1 and the code that runs them. Which
outputs have transparency, and the order in which conditions follow the noisy latents on the
channels, are properties of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from layerstudio.errors import InvalidRequest

Frame = Literal["foreground", "background", "blended"]
ModeId = Literal["plain", "transparent", "fg2ble", "bg2ble", "fgble2bg", "bgble2fg"]


@dataclass(frozen=True)
class Mode:
    """One way of running the UNet.

    ``conditions`` are the given pictures in the order of the widened ``conv_in``, ``makes`` is
    what comes out. With ``transparent`` it goes through the transparency decoder, else through the
    VAE alone. ``patched`` modes need weights of their own; "plain" is the base model, whose
    opaque pictures serve as backgrounds. ``ending_step`` is the share of the
    steps after which the published checks go on with the original weights.
    """

    makes: Frame
    conditions: tuple[Frame, ...] = ()
    transparent: bool = False
    patched: bool = True
    ending_step: float = 1.0

    @property
    def extra_in_channels(self) -> int:
        """Latents of the conditions, 4 channels each."""
        return 4 * len(self.conditions)


MODES: Mapping[ModeId, Mode] = {
    "plain": Mode("background", patched=False),
    "transparent": Mode("foreground", transparent=True),
    "fg2ble": Mode("blended", ("foreground",)),
    "bg2ble": Mode("blended", ("background",)),
    # 0.5 is the published check's; a port for diffusers has 0.62.
    "fgble2bg": Mode("background", ("foreground", "blended"), ending_step=0.5),
    "bgble2fg": Mode(
        "foreground",
        ("background", "blended"),
        transparent=True,
    ),
}


def find_mode(name: str) -> Mode:
    """Raises ``InvalidRequest`` for a mode that is not in the table."""
    mode = {str(known): mode for known, mode in MODES.items()}.get(name)
    if mode is None:
        raise InvalidRequest(
            f"There is no LayerDiffuse mode {name!r} for SDXL.",
            advice=f"Known: {', '.join(MODES)}.",
        )
    return mode
