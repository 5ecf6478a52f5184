"""A toy of the published repository, and a working size at which it answers at once."""

from pathlib import Path

import pytest

SIDE = 64


@pytest.fixture(scope="session")
def qwen_folder(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_qwen import write_qwen

    return write_qwen(tmp_path_factory.mktemp("qwen") / "published")


@pytest.fixture
def small_working_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 x 64 for 640 x 640, 96 x 96 for 1024 x 1024, and captions of a few words."""
    from layerstudio.pipelines.qwen_layered import published, words

    monkeypatch.setattr(words, "CAPTION_TOKENS", 24)

    monkeypatch.setattr(published, "RECOMMENDED_SIDE", SIDE)
    monkeypatch.setattr(published, "SIDES", {"640": SIDE, "1024": 96})


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Neither pipelines nor texts of the test before."""
    from layerstudio.pipelines import loading
    from layerstudio.pipelines.embedding_cache import EMBEDDINGS
    from layerstudio.pipelines.qwen_layered.texts import CAPTIONS

    loading.forget()
    EMBEDDINGS.clear()
    CAPTIONS.clear()
