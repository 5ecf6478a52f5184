"""Which files of a repository outside the registry are fetched."""

import pytest

from layerstudio.weights.selection import worth_fetching

PIPELINE = (
    "README.md", "model_index.json", "one_file.safetensors", "tokenizer/vocab.json", "run.py",
    "unet/config.json", "unet/m.bin", "unet/m.fp16.safetensors", "unet/m.safetensors",
    "unet/m.non_ema.safetensors", "vae/config.json", "vae/m.safetensors",
)  # fmt: skip
TEXTS = {"model_index.json", "tokenizer/vocab.json", "unet/config.json", "vae/config.json"}


@pytest.mark.parametrize(
    ("variant", "tensors"),
    [
        (None, {"unet/m.safetensors", "vae/m.safetensors"}),
        ("fp16", {"unet/m.fp16.safetensors", "vae/m.safetensors"}),
        ("bf16", {"unet/m.safetensors", "vae/m.safetensors"}),
    ],
)
def test_a_pipelines_folders_in_one_precision(variant, tensors):
    assert set(worth_fetching(PIPELINE, variant)) == TEXTS | tensors


def test_a_precision_that_is_the_only_one_is_taken():
    assert worth_fetching(("a/m.fp16.safetensors",)) == ("a/m.fp16.safetensors",)


def test_pickles_where_nothing_else_is_published():
    assert worth_fetching(("vae.pth", "notes.md")) == ("vae.pth",)
    assert worth_fetching(("vae.pth", "vae.safetensors")) == ("vae.safetensors",)


def test_shards_come_with_their_index():
    shards = ("t/m-00001-of-00002.safetensors", "t/m-00002-of-00002.safetensors")
    indices = ("t/m.bin.index.json", "t/m.safetensors.index.json")
    pickles = ("t/m-00001-of-00002.bin",)
    assert worth_fetching(shards + indices + pickles) == (*shards, "t/m.safetensors.index.json")


def test_files_beside_each_other_are_all_taken():
    assert worth_fetching(("b.safetensors", "a.safetensors")) == ("a.safetensors", "b.safetensors")


def test_nothing_to_read():
    assert worth_fetching(("README.md", "model.py")) == ()
