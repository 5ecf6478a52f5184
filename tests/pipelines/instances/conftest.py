"""Toys of the rows that the stages of ``instances`` need, and a picture taken apart with them."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_things import things
from tiny_registry import write_row

import layerstudio
from layerstudio.pipelines.stages.opening import forget
from layerstudio.weights import registry


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("instances-toys")


@pytest.fixture(scope="module", autouse=True)
def let_go():
    """Stages stay open from test to test, as they do from picture to picture."""
    forget()
    yield
    forget()


@pytest.fixture
def rows(toy_folder, tmp_path, monkeypatch, one_thread) -> Callable[..., Path]:
    """Call it with registry ids: these are on the machine then, and nothing else is."""
    own = tmp_path / "weights"
    own.mkdir()
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(own))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))

    def put(*ids: str) -> Path:
        for id in ids:
            repository = registry.checkpoint(id).repository
            written = toy_folder / repository
            if not written.is_dir():
                write_row(id, written)
            (own / repository).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(written, own / repository)
        return own

    return put


BOXES = [(10, 10, 36, 44), (34, 24, 33, 33)]


@pytest.fixture
def taken_apart(rows):
    """With the smallest set of weights, and boxes around both things."""
    rows("sam-vit-b")

    def take(picture=None, **options):
        picture = things() if picture is None else picture
        defaults = {"method": "instances", "boxes": BOXES, "seed": 1}
        return layerstudio.decompose(picture, **{**defaults, **options})

    return take


@pytest.fixture
def things_of():
    return things


@pytest.fixture
def things_rgba():
    """(h, w, 4): an upper part that is half transparent, and a strip that shows nothing."""
    pixels = np.dstack([things(), np.full((71, 93), 255, np.uint8)])
    pixels[:20, :, 3] = 140
    pixels[:3, :, 3] = 0
    return pixels
