"""Folders of toy checkpoints, written once per test run; see ``tiny_checkpoints``.

torch is imported inside, so that tests without networks start as fast as before.
"""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def one_thread() -> None:
    """Toy networks take far longer on several threads, above all beside other test workers."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_sdxl(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SDXL in diffusers' folders."""
    from tiny_checkpoints import write_sdxl

    return write_sdxl(tmp_path_factory.mktemp("checkpoints") / "sdxl")


@pytest.fixture(scope="session")
def tiny_sd15(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SD 1.5 in diffusers' folders."""
    from tiny_checkpoints import write_sd15

    return write_sd15(tmp_path_factory.mktemp("checkpoints") / "sd15")


@pytest.fixture(scope="session")
def tiny_flux(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FLUX.1-dev in diffusers' folders."""
    from tiny_checkpoints import write_flux

    return write_flux(tmp_path_factory.mktemp("checkpoints") / "flux")
