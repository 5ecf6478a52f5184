"""A hub on this machine, and an empty cache of our own."""

from collections.abc import Iterator
from pathlib import Path

import hub_stand_in
import pytest

VARIABLES = (
    "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE",
    "LAYERSTUDIO_OFFLINE", "LAYERSTUDIO_WEIGHTS",
)  # fmt: skip


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of the Hugging Face cache: empty, and nobody else's."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf/hub"


@pytest.fixture
def hub(cache, monkeypatch) -> Iterator[hub_stand_in.HubStandIn]:
    """A running hub that everything here asks, with short waits and without anyone's token."""
    from huggingface_hub import constants

    from layerstudio.weights import transfer

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache.parent / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(transfer, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(transfer, "LONGEST_PAUSE", 0.05)
    with hub_stand_in.running() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running
