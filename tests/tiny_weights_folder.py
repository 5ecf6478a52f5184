"""A ``LAYERSTUDIO_WEIGHTS`` folder with a toy of every row that LayerDiffuse's methods need."""

from pathlib import Path

import pytest

EXTRAS = ("controlnet-canny-sdxl", "ip-adapter-sdxl", "taesd", "taesdxl", "taef1")


def needed_rows() -> list[str]:
    """Ids of all rows named in the methods' catalogue."""
    from layerstudio.pipelines.layerdiffuse.catalogue import FLUX, SD15, SDXL, needed

    rows: list[str] = []
    for family in (SDXL, SD15, FLUX):
        for mode in family.modes:
            for variant in family.variants or {"": ""}:
                rows += needed(family, mode, variant, family.defaults.base)
    return list(dict.fromkeys([*rows, *EXTRAS]))


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``<organisation>/<name>/<files>``, written once per test run."""
    from tiny_registry import write_row

    from layerstudio.weights import registry

    folder = tmp_path_factory.mktemp("weights")
    for row in needed_rows():
        write_row(row, folder / registry.checkpoint(row).repository)
    return folder


@pytest.fixture
def with_weights(
    weights_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> Path:
    """That folder in use, and no other place to look in."""
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(weights_folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    return weights_folder
