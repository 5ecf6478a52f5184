"""Given pictures on grey, sized as the published code does, and as latents in the model's order."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_checkpoints import tiny_vae

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.pipelines.layerdiffuse.conditions import (
    check_given,
    condition_latents,
    grey_matte,
    on_canvas,
)
from layerstudio.pipelines.resizing import fitted
from layerstudio.pipelines.steps import Canvas
from layerstudio.pipelines.vae_steps import decode_rgb, encode_mean, scaled, unscaled


def ramp(width: int, height: int) -> np.ndarray:
    """(h, w, 4): red rises to the right, green downwards, opaque."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack((x, y, np.full_like(x, 0.25), np.ones_like(x)), -1).astype(np.float32)


def test_alpha_is_laid_on_mid_grey():
    rgba = torch.tensor([[1.0, 0, 0.5, 1], [1, 0, 0.5, 0], [1, 0, 0.5, 0.5]]).T[None, :, None]
    expected = [[1, 0, 0.5], [0.5, 0.5, 0.5], [0.75, 0.25, 0.5]]
    assert torch.equal(grey_matte(rgba)[0, :, 0].T, torch.tensor(expected))


def test_crop_covers_and_cuts_both_sides_alike():
    made = fitted(ramp(200, 100), Extent(50, 50), "crop")
    assert made.shape == (50, 50, 4)
    assert made[:, :, 0].mean() == pytest.approx(0.5, abs=0.01)
    assert made[25, 0, 0] == pytest.approx(0.25, abs=0.02)
    assert made[25, -1, 0] == pytest.approx(0.75, abs=0.02)
    assert made[0, 25, 1] < 0.02


def test_resize_stretches():
    made = fitted(ramp(200, 100), Extent(30, 60), "resize")
    assert made.shape == (60, 30, 4)
    assert made[30, 0, 0] < 0.03
    assert made[30, -1, 0] > 0.97


def test_fill_keeps_all_and_adds_the_border_s_median():
    picture = ramp(40, 20)
    picture[[0, -1], :] = picture[:, [0, -1]] = (0.1, 0.2, 0.3, 1)
    made = fitted(picture, Extent(80, 80), "fill")
    assert np.allclose(made[:20], (0.1, 0.2, 0.3, 1), atol=1e-6)
    assert np.allclose(made[60:], (0.1, 0.2, 0.3, 1), atol=1e-6)
    assert made[40, 75, 0] > 0.9


def test_hidden_colour_leaves_no_fringe():
    """Green under alpha 0 beside opaque red: no edge turns green, larger or smaller."""
    picture = np.zeros((20, 20, 4), np.float32)
    picture[:, :10] = (1, 0, 0, 1)
    picture[:, 10:] = (0, 1, 0, 0)
    for side in (7, 55):
        made = fitted(picture, Extent(side, side), "resize")
        assert (made[..., 1] < 1e-4).all()
        assert 0 < made[..., 3].mean() < 1


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    target=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    mode=st.sampled_from(["crop", "resize", "fill"]),
)
def test_every_size_becomes_every_other(size, target, mode):
    made = fitted(ramp(*size), Extent(*target), mode)
    assert made.shape == (target[1], target[0], 4)
    assert made.dtype == np.float32
    assert made.min() >= 0
    assert made.max() <= 1


def test_pictures_of_several_sizes_share_a_canvas():
    canvas = Canvas.of(100, 70, 64)
    wide, tall = Image.new("RGB", (300, 100), "red"), Image.new("RGBA", (50, 90), (0, 0, 255, 0))
    made = on_canvas([wide, tall], canvas)
    assert made.shape == (2, 4, 128, 128)
    assert (made[0, 3] == 1).all()
    assert (made[1, 3] == 0).all()
    with pytest.raises(InvalidRequest, match="no resize mode"):
        on_canvas(wide, canvas, "stretch")  # pyright: ignore[reportArgumentType]


def test_latents_are_means_in_the_order_given_and_scaled():
    vae = tiny_vae("sdxl")
    first, second = torch.rand(2, 4, 64, 64), torch.rand(1, 4, 64, 64)
    made = condition_latents(vae, [first, second])
    assert made.shape == (2, 8, 8, 8)
    assert torch.equal(made, condition_latents(vae, [first, second]))
    with torch.no_grad():
        for pictures, channels in ((first, slice(0, 4)), (second, slice(4, 8))):
            mean = vae.encode(grey_matte(pictures) * 2 - 1).latent_dist.mean
            expected = (mean * 0.13025).expand(2, -1, -1, -1)
            torch.testing.assert_close(made[:, channels], expected, rtol=1e-5, atol=1e-5)


def test_exactly_the_pictures_of_the_mode():
    check_given({"foreground": 1, "background": None}, ["foreground"], "fg2ble")
    with pytest.raises(InvalidRequest, match=r"starts from a blended.*foreground and blended"):
        check_given({"foreground": 1, "blended": None}, ["foreground", "blended"], "fgble2bg")
    with pytest.raises(InvalidRequest, match="no use for a background"):
        check_given({"foreground": 1, "background": 2}, ["foreground"], "fg2ble")


@pytest.mark.parametrize("family", ["sdxl", "sd15", "flux"])
def test_scaling_is_taken_back(family):
    vae = tiny_vae(family)
    latents = torch.randn(2, vae.config.latent_channels, 8, 8)
    torch.testing.assert_close(unscaled(vae, scaled(vae, latents)), latents)
    factor, shift = vae.config.scaling_factor, vae.config.shift_factor or 0
    torch.testing.assert_close(scaled(vae, latents), (latents - shift) * factor)


def test_statistics_per_channel_are_those_of_diffusers():
    vae = tiny_vae("sdxl")
    mean, deviation = [-1.6, 1.2, 0.3, -0.5], [8.4, 8.6, 10.5, 9.5]
    vae.register_to_config(latents_mean=mean, latents_std=deviation)
    latents = torch.randn(2, 4, 8, 8)
    shape = (1, 4, 1, 1)
    per_channel = torch.tensor(mean).view(shape), torch.tensor(deviation).view(shape)
    expected = latents * per_channel[1] / vae.config.scaling_factor + per_channel[0]
    torch.testing.assert_close(unscaled(vae, latents), expected)
    torch.testing.assert_close(scaled(vae, unscaled(vae, latents)), latents)


def test_a_vae_that_overflows_in_half_precision_runs_in_full():
    vae, latents = tiny_vae("sdxl"), torch.randn(1, 4, 8, 8)
    exact = decode_rgb(vae, latents.half().float())
    pictures = torch.rand(1, 3, 64, 64)
    exact_mean = encode_mean(vae, pictures)
    vae.half()
    rounded = {name: value.clone() for name, value in vae.state_dict().items()}
    assert decode_rgb(vae, latents.half()).dtype == torch.float32
    torch.testing.assert_close(decode_rgb(vae, latents.half()), exact, rtol=0, atol=5e-3)
    torch.testing.assert_close(encode_mean(vae, pictures), exact_mean, rtol=0, atol=5e-2)
    assert vae.dtype == torch.float16
    assert all(torch.equal(value, rounded[name]) for name, value in vae.state_dict().items())
