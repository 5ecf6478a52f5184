"""Toys of the rows that stages need, each written once per test run."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_registry import write_row

from layerstudio.pipelines.stages.opening import forget
from layerstudio.weights import registry

Rows = Callable[..., Path]


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stage-toys")


@pytest.fixture
def rows(toy_folder, tmp_path, monkeypatch, one_thread) -> Rows:
    """Call it with registry ids: these are on the machine then, and nothing else is."""
    own = tmp_path / "weights"
    own.mkdir()
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(own))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    forget()

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
