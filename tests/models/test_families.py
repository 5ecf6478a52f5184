"""A base model's family from its configuration or the header of its single file."""

import json
import struct

import pytest
import torch
from tiny_checkpoints import write_controlnet, write_taesd
from tiny_layerdiffuse import write_layerdiffuse
from tiny_single_files import write_single_file

from layerstudio.errors import UnreadableFile
from layerstudio.models.families import recognise

SD2 = {"_class_name": "UNet2DConditionModel", "use_linear_projection": True}
ATTENTIVE = "CrossAttnDownBlock2D"
REFINER = {
    "_class_name": "UNet2DConditionModel",
    "addition_embed_type": "text_time",
    "down_block_types": ["DownBlock2D", ATTENTIVE, ATTENTIVE, "DownBlock2D"],
}
OTHERS = {
    "SD 2": SD2,
    "refiner": REFINER,
    "SD 1.5 with 9 input channels": {"_class_name": "UNet2DConditionModel", "in_channels": 9},
    "FLUX with 384 input channels": {"_class_name": "FluxTransformer2DModel", "in_channels": 384},
    "no family": {"_class_name": "UNet2DConditionModel", "down_block_types": ["DownBlock2D"]},
    "PixArtTransformer2DModel": {"_class_name": "PixArtTransformer2DModel"},
}


def test_folders_of_diffusers(tiny_sdxl, tiny_sd15, tiny_flux):
    folders = {"sdxl": tiny_sdxl, "sd15": tiny_sd15, "flux": tiny_flux}
    for family, folder in folders.items():
        assert recognise(folder).family == family
        part = folder / ("transformer" if family == "flux" else "unet")
        assert recognise(part).family == family


@pytest.mark.parametrize("family", ["sdxl", "sd15"])
@pytest.mark.parametrize("whole", [True, False])
def test_single_files_by_their_header_alone(tmp_path, family, whole):
    path = write_single_file(tmp_path, family)
    if not whole:  # the tensors are never touched: zeros of the same size do as well
        header = 8 + struct.unpack("<Q", path.read_bytes()[:8])[0]
        path.write_bytes(path.read_bytes()[:header] + bytes(path.stat().st_size - header))
    assert recognise(path).family == family


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_single_file_of_flux(tmp_path, prefix):
    from safetensors.torch import save_file

    names = {"double_blocks.0.img_attn.qkv.weight": (48, 16), "img_in.weight": (16, 64)}
    state = {f"{prefix}{name}": torch.zeros(shape) for name, shape in names.items()}
    save_file(state, tmp_path / "flux.safetensors")
    assert recognise(tmp_path / "flux.safetensors").family == "flux"


@pytest.mark.parametrize("title", OTHERS)
def test_relatives_are_told_apart(tmp_path, title):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/config.json").write_text(json.dumps(OTHERS[title]))
    found = recognise(tmp_path)
    assert found.family is None and title in found.title


def test_files_that_are_no_base_are_called_what_they_are(tmp_path):
    decoder = write_layerdiffuse(tmp_path, "vae_transparent_decoder.safetensors")
    control, taesd = (
        write_controlnet(tmp_path / "control", "sdxl"),
        write_taesd(tmp_path / "taesd", "sdxl"),
    )
    for path, title in (
        (decoder, "transparency decoder"),
        (control, "ControlNetModel"),
        (taesd, "AutoencoderTiny"),
    ):
        found = recognise(path)
        assert found.family is None and title in found.title


def test_what_cannot_be_told_passes_and_what_is_broken_does_not(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"anything")
    assert recognise(tmp_path) is None and recognise(tmp_path / "model.ckpt") is None
    for text in ("{", "[]", ""):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(UnreadableFile, match="sound configuration"):
            recognise(tmp_path)
    (tmp_path / "cut.safetensors").write_bytes(b"abc")
    with pytest.raises(UnreadableFile, match="truncated"):
        recognise(tmp_path / "cut.safetensors")
