"""How much a reader may be made to do by a file from a stranger."""

from __future__ import annotations

from dataclasses import dataclass

from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Extent

_OPENING = (b"[", b"{", b"<", b"=")  # lists, objects, elements, attributes
_PARTS_PER_NODE = 48  # three times what a layer with text and mask has


@dataclass(frozen=True)
class Limits:
    """``pixels`` counts one picture or canvas, ``total_pixels`` all layers of a file together.

    ``text_bytes`` bounds JSON and XML, whose parts take up to fifty times their size in memory;
    ``name_characters`` the name of a layer.
    """

    pixels: int = 400_000_000
    total_pixels: int = 4_000_000_000
    file_bytes: int = 8 * 2**30
    nodes: int = 8_000
    depth: int = 32
    text_bytes: int = 16 * 2**20
    name_characters: int = 2**16

    def check_extent(self, extent: Extent, what: str) -> None:
        """Raise ``UnreadableFile`` before anything of that size is allocated."""
        if extent.pixel_count > self.pixels:
            raise UnreadableFile(
                f"{what} is {extent} pixels, more than the limit of {self.pixels:,}.",
                advice="Raise the limit with --max-pixels if you trust the file.",
            )

    def check_text(self, text: bytes, what: str) -> None:
        """Raise ``UnreadableFile`` for JSON or XML that is too long, or has too many parts.

        Parts are counted by the characters that open them, before anything is parsed.
        """
        if len(text) > self.text_bytes:
            raise UnreadableFile(
                f"{what} has {len(text):,} bytes, more than the limit of {self.text_bytes:,}."
            )
        if sum(map(text.count, _OPENING)) > self.nodes * _PARTS_PER_NODE:
            raise UnreadableFile(f"{what} has more parts than {self.nodes:,} layers can have.")

    def check_name(self, name: str) -> None:
        """Raise ``UnreadableFile`` for a layer's name that nobody wrote by hand."""
        if len(name) > self.name_characters:
            raise UnreadableFile(
                f"A layer's name has {len(name):,} characters, more than the limit of"
                f" {self.name_characters:,}."
            )


DEFAULT_LIMITS = Limits()
