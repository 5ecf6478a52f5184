"""The registry's rows, and what is said about a broken one."""

import pytest

from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.weights import registry
from layerstudio.weights.patterns import is_safe, matches, select

ROW = """
[licences.mit]
name = "MIT"
url = "https://opensource.org/license/mit"

[[checkpoint]]
id = "one"
title = "One"
family = "sdxl"
kind = "base"
repository = "somebody/one"
licence = "mit"
files = ["model.safetensors"]
"""


def test_rows_are_what_the_published_repositories_hold():
    rows = {row.id: row for row in registry.checkpoints()}
    attention = rows["layerdiffuse-sdxl-attn"]
    assert attention.repository == "lllyasviel/LayerDiffuse_Diffusers"
    assert attention.patterns == ("ld_diffusers_sdxl_attn.safetensors",)
    assert attention.base == "sdxl-base"
    flux = rows["flux-dev"]
    assert flux.gated
    assert not flux.licence.commercial
    suffixes = (".pt", ".pth")
    pickles = [row.id for row in rows.values() for path in row.patterns if path.endswith(suffixes)]
    sam = ["sam-vit-b", "sam-vit-l", "sam-vit-h"]
    assert pickles == ["layerdiffuse-flux-vae", "cld", "cld", *sam]
    assert [row.id for row in rows.values() if row.provenance] == ["cld", "art"]
    assert [row.id for row in rows.values() if row.withdrawn] == ["art"]


def test_no_two_rows_own_the_same_file():
    owned = [(row.repository, path) for row in registry.checkpoints() for path in row.patterns]
    assert len(set(owned)) == len(owned)


def test_an_unknown_id_suggests_the_nearest():
    with pytest.raises(InvalidRequest, match="'layerdiffuse-sdxl-attn'") as caught:
        registry.checkpoint("layerdiffuse-sdxl-atn")
    assert "models list" in caught.value.advice


def test_sizes_and_hashes_are_read():
    text = ROW.replace(
        '"model.safetensors"', f'{{ path = "a.bin", bytes = 7, sha256 = "{"ab" * 32}" }}'
    )
    (row,) = registry.parse(text)
    assert row.files == (registry.WeightFile("a.bin", 7, "ab" * 32),)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "one"', 'id = "One!"', "lower-case words"),
        ('family = "sdxl"', 'family = "sdxxl"', "family 'sdxxl'"),
        ('kind = "base"', 'kind = "basis"', "kind 'basis'"),
        ('repository = "somebody/one"', 'repository = "one"', "organisation/name"),
        ('licence = "mit"', 'licence = "gpl"', "licence 'gpl'"),
        ('title = "One"\n', "", "title missing"),
        ('title = "One"', "title = 1", "title must be a str"),
        ('title = "One"', 'title = "One"\nsize = 3', "unknown key 'size'"),
        ('["model.safetensors"]', "[]", "at least one"),
        ('["model.safetensors"]', '["../secret"]', "not a path inside"),
        ('["model.safetensors"]', '["a", "a"]', "listed twice"),
        ('["model.safetensors"]', '[{ path = "a", sha256 = "zz" }]', "64 lower-case"),
        ('["model.safetensors"]', '[{ path = "a", bytes = 0 }]', "number of bytes"),
        ('["model.safetensors"]', '[{ path = "a/*", bytes = 5 }]', "pattern"),
        ('title = "One"', 'title = "One"\nbase = "two"', "base 'two'"),
        ('title = "One"', 'title = "One"\nrevision = "../x"', "revision"),
        ("[licences.mit]", "[licences.mit", "not valid TOML"),
    ],
)
def test_a_broken_row_is_named_with_what_is_wrong(old, new, said):
    assert old in ROW
    with pytest.raises(UnreadableFile, match=r"registry\.toml") as caught:
        registry.parse(ROW.replace(old, new))
    assert said in caught.value.message


def test_an_id_used_twice_is_refused():
    with pytest.raises(UnreadableFile, match="taken"):
        registry.parse(ROW + ROW[ROW.index("[[") :])


def test_patterns_stay_within_a_folder():
    assert matches("unet/model.fp16.safetensors", "unet/*.fp16.safetensors")
    assert not matches("unet/deep/model.safetensors", "unet/*")
    assert not matches("config.json", "*/config.json")
    assert select(["b", "a/c", "a/b"], ["a/*"]) == ("a/b", "a/c")


@pytest.mark.parametrize("path", ["../a", "/a", "a//b", "a/./b", "a\\b", "c:/a", "", "a\n", "a/.."])
def test_paths_out_of_the_folder_are_unsafe(path):
    assert not is_safe(path)
