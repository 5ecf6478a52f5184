"""A flat picture as a method receives it: pixels, where they came from, how to find them again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import Pixels, full_scale
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent, check_extent


def with_alpha(channels: NDArray) -> NDArray:
    """(h, w, 1..4) grey, grey and alpha, RGB or RGBA as new (h, w, 4), opaque by default."""
    count = channels.shape[2]
    rgba = np.empty((*channels.shape[:2], 4), channels.dtype)
    rgba[..., :3] = channels[..., :3] if count >= 3 else channels[..., :1]
    rgba[..., 3] = channels[..., -1] if count in (2, 4) else full_scale(channels.dtype)
    return rgba


@dataclass(frozen=True, eq=False)
class Picture:
    """``pixels`` (h, w, 4) uint8 or uint16, straight alpha, upright (EXIF applied).

    ``lossy`` says that the file it came from was compressed with loss, so that methods expect
    noise; ``source`` is the path it was read from; ``notes`` what reading had to change.
    """

    pixels: Pixels
    icc_profile: bytes | None = None
    dpi: float = 72.0
    source: str | None = None
    lossy: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 3 or pixels.shape[2] != 4:
            raise InvalidRequest(
                f"A picture is (h, w, 4) uint8 or uint16, not {pixels.shape} {pixels.dtype}."
            )
        check_extent(self.extent)
        view = pixels.view()
        view.flags.writeable = False
        object.__setattr__(self, "pixels", view)

    @property
    def extent(self) -> Extent:
        return Extent.of(self.pixels)

    @property
    def sha256(self) -> str:
        """Hash of shape, depth and pixels: the same picture in another file has the same one."""
        digest = hashlib.sha256(f"{self.pixels.shape}{self.pixels.dtype.str}".encode())
        digest.update(np.ascontiguousarray(self.pixels).tobytes())
        return digest.hexdigest()
