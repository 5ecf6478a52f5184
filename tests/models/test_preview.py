"""Previews against the full decode, on toy autoencoders."""

import pytest
import torch
from diffusers import AutoencoderTiny
from seeded import seeded_input
from tiny_checkpoints import Family, tiny_vae
from tiny_layerdiffuse import decoder_state, encoder_state
from torch import Tensor

from layerstudio.models.preview import LinearPreview, TinyPreview, fit_preview
from layerstudio.models.transparent_vae import (
    TransparencyDecoder,
    TransparencyEncoder,
    decode_rgba,
    encode_rgba,
)


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * (a - b).square().mean().log10())


def unseen_pictures() -> Tensor:
    coarse = seeded_input("unseen", (2, 4, 5, 7), 3, uniform=True)
    return torch.nn.functional.interpolate(coarse, (128, 192), mode="bilinear")


def test_least_squares_finds_a_linear_map_again() -> None:
    latents = seeded_input("latents", (3, 4, 9, 11), 1)
    weight, bias = seeded_input("weight", (3, 4, 3, 3), 2) * 0.01, torch.tensor([0.4, 0.5, 0.6])
    pictures = LinearPreview(weight, bias).pictures(latents)
    fitted = LinearPreview.fitted(latents, pictures)
    assert torch.allclose(fitted.weight, weight, atol=2e-4)
    assert torch.allclose(fitted.pictures(latents), pictures, atol=2e-3)
    pixels = fitted(latents)
    assert pixels.shape == (9, 33, 3)
    expected = (pictures[1] * 255).round().permute(1, 2, 0)
    assert abs(torch.from_numpy(pixels[:, 11:22]).float() - expected).max() <= 1


@pytest.mark.parametrize("family", ["sdxl", "flux"])
def test_linear_preview_is_nearer_than_the_mean_colour(family: Family) -> None:
    vae = tiny_vae(family)
    preview = fit_preview(vae)
    with torch.no_grad():
        latents = vae.encode(unseen_pictures()[:, :3] * 2 - 1).latent_dist.mode()
        decoded = (vae.decode(latents).sample * 0.5 + 0.5).clamp(0, 1)
    small = torch.nn.functional.avg_pool2d(decoded, 8)
    shift = vae.config.get("shift_factor") or 0.0
    shown = preview.pictures((latents - shift) * vae.config["scaling_factor"])
    flat = small.mean((0, 2, 3), keepdim=True).expand_as(small)
    # A random network is far from linear: a map fitted to these very pictures gains 1.5 and 4 dB.
    assert psnr(shown, small) > psnr(flat, small) + 0.7


def test_linear_preview_with_alpha() -> None:
    vae = tiny_vae("sdxl")
    encoder = TransparencyEncoder.from_published(encoder_state(4, 1), family="sdxl")
    decoder = TransparencyDecoder.from_published(decoder_state(4, 2), family="sdxl")
    preview = fit_preview(vae, encoder, decoder)
    latents = encode_rgba(vae, encoder, unseen_pictures())
    decoded = decode_rgba(vae, decoder, latents, augment=1)
    small = torch.nn.functional.avg_pool2d(decoded, 8)
    scaled = latents * vae.config["scaling_factor"]
    shown = preview.pictures(scaled)
    flat = small.mean((0, 2, 3), keepdim=True).expand_as(small)
    assert preview(scaled).shape == (16, 48, 4)
    assert psnr(shown, small) > psnr(flat, small)


def test_tiny_autoencoder_shows_what_it_decodes() -> None:
    torch.manual_seed(0)
    network = AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(1,) * 4, num_decoder_blocks=(1,) * 4,
    ).eval()  # fmt: skip
    latents = seeded_input("latents", (2, 4, 72, 8), 5)
    pixels = TinyPreview(network)(latents)
    assert pixels.shape == (288, 64, 3)  # 576 x 64 twice, halved
    with torch.no_grad():
        decoded = (network.decode(latents).sample[1] * 0.5 + 0.5).clamp(0, 1)
    halved = torch.nn.functional.avg_pool2d(decoded, 2).permute(1, 2, 0) * 255
    assert abs(torch.from_numpy(pixels[:, 32:]).float() - halved).max() <= 0.51
