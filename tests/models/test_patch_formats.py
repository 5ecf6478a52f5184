"""Every published layout of a patch names the same weights and holds the same differences."""

import json
import re

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from ldm_keys import attentive_blocks, ldm_unet_key
from safetensors.torch import save_file
from tiny_layerdiffuse import (
    attention_factors,
    sdxl_attention_deltas,
    sdxl_deltas,
    write_layerdiffuse,
)

from layerstudio.errors import MismatchedWeights, UnreadableFile
from layerstudio.models.ldm_keys import diffusers_key
from layerstudio.models.patch_formats import read_changes
from layerstudio.models.tensor_file import TensorFile

OUT = "diffusion_model.out.2.weight"
CPU = torch.device("cpu")
SDXL = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "sample_size": 128,
}
SD15 = {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768}


def deltas_of(tensors):
    return {name: change.delta(CPU) for name, change in read_changes(tensors).items()}


@pytest.mark.parametrize(("config", "count"), [(SDXL, 1680), (SD15, 686)], ids=["sdxl", "sd15"])
def test_every_key_of_a_full_size_unet_is_reached(config, count):
    """diffusers' own loader of single-file checkpoints is the oracle."""
    with init_empty_weights():
        keys = list(UNet2DConditionModel(**config).state_dict())
    assert len(keys) == count
    attentive = attentive_blocks(dict.fromkeys(keys))
    old_keys = [ldm_unet_key(key, attentive=attentive) for key in keys]
    assert [diffusers_key(f"diffusion_model.{key}") for key in old_keys] == keys
    named = {f"model.diffusion_model.{key}": key for key in old_keys}
    oracle = convert_ldm_unet_checkpoint(named, {"layers_per_block": 2} | config)
    assert {key: diffusers_key(old) for key, old in oracle.items()} == {key: key for key in keys}


@pytest.mark.parametrize("key", ["first_stage_model.encoder.conv_in.weight", "input_blocks.x.0.a"])
def test_a_name_from_elsewhere_has_no_counterpart(key):
    assert diffusers_key(key) is None


@pytest.mark.parametrize(
    "name",
    ["layer_xl_transparent_attn.safetensors", "diffuser_layer_xl_transparent_attn.safetensors"],
)
def test_low_rank_files_hold_the_published_differences(tmp_path, name):
    found = deltas_of(TensorFile(write_layerdiffuse(tmp_path, name)))
    expected = sdxl_attention_deltas()
    assert found.keys() == expected.keys()
    for key, delta in expected.items():
        torch.testing.assert_close(found[key], delta.float(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("mode", ["conv", "fg2ble", "bg2ble", "fgble2bg", "bgble2fg"])
@pytest.mark.parametrize("prefix", ["layer_xl_", "diffuser_layer_xl_"])
def test_full_differences_are_the_same_under_both_names(tmp_path, prefix, mode):
    name = f"{prefix}{'transparent_' if mode == 'conv' else ''}{mode}.safetensors"
    found = deltas_of(TensorFile(write_layerdiffuse(tmp_path, name)))
    expected = sdxl_deltas(mode)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], delta.float()) for key, delta in expected.items())


SPELLINGS = {
    "peft": ("{}.lora_A.weight", "{}.lora_B.weight", "{}.alpha"),
    "adapter": ("unet.{}.lora_A.default.weight", "unet.{}.lora_B.default.weight", "unet.{}.alpha"),
    "dots": ("unet.{}.lora.down.weight", "unet.{}.lora.up.weight", "unet.{}.lora.alpha"),
    "underscores": ("unet.{}.lora_down.weight", "unet.{}.lora_up.weight", "unet.{}.alpha"),
    "linear": (
        "{}.lora_linear_layer.down.weight",
        "{}.lora_linear_layer.up.weight",
        "{}.alpha",
    ),
}


@pytest.mark.parametrize("with_alpha", [False, True])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_old_and_new_names_of_low_rank_factors(spelling, with_alpha):
    down_key, up_key, alpha_key = SPELLINGS[spelling]
    state, expected = {}, {}
    for key, (up, down) in attention_factors().items():
        module = key.removesuffix(".weight")
        state |= {down_key.format(module): down, up_key.format(module): up}
        if with_alpha:
            state[alpha_key.format(module)] = torch.tensor(2.0)
        expected[key] = (up.float() @ down.float()) * (2 / down.shape[0] if with_alpha else 1)
    found = deltas_of(state)
    assert found.keys() == expected.keys()
    for key, delta in expected.items():
        torch.testing.assert_close(found[key], delta)


