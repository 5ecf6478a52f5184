"""Toy weights of the default base and of what takes its pictures apart, in a weights folder."""

import pytest

ROWS = ("sdxl-base", "sam-vit-b", "grounding-dino-tiny", "big-lama", "taesdxl")


@pytest.fixture(scope="session")
def toys(tmp_path_factory):
    """``<organisation>/<name>/<files>``, written once per test run."""
    from tiny_registry import write_row

    from layerstudio.weights import registry

    folder = tmp_path_factory.mktemp("layeringdiff")
    for row in ROWS:
        write_row(row, folder / registry.checkpoint(row).repository)
    return folder


@pytest.fixture
def with_toys(toys, tmp_path, monkeypatch, one_thread):
    """That folder in use, and no other place to look in."""
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(toys))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    return toys
