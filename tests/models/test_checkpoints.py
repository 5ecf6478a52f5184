"""Files of weights: whole ones load with nothing left over, others are named for what they are."""

import io
import pickle
import re

import pytest
import torch
from ldm_keys import ldm_unet
from safetensors.torch import save, save_file
from tiny_checkpoints import tiny_clip, tiny_t5, tiny_transformer, tiny_unet, tiny_vae
from tiny_layerdiffuse import FILES, write_layerdiffuse
from torch import nn

from layerstudio.errors import MismatchedWeights, UnreadableFile
from layerstudio.models.checkpoint_kinds import kind_of
from layerstudio.models.checkpoints import load_strict, read_state
from layerstudio.models.tensor_file import TensorFile, shapes_of

STATE = {"weight": torch.arange(60.0).reshape(3, 4, 5), "bias": torch.tensor(2.5).half()}


class Harmful:
    """A pickle that would run code when it is read."""

    def __reduce__(self):
        return print, ("code of the file was run",)


def saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


GOOD = {
    "a.safetensors": save(STATE),
    "a.pt": saved(STATE),
    "a.pth": saved({"state_dict": STATE, "epoch": 3}),
    "a.ckpt": saved({"model": STATE}),
    "a.bin": saved(STATE, _use_new_zipfile_serialization=False),
}
BROKEN = {
    "empty.safetensors": b"",
    "short.safetensors": b"abc",
    "noise.safetensors": bytes(range(256)) * 9,
    "zeros.safetensors": bytes(4096),
    "cut.safetensors": GOOD["a.safetensors"][:-9],
    "longer.safetensors": GOOD["a.safetensors"] + b"123",
    "page.safetensors": b"<!DOCTYPE html><title>Not found</title>",
    "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "pickled.safetensors": GOOD["a.pt"],
    "empty.pt": b"",
    "short.pt": b"abc",
    "noise.pt": bytes(range(256)) * 9,
    "cut.pt": GOOD["a.pt"][:-99],
    "half.pt": GOOD["a.pt"][: len(GOOD["a.pt"]) // 2],
    "old_cut.bin": GOOD["a.bin"][:-9],
    "archive.pt": b"PK\x03\x04" + bytes(99),
    "list.pt": saved([1, 2]),
    "nothing.pt": saved({}),
    "numbers.pt": saved({"weight": STATE["weight"], "epoch": 3}),
    "code.pt": saved({"weight": STATE["weight"], "hook": Harmful()}),
    "code.ckpt": pickle.dumps(Harmful(), protocol=2),
    "whole_module.pt": saved(nn.Linear(2, 2)),
    "picture.png": b"\x89PNG",
}


@pytest.mark.parametrize("name", GOOD)
def test_every_container_gives_the_same_tensors(tmp_path, name):
    (tmp_path / name).write_bytes(GOOD[name])
    state = read_state(tmp_path / name)
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[key], value) for key, value in STATE.items())
    assert all(state[key].dtype == value.dtype for key, value in STATE.items())


@pytest.mark.parametrize("name", BROKEN)
def test_broken_and_harmful_files_are_one_sentence(tmp_path, name, capfd):
    (tmp_path / name).write_bytes(BROKEN[name])
    with pytest.raises(UnreadableFile, match=re.escape(name)) as caught:
        read_state(tmp_path / name)
    assert "code of the file was run" not in capfd.readouterr().out
    assert caught.value.message.endswith(".") and "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UnreadableFile, match="does not exist"):
        read_state(tmp_path / "a.safetensors")
    with pytest.raises(UnreadableFile, match="is a folder"):
        read_state(tmp_path)


