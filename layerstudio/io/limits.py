"""How much a reader may be made to do by a file from a stranger."""

from __future__ import annotations

from dataclasses import dataclass

from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Extent


@dataclass(frozen=True)
class Limits:
    """``pixels`` counts one picture or canvas, ``total_pixels`` all layers of a file together."""

    pixels: int = 400_000_000
    total_pixels: int = 4_000_000_000
    file_bytes: int = 8 * 2**30
    nodes: int = 8_000
    depth: int = 32

    def check_extent(self, extent: Extent, what: str) -> None:
        """Raise ``UnreadableFile`` before anything of that size is allocated."""
        if extent.pixel_count > self.pixels:
            raise UnreadableFile(
                f"{what} is {extent} pixels, more than the limit of {self.pixels:,}.",
                advice="Raise the limit with --max-pixels if you trust the file.",
            )


DEFAULT_LIMITS = Limits()
