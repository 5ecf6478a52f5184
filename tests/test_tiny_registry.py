"""The toy checkpoints hold what the published ones do, for every row of the registry."""

import fnmatch
from pathlib import Path

import pytest
import torch
from tiny_registry import write_row
from tiny_single_files import write_single_file

from layerstudio.weights import registry


@pytest.mark.parametrize("row", registry.checkpoints(), ids=lambda row: row.id)
def test_every_row_has_a_toy_in_the_files_it_lists(row, tmp_path):
    write_row(row.id, tmp_path / row.id)
    written = [
        path.relative_to(tmp_path / row.id).as_posix()
        for path in Path(tmp_path / row.id).rglob("*")
        if path.is_file()
    ]
    missing = [p for p in row.patterns if not any(fnmatch.fnmatch(f, p) for f in written)]
    assert not missing, (missing, written)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_single_file_is_the_folder_under_other_names(family, tmp_path, tiny_sd15, tiny_sdxl):
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    folder = {"sd15": tiny_sd15, "sdxl": tiny_sdxl}[family]
    kind = {"sd15": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}[family]
    single = kind.from_single_file(str(write_single_file(tmp_path, family)), config=str(folder))
    whole = kind.from_pretrained(folder)
    for name in ("unet", "vae", "text_encoder", "text_encoder_2")[: 4 if family == "sdxl" else 3]:
        expected, found = getattr(whole, name).state_dict(), getattr(single, name).state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
