"""Files that were cut short or in which a byte changed."""

from pathlib import Path

import numpy as np
import pytest

from layerstudio.errors import UnreadableFile
from layerstudio.io import open_document


def assert_refused_when_cut(path: Path, step: int) -> None:
    """Cuts ``path`` after every ``step`` bytes; each piece must be refused in a sentence."""
    whole = path.read_bytes()
    cut = path.with_name(f"cut{path.suffix}")
    for size in range(0, len(whole), step):
        cut.write_bytes(whole[:size])
        with pytest.raises(UnreadableFile):
            open_document(cut)


def refusals_of_flipped(path: Path, count: int) -> int:
    """How many of ``count`` copies with one wrong byte are refused; the others open."""
    whole = bytearray(path.read_bytes())
    broken = path.with_name(f"broken{path.suffix}")
    refused = 0
    for place in np.random.default_rng(0).integers(0, len(whole), count):
        damaged = whole.copy()
        damaged[place] ^= 0xFF
        broken.write_bytes(damaged)
        try:
            open_document(broken)
        except UnreadableFile:
            refused += 1
    return refused
