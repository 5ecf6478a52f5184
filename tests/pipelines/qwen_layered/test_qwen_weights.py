"""Weights in every form: found, checked, held small, and how far the answers are from the full."""

import json
import shutil

import gguf
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_qwen import tiny_transformer

from layerstudio import Extent, InvalidRequest
from layerstudio.errors import MismatchedWeights, MissingWeights, UnreadableFile
from layerstudio.models.memory import bytes_on
from layerstudio.pipelines.base_models import Found
from layerstudio.pipelines.preflight import Free
from layerstudio.pipelines.qwen_layered import sources
from layerstudio.pipelines.qwen_layered.engine import opened
from layerstudio.pipelines.qwen_layered.memory import plan
from layerstudio.pipelines.qwen_layered.sources import find_source
from layerstudio.pipelines.qwen_layered.texts import text_for
from layerstudio.pipelines.runtime import Runtime

Q = gguf.GGMLQuantizationType
RUNTIME = Runtime(device="cpu")
PIXELS = np.random.default_rng(0).integers(0, 255, (40, 60, 4), np.uint8)
PIXELS[..., 3] = 255


def write_gguf(path, *, matrices=Q.Q8_0, others=Q.F32, leave_out=(), width=64):
    """As the community's converters do: diffusers' own keys, matrices packed, the rest plain."""
    writer = gguf.GGUFWriter(path, "qwen_image")
    for key, value in tiny_transformer(width).state_dict().items():
        if key in leave_out:
            continue
        values = value.float().numpy()
        packs = value.ndim == 2 and values.shape[1] % 32 == 0 and "addition" not in key
        kind = matrices if packs else others
        writer.add_tensor(key, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def planned(base, weights="auto", encoder="auto", free=None):
    source = find_source(str(base))
    return plan(
        source, Extent(64, 64), 3, free or Free(host_bytes=2**40), RUNTIME,
        weights=weights, encoder=encoder,
    )  # fmt: skip


def answer(base, weights="auto", encoder="auto"):
    """Layers (n, h, w, 4) and the plan, by the real loading."""
    chosen = planned(base, weights, encoder)
    image = Image.fromarray(PIXELS)
    text = text_for(
        chosen, RUNTIME, "a cat", lambda: image, "", english=True, guided=True,
        watch=lambda share: None,
    )  # fmt: skip
    with opened(chosen, RUNTIME, "layers") as pipeline:
        made = pipeline(
            image, prompt_embeds=text.positive.embeds, layers=3, num_inference_steps=2,
            negative_prompt_embeds=text.negative.embeds, resolution=64, output_type="np",
            generator=torch.Generator().manual_seed(1),
        )  # fmt: skip
        held = {
            name: bytes_on("cpu", getattr(pipeline, name))
            for name in ("transformer", "text_encoder")
        }
    return made.images[0], held, chosen


@pytest.fixture(scope="module")
def full(qwen_folder):
    return answer(qwen_folder, "bf16")


def error(found, wanted):
    return float(np.abs(found - wanted).mean())


@pytest.mark.parametrize(("weights", "share", "most"), [("fp8", 0.4, 0.002), ("4bit", 0.3, 0.007)])
def test_smaller_weights(qwen_folder, full, weights, share, most):
    """Measured means of the difference: 0.0002 in float8, 0.0007 in 4 bits."""
    found, held, chosen = answer(qwen_folder, weights)
    off = error(found, full[0])
    assert 1e-5 < off < most
    assert held["transformer"] < share * full[1]["transformer"]
    assert chosen.layout.weights == chosen.layout.encoder == weights


def test_one_network_small_and_the_other_not(qwen_folder, full):
    _, held, _ = answer(qwen_folder, "bf16", "4bit")
    assert held["transformer"] == full[1]["transformer"]
    assert held["text_encoder"] < full[1]["text_encoder"]


@pytest.mark.parametrize(("kind", "others", "most"), [
    (Q.Q8_0, Q.F32, 0.003), (Q.Q5_0, Q.F32, 0.03), (Q.Q4_0, Q.BF16, 0.05), (Q.F32, Q.F32, 0.001),
    (Q.BF16, Q.BF16, 1e-6),
], ids=str)  # fmt: skip
def test_gguf(qwen_folder, full, tmp_path, monkeypatch, kind, others, most):
    """A file of the transformer, with the rest of the published repository in the registry's
    place. Measured: 0.0003, 0.003, 0.005, 0.0001 and 0; what is published is bfloat16."""
    weights = tmp_path / "weights" / "Qwen" / "Qwen-Image-Layered"
    shutil.copytree(qwen_folder, weights)
    for path in (weights / "transformer").glob("*.safetensors*"):
        path.unlink()
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path / "weights"))
    file = write_gguf(tmp_path / "layered.gguf", matrices=kind, others=others)
    found, held, chosen = answer(file)
    assert error(found, full[0]) < most
    assert held["transformer"] < full[1]["transformer"] or kind is Q.F32
    assert chosen.layout.weights == "gguf" and chosen.layout.encoder == "full"
    assert find_source(str(tmp_path / "layered.gguf")).weights == "layered.gguf"


