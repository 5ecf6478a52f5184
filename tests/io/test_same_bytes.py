"""Equal documents give equal files, whenever they are written."""

import time
import zipfile

import numpy as np
import pytest

from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.files import FORMATS, save


@pytest.mark.parametrize("suffix", [s for s, row in FORMATS.items() if not row.is_folder])
def test_a_file_does_not_tell_when_it_was_written(tmp_path, suffix, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 13, 4), dtype=np.uint8)
    layers = [Layer(f"layer {n}", Bounds(n, n, 13, 9), pixels[n]) for n in range(2)]
    document = Document(Extent(17, 11), tuple(layers), metadata={"title": "Same"})
    first = save(document, tmp_path / f"first{suffix}").read_bytes()
    # Zips count seconds in twos, and some libraries ask for the time by their own ways.
    later = time.localtime(time.time() + 4000)
    monkeypatch.setattr(time, "localtime", lambda *_: later)
    assert save(document, tmp_path / f"first{suffix}").read_bytes() == first
    if zipfile.is_zipfile(tmp_path / f"first{suffix}"):
        with zipfile.ZipFile(tmp_path / f"first{suffix}") as archive:
            assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
