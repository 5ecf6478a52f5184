"""The flattened picture as one PNG, with the recipe in a text chunk."""

from __future__ import annotations

from pathlib import Path

from layerstudio.composite import composite_pixels
from layerstudio.document import Document
from layerstudio.io import recipe
from layerstudio.io.png_codec import encode_png, png_text
from layerstudio.ops.bleed import bleed

TEXT_KEY = "layerstudio"
FLATTENED = "The layers are flattened into one picture."


def write(document: Document, path: Path) -> tuple[str, ...]:
    """8 or 16 bits as the document has, straight alpha, colour bled under transparency."""
    data = encode_png(
        bleed(composite_pixels(document)),
        icc=document.icc_profile,
        dpi=document.dpi,
        text={"Software": recipe.TOOL, TEXT_KEY: recipe.to_json(document)},
    )
    path.write_bytes(data)
    return (FLATTENED,) if len(document.layers) > 1 else ()


def read_recipe(data: bytes) -> recipe.Recipe | None:
    """The recipe in the bytes of a PNG that ``write`` made; None where there is none."""
    return recipe.from_json(png_text(data).get(TEXT_KEY, ""))