def test_a_gguf_in_the_published_folder(qwen_folder, tmp_path):
    folder = tmp_path / "folder"
    shutil.copytree(qwen_folder, folder)
    write_gguf(folder / "transformer" / "q8.gguf")
    source = find_source(str(folder))
    assert source.stored == "gguf" and source.file.name == "q8.gguf"
    write_gguf(folder / "transformer" / "q4.gguf", matrices=Q.Q4_0)
    with pytest.raises(InvalidRequest, match="several"):
        find_source(str(folder))


def test_a_file_in_float8(qwen_folder, full, tmp_path):
    """Stored in float8, it is held in float8, and equals what float8 makes of the full one."""
    folder = tmp_path / "folder"
    shutil.copytree(qwen_folder, folder)
    for path in (folder / "transformer").glob("*.safetensors*"):
        path.unlink()
    state = {
        key: value.to(torch.float8_e4m3fn if value.ndim == 2 else torch.bfloat16)
        for key, value in tiny_transformer().state_dict().items()
    }
    save_file(state, folder / "transformer" / "diffusion_pytorch_model.safetensors")
    found, held, chosen = answer(folder)
    assert chosen.layout.weights == "fp8"
    assert held["transformer"] < 0.45 * full[1]["transformer"]
    assert error(found, full[0]) < 0.02
    with pytest.raises(InvalidRequest, match="GGUF"):
        planned(folder, "gguf")


def test_float8_with_scales_is_refused(qwen_folder, tmp_path):
    state = {"img_in.weight": torch.zeros(4, 4).to(torch.float8_e4m3fn),
             "img_in.scale_weight": torch.ones(1)}  # fmt: skip
    folder = tmp_path / "folder"
    shutil.copytree(qwen_folder, folder)
    for path in (folder / "transformer").glob("*.safetensors*"):
        path.unlink()
    save_file(state, folder / "transformer" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(InvalidRequest, match="scales"):
        find_source(str(folder))


def test_a_single_safetensors_file(qwen_folder, full, tmp_path, monkeypatch):
    weights = tmp_path / "weights" / "Qwen" / "Qwen-Image-Layered"
    shutil.copytree(qwen_folder, weights)
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path / "weights"))
    state = {}
    for path in (qwen_folder / "transformer").glob("*.safetensors"):
        state |= load_file(path)
    save_file(state, tmp_path / "layered.safetensors")
    found, _, _ = answer(tmp_path / "layered.safetensors", "bf16")
    assert np.array_equal(found, full[0])


def test_files_that_do_not_fit(qwen_folder, tmp_path):
    folder = tmp_path / "folder"
    shutil.copytree(qwen_folder, folder)
    file = folder / "transformer" / "own.gguf"
    write_gguf(file, leave_out=("proj_out.bias", "txt_norm.weight"))
    with pytest.raises(MismatchedWeights, match=r"txt_norm.weight is missing"):
        answer(folder)
    file.unlink()
    write_gguf(file, width=32)
    with pytest.raises(MismatchedWeights, match="instead of"):
        answer(folder)
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(UnreadableFile, match="GGUF"):
        answer(folder)


def test_a_folder_with_something_else_in_it(qwen_folder, tmp_path):
    folder = tmp_path / "folder"
    shutil.copytree(qwen_folder, folder)
    config = json.loads((folder / "transformer" / "config.json").read_text())
    (folder / "transformer" / "config.json").write_text(json.dumps({**config, "num_layers": 3}))
    with pytest.raises(MismatchedWeights, match="is missing"):
        answer(folder)
    shutil.rmtree(folder / "processor")
    with pytest.raises(InvalidRequest, match="without processor"):
        find_source(str(folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidRequest, match="neither"):
        find_source(str(tmp_path / "empty"))


def test_missing_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(
        MissingWeights, match="models pull qwen-image-layered qwen-image-layered-parts`"
    ):
        find_source("")
    file = write_gguf(tmp_path / "q8.gguf")
    with pytest.raises(MissingWeights, match="models pull qwen-image-layered-parts`"):
        find_source(str(file))


def test_a_base_of_another_family(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "find_model", lambda name, what: Found(tmp_path, name))
    with pytest.raises(InvalidRequest, match="Stable Diffusion XL"):
        find_source("sdxl-base")
