"""A toy SDXL with LayerDiffuse's files, and the same patched by hand to compare with."""

import copy

import pytest
import torch
from diffusers import (
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tiny_layerdiffuse import FILES, sdxl_attention_deltas, sdxl_deltas

from layerstudio.pipelines.layerdiffuse.sdxl import LayerDiffuseSDXLPipeline

SIZE = {"width": 128, "height": 64}
FAST = {"num_inference_steps": 3, "augment": 1}
LATENT = {**SIZE, **FAST, "output_type": "latent"}
# The order of the published weights' input channels, after the noisy latents.
CONDITIONAL = {
    "fg2ble": ["foreground"],
    "bg2ble": ["background"],
    "fgble2bg": ["foreground", "blended"],
    "bgble2fg": ["background", "blended"],
}
MAKES = {"fg2ble": "blended", "bg2ble": "blended", "fgble2bg": "background"}


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_networks(pipeline):
    pipeline.load_layerdiffuse(
        sdxl_attention_deltas(),
        decoder=FILES["vae_transparent_decoder.safetensors"](),
        encoder=FILES["vae_transparent_encoder.safetensors"](),
    )
    return pipeline


@pytest.fixture(scope="session")
def base(tiny_sdxl):
    """Diffusers' own, never changed."""
    return quiet(StableDiffusionXLPipeline.from_pretrained(tiny_sdxl, add_watermarker=False))


@pytest.fixture
def bare(base):
    """Without LayerDiffuse's files; its UNet is free to be changed."""
    return quiet(LayerDiffuseSDXLPipeline(**{**base.components, "unet": copy.deepcopy(base.unet)}))


@pytest.fixture
def own(bare):
    """With the files of transparent pictures, free to be changed."""
    return load_networks(bare)


@pytest.fixture(scope="session")
def shared(tiny_sdxl):
    """With all files, not to be changed: a test that fails half way may leave a condition."""
    pipeline = load_networks(quiet(LayerDiffuseSDXLPipeline.from_pretrained(tiny_sdxl)))
    for mode in CONDITIONAL:
        pipeline.load_layerdiffuse(sdxl_deltas(mode), mode)
    return pipeline


def seeds(*numbers):
    return [torch.Generator().manual_seed(number) for number in numbers]


def pictures(count: int, width: int = 128, height: int = 64, seed: int = 0) -> torch.Tensor:
    """(count, 4, h, w) with soft shapes and all of alpha's range."""
    small = torch.rand(count, 4, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(small, (height, width), mode="bilinear")


def by_hand(unet: UNet2DConditionModel, deltas: dict[str, torch.Tensor]) -> UNet2DConditionModel:
    """A copy with the changes added, its first convolution as wide as they are."""
    channels = deltas.get("conv_in.weight", torch.empty(0, 4)).shape[1]
    wide = UNet2DConditionModel.from_config({**unet.config, "in_channels": channels}).eval()
    state = {key: value.clone() for key, value in unet.state_dict().items()}
    extra = channels - state["conv_in.weight"].shape[1]
    state["conv_in.weight"] = torch.nn.functional.pad(state["conv_in.weight"], (0,) * 5 + (extra,))
    for key, delta in deltas.items():
        state[key] += delta.float()
    wide.load_state_dict(state)
    return wide


def merged(base, deltas) -> dict:
    """The components of ``base`` with a UNet patched by hand."""
    return {**base.components, "unet": by_hand(base.unet, deltas)}