def test_tensor_file_is_a_lazy_mapping(tmp_path):
    tensors = {
        "scalar": torch.tensor(3.0),
        "none": torch.empty(0, 4),
        "b": torch.ones(2, 3).bfloat16(),
    }
    save_file(tensors, tmp_path / "a.safetensors", {"note": "hello"})
    file = TensorFile(tmp_path / "a.safetensors")
    assert shapes_of(file) == {"scalar": (), "none": (0, 4), "b": (2, 3)}
    assert file.metadata == {"note": "hello"} and len(file) == 3 and "c" not in file
    assert all(torch.equal(file[key], value) for key, value in tensors.items())


def test_strict_loading_copies_into_the_modules_own_type():
    source, target = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3).half()
    load_strict(target, source.state_dict(), "toy")
    assert torch.equal(target.weight, source.weight.half())
    with torch.device("meta"):
        empty = nn.Conv2d(3, 4, 3)
    load_strict(empty, source.state_dict(), "toy")
    assert torch.equal(empty.weight, source.weight)


def test_first_five_differences_are_named_and_nothing_is_loaded():
    module = nn.ModuleDict({name: nn.Linear(2, 3) for name in "abcd"})
    before = {key: value.clone() for key, value in module.state_dict().items()}
    state = {key: torch.zeros_like(value) for key, value in before.items()}
    state["b.weight"] = torch.zeros(3, 2, 1)
    state |= {"x": torch.zeros(1), "y": torch.zeros(())}
    del state["a.weight"], state["c.bias"], state["d.bias"]
    with pytest.raises(MismatchedWeights) as caught:
        load_strict(module, state, "toy network")
    assert caught.value.message == (
        "The checkpoint does not fit the toy network: a.weight is missing; b.weight is 3 x 2 x 1"
        " instead of 3 x 2; c.bias is missing; d.bias is missing; x is unexpected; and 1 more."
    )
    assert all(torch.equal(module.state_dict()[key], value) for key, value in before.items())


KINDS = {
    "vae_transparent_encoder.safetensors": "transparency encoder for SDXL or SD 1.5",
    "vae_transparent_decoder.safetensors": "transparency decoder for SDXL or SD 1.5",
    "TransparentVAE.pth": "encoder and decoder in one, for FLUX",
    "layer_sd15_transparent_attn.safetensors": "attention sharing for SD 1.5, 1 frame",
    "layer_sd15_joint.safetensors": "attention sharing for SD 1.5, 3 frame",
    "layer_sd15_fg2bg.safetensors": "attention sharing for SD 1.5, 2 frame(s) with a condition",
    "layer_xl_transparent_attn.safetensors": "low-rank patch for a UNet in Forge's layout",
    "layer_xl_transparent_conv.safetensors": "full patch for a UNet in Forge's layout",
    "ld_diffusers_sdxl_attn.safetensors": "offsets for a UNet of SDXL",
    "diffuser_layer_xl_transparent_attn.safetensors": "LoRA for a UNet",
    "layerlora.safetensors": "LoRA for FLUX",
}


@pytest.mark.parametrize("name", KINDS)
def test_published_files_are_recognised(tmp_path, name):
    assert KINDS[name] in str(kind_of(shapes_of(read_state(write_layerdiffuse(tmp_path, name)))))
    assert name in FILES


def test_networks_are_recognised():
    unet = tiny_unet("sdxl").state_dict()
    single = {f"model.diffusion_model.{key}": value for key, value in ldm_unet(unet).items()}
    kinds = {
        "UNet of SDXL": unet,
        "UNet of SD 1.5": tiny_unet("sd15").state_dict(),
        "single-file checkpoint of SDXL": single,
        "FLUX transformer": tiny_transformer().state_dict(),
        "image VAE for FLUX": tiny_vae("flux").state_dict(),
        "image VAE for SDXL or SD 1.5": tiny_vae("sdxl").state_dict(),
        "CLIP": {f"text_model.{key}": value for key, value in tiny_clip(16).state_dict().items()},
        "T5": tiny_t5().state_dict(),
    }
    for kind, state in kinds.items():
        assert kind in str(kind_of(shapes_of(state))), kind
    assert kind_of({"weight": (2, 3)}) is None
