"""The published script's sampler against what the script itself computed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from layerstudio.pipelines.layerdiffuse.karras import (
    karras_sigmas,
    model_sigmas,
    sample,
    sigmas_of_run,
    timestep_of,
)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "parity"


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    return load_file(FIXTURES / "ld_sampler.io.safetensors")


@pytest.fixture(scope="module")
def settings() -> dict:
    return json.loads((FIXTURES / "ld_sampler.json").read_text())


def network(guidance: float):
    """The fixture's closed form, tanh(.3x) + .1 sin(t/50) + .05 mean(context), guided."""

    def noise(x, t, context):
        return torch.tanh(0.3 * x) + 0.1 * torch.sin(torch.tensor(t / 50)) + 0.05 * context

    def guided(x, t):
        positive, negative = noise(x, t, 0.4), noise(x, t, -0.2)
        return negative + guidance * (positive - negative)

    return guided


def test_noise_levels_are_the_published_ones(published, settings):
    close = {"rtol": 1e-6, "atol": 1e-5}
    torch.testing.assert_close(model_sigmas(), published["model_sigmas"], **close)
    torch.testing.assert_close(karras_sigmas(25), published["karras25"], **close)
    torch.testing.assert_close(sigmas_of_run(25), published["karras25"], **close)
    tail = sigmas_of_run(settings["steps"], settings["strength_i2i"])
    torch.testing.assert_close(tail, published["karras35_tail26"], **close)


def test_timesteps_are_whole_and_the_published_ones(published):
    found = [timestep_of(sigma) for sigma in karras_sigmas(25)[:-1]]
    assert found == published["timesteps_of_karras25"].tolist()


def test_text_to_image_ends_where_the_script_does(published, settings):
    sigmas = sigmas_of_run(settings["steps"])
    start = published["noise"] * sigmas[0]
    found = sample(network(settings["cfg"]), start, sigmas)
    torch.testing.assert_close(found, published["t2i_out"], rtol=0, atol=1e-5)


def test_image_to_image_ends_where_the_script_does(published, settings):
    sigmas = sigmas_of_run(settings["steps"], settings["strength_i2i"])
    start = published["init"] + published["noise"] * sigmas[0]
    found = sample(network(settings["cfg"]), start, sigmas)
    torch.testing.assert_close(found, published["i2i_out"], rtol=0, atol=1e-5)


def test_every_step_is_reported_and_may_be_changed():
    seen = []

    def after(latents, done, steps):
        seen.append((done, steps))
        return torch.full_like(latents, 7.0) if done == steps else latents

    found = sample(lambda x, t: x, torch.ones(2, 4, 1, 1), sigmas_of_run(3), after)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert (found == 7).all()


def test_a_network_that_knows_the_picture_is_followed_exactly():
    """With the true noise as its answer, every step lands on picture + sigma * noise."""
    picture, noise = torch.randn(2, 4, 3, 5), torch.randn(2, 4, 3, 5)
    sigmas = sigmas_of_run(7)
    found = sample(lambda x, t: noise, picture + sigmas[0] * noise, sigmas)
    torch.testing.assert_close(found, picture, rtol=1e-5, atol=1e-4)
