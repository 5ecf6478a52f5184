"""A machine that has the two networks of ``layerd`` as toys, in the published files."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file
from tiny_registry import write_row

from layerstudio.pipelines.stages.opening import forget
from layerstudio.weights import registry

SIDE = 64  # pixels that the toy looks at


@pytest.fixture(scope="session")
def layerd_toys(tmp_path_factory):
    """The matting toy answers about 0.2 where it sees plain ground and 0.7 at strong colours; its
    last layer is scaled, so that the first means nothing and the second an object."""
    folder = tmp_path_factory.mktemp("layerd-toys")
    for id in ("layerd-birefnet", "big-lama"):
        write_row(id, folder / registry.checkpoint(id).repository)
    matting = folder / registry.checkpoint("layerd-birefnet").repository
    state = load_file(matting / "model.safetensors")
    for key in ("decoder.conv_out1.0.weight", "decoder.conv_out1.0.bias"):
        state[key] = state[key] * 16
    state["decoder.conv_out1.0.bias"] -= 6
    save_file(state, matting / "model.safetensors", {"format": "pt"})
    (matting / "config.json").write_text(json.dumps({"size": SIDE}))
    return folder


@pytest.fixture(scope="module")
def with_toys(layerd_toys, tmp_path_factory, one_thread):
    """For a whole module, so that networks are read once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSTUDIO_WEIGHTS", str(layerd_toys))
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("no-cache")))
        forget()
        yield layerd_toys
        forget()


@pytest.fixture
def without_lama(layerd_toys, tmp_path, monkeypatch, one_thread):
    """Only the matting network is here."""
    folder = tmp_path / "weights"
    repository = registry.checkpoint("layerd-birefnet").repository
    shutil.copytree(layerd_toys / repository, folder / repository)
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    forget()
    return folder