def test_factors_of_attention_processors():
    """diffusers' first LoRA files named the processor instead of the layer."""
    state, expected = {}, {}
    for key, (up, down) in attention_factors().items():
        module = re.sub(r"\.(to_\w+?)(\.0)?\.weight$", r".processor.\1_lora", key)
        state |= {f"unet.{module}.down.weight": down, f"unet.{module}.up.weight": up}
        expected[key] = up.float() @ down.float()
    found = deltas_of(state)
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[key], delta) for key, delta in expected.items())


def test_forge_alpha_and_mid_and_convolutions():
    draw = torch.Generator().manual_seed(5)

    def tensor(*shape):
        return torch.randn(shape, generator=draw)

    up, mid, down = tensor(6, 3, 1, 1), tensor(3, 2, 3, 3), tensor(2, 5, 1, 1)
    kernel = tensor(3, 5, 3, 3)
    name = "diffusion_model.input_blocks.{}.0.in_layers.2.weight"
    tucker, plain = name.format(1), name.format(2)
    found = deltas_of(
        {
            f"{tucker}::lora::0": up,
            f"{tucker}::lora::1": down,
            f"{tucker}::lora::2": torch.tensor(1.0),
            f"{tucker}::lora::3": mid,
            f"{plain}::lora::0": up,
            f"{plain}::lora::1": kernel,
        }
    )
    through = torch.nn.functional.conv2d
    picture = tensor(1, 5, 7, 7)
    expected = through(through(through(picture, down), mid, padding=1), up) / 2
    got = through(picture, found["down_blocks.0.resnets.0.conv1.weight"], padding=1)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    expected = through(through(picture, kernel, padding=1), up)
    got = through(picture, found["down_blocks.0.resnets.1.conv1.weight"], padding=1)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_alpha_from_the_header_of_a_diffusers_file(tmp_path):
    up, down = torch.ones(4, 2), torch.ones(2, 3)
    state = {"unet.conv_in.lora_A.weight": down, "unet.conv_in.lora_B.weight": up}

    def delta(**options):
        header = {"lora_adapter_metadata": json.dumps(options)}
        save_file(state, tmp_path / "lora.safetensors", header)
        return deltas_of(TensorFile(tmp_path / "lora.safetensors"))["conv_in.weight"]

    assert torch.equal(delta(), torch.full((4, 3), 2.0))
    assert torch.equal(delta(**{"unet.r": 2, "unet.lora_alpha": 1}), torch.full((4, 3), 1.0))
    with pytest.raises(MismatchedWeights, match="scales its modules"):
        delta(**{"unet.use_rslora": True})
    save_file(state, tmp_path / "lora.safetensors", {"lora_adapter_metadata": "{"})
    with pytest.raises(MismatchedWeights, match="no sense"):
        read_changes(TensorFile(tmp_path / "lora.safetensors"))


@pytest.mark.parametrize(
    "state",
    [
        {f"{OUT}::lora::0": (4, 2)},
        {f"{OUT}::hada::0": (4, 2)},
        {"diffusion_model.nowhere.weight::diff::0": (4, 2)},
        {f"{OUT}::lora::0": (4, 2), f"{OUT}::lora::1": (3, 4)},
        {"unet.a.lora_A.weight": (2, 4), "unet.a.lora_B.weight": (4, 2), "unet.a.dora": (4,)},
        {"unet.a.lora_A.weight": (2, 4)},
        {"a.lora_A.weight": (2, 4), "a.lora_B.weight": (4, 2), "a.alpha": (3,)},
    ],
)
def test_what_is_no_patch_is_named(state):
    last = list(state)[-1]
    with pytest.raises(MismatchedWeights, match=re.escape(last)):
        read_changes({key: torch.ones(shape) for key, shape in state.items()})


def test_tensors_are_read_when_they_are_wanted(tmp_path):
    path = write_layerdiffuse(tmp_path, "layer_xl_fg2ble.safetensors")
    changes = read_changes(TensorFile(path))
    assert changes["conv_in.weight"].shape[1] == 8
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableFile, match="cut short while in use"):
        _ = [change.delta(CPU) for change in changes.values()]
