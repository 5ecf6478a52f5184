"""Opt-in markers: tests that need more than a plain machine skip, and say why."""

import os

import pytest
from tiny_fixtures import one_thread, tiny_flux, tiny_sd15, tiny_sdxl  # noqa: F401 (fixtures)
from tiny_weights_folder import weights_folder, with_weights  # noqa: F401

OPT_IN = {
    "browser": "drives the web studio in Chromium for minutes",
    "gpu": "needs a CUDA device",
    "weights": "needs downloaded checkpoints",
    "slow": "takes more than ten seconds",
}


def pytest_configure(config: pytest.Config) -> None:
    """One thread in each process, before a library starts its own: pytest-xdist keeps the cores
    busy, and threads that wait for each other there take ten times as long."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Numba, once loaded, sets the number for everything in the process that uses OpenMP.
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    for marker, reason in OPT_IN.items():
        parser.addoption(f"--{marker}", action="store_true", help=f"run what {reason}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for marker, reason in OPT_IN.items():
            if item.get_closest_marker(marker) and not config.getoption(f"--{marker}"):
                item.add_marker(pytest.mark.skip(reason=f"{reason}; run with --{marker}"))
