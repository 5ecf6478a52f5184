"""The published networks' numbers: LayerDiffuse's SDXL and FLUX forms at full width, 64 x 64."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from seeded import listed_shapes, parity_settings, parity_tensors, seed_module, seeded_state
from torch import Tensor

from layerstudio.models.rgba_pictures import to_uint8
from layerstudio.models.transparent_networks import TransparencyDecoder, TransparencyEncoder
from layerstudio.models.transparent_passes import augmented
from layerstudio.models.transparent_vae import decode_rgba, encode_rgba
from layerstudio.ops.pyramid_fill import pyramid_fill
from layerstudio.pipelines.steps import truncated

State = dict[str, Tensor]


def decoder_state(shapes: dict[str, tuple[int, ...]], seed: int) -> State:
    state = seeded_state(shapes, seed, 0.8)
    state["conv_out.weight"] *= 0.25
    state["conv_out.bias"].fill_(0.5)
    return state


def encoder_state(shapes: dict[str, tuple[int, ...]], seed: int) -> State:
    state = seeded_state(shapes, seed, 1.2)
    for end in ("weight", "bias"):
        state[f"blocks.16.{end}"] *= 0.02
    return state


def part(shapes: dict[str, tuple[int, ...]], prefix: str) -> dict[str, tuple[int, ...]]:
    return {k.removeprefix(prefix): v for k, v in shapes.items() if k.startswith(prefix)}


def tiny_vae(name: str, seed: int) -> AutoencoderKL:
    vae = AutoencoderKL(**parity_settings(name)["vae_config"]).eval()
    seed_module(vae, seed)
    return vae


def furthest(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape, (a.shape, b.shape)
    return float((a.double() - b.double()).abs().max())


@pytest.fixture(scope="module", autouse=True)
def _no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def sdxl() -> dict[str, Any]:
    decoder = decoder_state(listed_shapes("ld_sdxl_decoder"), 11)
    encoder = encoder_state(listed_shapes("ld_sdxl_encoder"), 12)
    return {
        "decoder": TransparencyDecoder.from_published(decoder, family="sdxl"),
        "encoder": TransparencyEncoder.from_published(encoder, family="sdxl"),
        "vae": tiny_vae("ld_sdxl_64x64", 13),
        **parity_tensors("ld_sdxl_64x64"),
    }


@pytest.fixture(scope="module")
def flux() -> dict[str, Any]:
    shapes = listed_shapes("ld_flux_transparent_vae")
    decoder = decoder_state(part(shapes, "decoder."), 21)
    encoder = encoder_state(part(shapes, "encoder."), 22)
    # One file holds both, and perhaps the VAE that they were trained around.
    state = {f"decoder.{k}": v for k, v in decoder.items()}
    state |= {f"encoder.{k}": v for k, v in encoder.items()}
    state["sd_vae.encoder.conv_in.weight"] = torch.zeros(1)
    return {
        "decoder": TransparencyDecoder.from_published(state, family="flux"),
        "encoder": TransparencyEncoder.from_published(state, family="flux"),
        "vae": tiny_vae("ld_flux_64x64", 23),
        **parity_tensors("ld_flux_64x64"),
    }


def pictures(case: dict[str, Any]) -> Tensor:
    rgba = case["rgba"].reshape(-1, 64, 64, 4)
    return rgba.permute(0, 3, 1, 2).float() / 255


def test_colour_bleeds_as_published(sdxl: dict[str, Any], flux: dict[str, Any]) -> None:
    for rgba, padded in zip(pictures(sdxl), sdxl["padded"], strict=True):
        filled = pyramid_fill(rgba.permute(1, 2, 0).contiguous().numpy())
        assert torch.equal(torch.from_numpy(filled), padded)
    filled = pyramid_fill(pictures(flux)[0].permute(1, 2, 0).contiguous().numpy())
    assert torch.equal(torch.from_numpy(filled), flux["padded"][0].permute(1, 2, 0))


def test_one_pass_of_each_network(sdxl: dict[str, Any]) -> None:
    assert furthest(sdxl["decoder"](sdxl["pix"], sdxl["lat"]), sdxl["single"]) < 1e-5
    assert furthest(sdxl["encoder"](sdxl["offset_feed"]), sdxl["offset_raw"]) < 1e-5


def test_eight_passes_and_their_lower_median(sdxl: dict[str, Any]) -> None:
    case = (sdxl["pix"], sdxl["lat"], sdxl["augmented"])
    for at_once, *one in zip((1, 8), *(tensor.split(1) for tensor in case), strict=True):
        pixels, latents, expected = one
        ours = augmented(sdxl["decoder"], pixels, latents, 8, at_once=at_once)
        assert furthest(ours, expected) < 1e-5


def test_latents_of_a_picture(sdxl: dict[str, Any]) -> None:
    latents = encode_rgba(sdxl["vae"], sdxl["encoder"], pictures(sdxl))
    assert furthest(latents, sdxl["latent"]) < 1e-5


def test_picture_of_latents(sdxl: dict[str, Any]) -> None:
    rgba = decode_rgba(sdxl["vae"], sdxl["decoder"], sdxl["latent"])
    # The published preview lies on squares of 64 pixels; this picture is just one of them.
    on_board = rgba[:, :3] * rgba[:, 3:] + 0.45 * (1 - rgba[:, 3:])
    for picture, published in ((rgba, "out_png"), (on_board, "out_vis")):
        ours = to_uint8(truncated(picture)).astype(int)
        assert abs(ours - sdxl[published].numpy().astype(int)).max() <= 1


def test_flux_encodes(flux: dict[str, Any]) -> None:
    latents = encode_rgba(flux["vae"], flux["encoder"], pictures(flux))
    config = flux["vae"].config
    scaled = (latents - config.shift_factor) * config.scaling_factor
    assert furthest(scaled, flux["latent"]) < 1e-5


def test_flux_decodes(flux: dict[str, Any]) -> None:
    config = flux["vae"].config
    latents = flux["latent"] / config.scaling_factor + config.shift_factor
    eight = decode_rgba(flux["vae"], flux["decoder"], latents)
    assert furthest(eight, flux["decoded_aug"]) < 1e-5
    single = flux["decoder"](flux["vae_pixel01_unclipped"], latents)
    assert furthest(single, flux["decoded_single"]) < 1e-5


@pytest.mark.parametrize("family", ["sdxl", "flux"])
def test_keys_and_shapes_are_the_published_ones(family: str) -> None:
    channels = {"sdxl": 4, "flux": 16}[family]
    with torch.device("meta"):
        networks = {
            "encoder": TransparencyEncoder(latent_channels=channels),
            "decoder": TransparencyDecoder(latent_channels=channels),
        }
    for name, network in networks.items():
        ours = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        if family == "flux":
            assert ours == part(listed_shapes("ld_flux_transparent_vae"), f"{name}.")
        else:
            assert ours == listed_shapes(f"ld_sdxl_{name}")
