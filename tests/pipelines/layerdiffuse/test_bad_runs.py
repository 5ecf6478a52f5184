"""What can go wrong in a run: each ends in one sentence that says what to do, and no file."""

import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoints import write_controlnet
from tiny_single_files import write_ip_adapter, write_single_file
from typer.testing import CliRunner

from layerstudio import Adapter
from layerstudio.errors import (
    InvalidRequest,
    MismatchedWeights,
    MissingWeights,
    UnreadableFile,
)
from layerstudio.pipelines import loading
from layerstudio.pipelines.layerdiffuse import engine
from layerstudio.pipelines.preflight import Free
from layerstudio.ui.cli.main import app

BASES = {
    "sdxl": "SG161222/RealVisXL_V4.0",
    "sd15": "stable-diffusion-v1-5/stable-diffusion-v1-5",
}
FORGE = "LayerDiffusion/layerdiffusion-v1"


@pytest.fixture
def own_weights(with_weights, tmp_path, monkeypatch):
    """A copy of the weights that a test may damage (links, until a file is replaced)."""
    folder = tmp_path / "weights"
    shutil.copytree(with_weights, folder, copy_function=os.link)
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(folder))
    loading.forget()
    yield folder
    loading.forget()


def replace_file(path: Path, source: Path | None = None) -> Path:
    """``path`` with other content, never through its link."""
    data = source.read_bytes() if source else path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    return path


def ended(folder, *arguments):
    """What the command says, having written nothing."""
    out = folder.parent / "out"
    out.mkdir(exist_ok=True)
    options = ("--size", "64x64", "--steps", "2", "--augment", "1", "-o", str(out))
    done = CliRunner().invoke(app, ["generate", "a cup", *arguments, *options])
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    *before, said = done.stderr.splitlines()
    assert len(before) <= 1, "only how the run was to be carried out"
    assert list(out.iterdir()) == []
    return said


def test_a_checkpoint_of_another_network(own_weights):
    folder = own_weights / FORGE
    target = folder / "layer_sd15_vae_transparent_decoder.safetensors"
    replace_file(target, folder / "layer_sd15_transparent_attn.safetensors")
    said = ended(own_weights, "--method", "layerdiffuse-sd15")
    assert "decoder" in said and "attention sharing" in said
    assert len(re.findall(r"[\w.]+ is missing", said)) == 5


def test_a_denoiser_that_lacks_tensors(own_weights):
    path = own_weights / BASES["sd15"] / "unet/diffusion_pytorch_model.fp16.safetensors"
    state = load_file(replace_file(path))
    lacking = [key for key in state if "mid_block" in key][:7]
    save_file({key: value for key, value in state.items() if key not in lacking}, path)
    said = ended(own_weights, "--method", "layerdiffuse-sd15")
    assert said.count("is missing") == 5 and "and 2 more" in said


def test_a_truncated_base(own_weights):
    path = own_weights / BASES["sd15"] / "vae/diffusion_pytorch_model.fp16.safetensors"
    replace_file(path).write_bytes(path.read_bytes()[:1000])
    assert "could not be loaded" in ended(own_weights, "--method", "layerdiffuse-sd15")


def test_weights_that_are_not_numbers(own_weights):
    path = own_weights / BASES["sd15"] / "unet/diffusion_pytorch_model.fp16.safetensors"
    state = load_file(replace_file(path))
    save_file({key: torch.full_like(value, torch.nan) for key, value in state.items()}, path)
    said = ended(own_weights, "--method", "layerdiffuse-sd15")
    assert "not numbers" in said


def test_missing_weights_name_what_the_mode_lacks(own_weights):
    (own_weights / FORGE / "layer_sd15_joint.safetensors").unlink()
    said = ended(own_weights, "--method", "layerdiffuse-sd15", "--background", "a table")
    assert "`layerstudio models pull layerdiffuse-sd15-joint`" in said


def test_too_little_memory_beforehand(own_weights, monkeypatch):
    monkeypatch.setattr(engine, "free_now", lambda runtime: Free(host_bytes=300 * 2**20))
    said = ended(own_weights, "--method", "layerdiffuse-sd15", "--size", "2048x2048")
    assert "What would fit" in said or "No setting" in said


def test_memory_that_runs_out(own_weights, monkeypatch):
    from layerstudio.pipelines.layerdiffuse.sd15 import LayerDiffuseSD15Pipeline

    def allocate(*_, **__):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 10 bytes")

    monkeypatch.setattr(LayerDiffuseSD15Pipeline, "_sampled", allocate)
    said = ended(own_weights, "--method", "layerdiffuse-sd15")
    assert "Memory ran out on cpu" in said


def test_a_prompt_of_ten_thousand_words(own_weights):
    said = ended(own_weights, "--method", "layerdiffuse-sd15", "--background", "word " * 10_000)
    assert "10,000 words" in said


@pytest.mark.parametrize(
    ("base", "expected", "sentence"),
    [
        ("sdxl-base", MissingWeights, "models pull sdxl-base"),
        ("sd15-base", InvalidRequest, "'sd15-base' is SD 1.5.*builds on SDXL"),
        ("flux-dev", InvalidRequest, "is FLUX"),
        ("layerdiffuse-sdxl-decoder", InvalidRequest, "no base model"),
        (BASES["sd15"], InvalidRequest, "is SD 1.5"),
        ("somebody/something", MissingWeights, "models pull somebody/something"),
        ("something", InvalidRequest, "no base model"),
        ("some/thing/else", UnreadableFile, "does not exist"),
        ("{folder}", UnreadableFile, "neither unet nor"),
        ("{single}", InvalidRequest, "is SD 1.5"),
        ("{decoder}", InvalidRequest, "transparency decoder"),
    ],
)
def test_bases_that_do_not_fit(with_weights, tmp_path, base, expected, sentence):
    places = {
        "folder": tmp_path,
        "single": write_single_file(tmp_path, "sd15") if "single" in base else "",
        "decoder": with_weights / FORGE / "layer_sd15_vae_transparent_decoder.safetensors",
    }
    with pytest.raises(expected, match=sentence):
        generated(base=base.format(**places))


@pytest.mark.parametrize(
    ("loras", "expected", "sentence"),
    [
        ("missing.safetensors", UnreadableFile, "does not exist"),
        ("layerdiffuse-sdxl-decoder", UnreadableFile, "LoRA"),
        ("layerdiffuse-flux-lora", MismatchedWeights, "another family"),
    ],
)
def test_loras_that_do_not_fit(with_weights, loras, expected, sentence):
    with pytest.raises(expected, match=sentence):
        generated(loras=[Adapter(source=loras)])


def generated(**options):
    import layerstudio

    return layerstudio.generate(
        "a cup", method="layerdiffuse-sdxl", steps=2, augment=1, extent=(64, 64), **options
    )


@pytest.mark.parametrize("kind", ["controlnet", "ip_adapter"])
def test_adapters_of_another_family(with_weights, tmp_path, kind):
    import numpy as np

    if kind == "controlnet":
        source, role = write_controlnet(tmp_path, "sd15"), "control_image"
    else:
        source, role = write_ip_adapter(tmp_path, "sd15"), "style_image"
    options = {kind: Adapter(source=str(source)), role: np.zeros((64, 64, 3), np.uint8)}
    with pytest.raises(MismatchedWeights, match="another family"):
        generated(**options)
