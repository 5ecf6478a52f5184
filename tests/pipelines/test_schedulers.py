"""Samplers by name: every one is made and runs on the noise schedule that it is given."""

from inspect import signature

import pytest
import torch
from tiny_checkpoints import SD_BETAS

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.schedulers import check_scheduler, make_scheduler, scheduler_names

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SD = {**SD_BETAS, "steps_offset": 1, "timestep_spacing": "leading", "use_karras_sigmas": True}
FLOW = {"shift": 3.0, "use_dynamic_shifting": False}


@pytest.mark.parametrize("name", scheduler_names(flow=False))
def test_denoising(name):
    scheduler = make_scheduler(name, SD)
    if "use_karras_sigmas" in signature(type(scheduler).__init__).parameters:
        assert scheduler.config.use_karras_sigmas == name.endswith("karras")
    assert scheduler.config.beta_end == SD["beta_end"]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, 4, 8, 8), generator=generator)
    scheduler.set_timesteps(12)
    latents = noise * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        scheduler.scale_model_input(latents, timestep)
        latents = scheduler.step(torch.zeros_like(noise), timestep, latents).prev_sample
    assert torch.isfinite(latents).all()


@pytest.mark.parametrize("name", scheduler_names(flow=True))
def test_flowing(name):
    scheduler = make_scheduler(name, FLOW)
    assert scheduler.config.shift == 3.0
    scheduler.set_timesteps(5)
    assert len(scheduler.timesteps) >= 5


def test_names_are_spelled_freely_and_suggested():
    assert check_scheduler(" DPM++ 2M_SDE  Karras", flow=False) == "dpm++ 2m sde karras"
    with pytest.raises(InvalidRequest, match="'euler a'"):
        check_scheduler("eular a", flow=False)
    with pytest.raises(InvalidRequest, match="flow euler"):
        check_scheduler("euler a", flow=True)


def test_stochastic_and_not():
    kinds = {
        name: make_scheduler(name, {**SD, "algorithm_type": "sde-dpmsolver++"}).config
        for name in ("dpm++ 2m karras", "dpm++ 2m sde karras")
    }
    assert kinds["dpm++ 2m karras"].algorithm_type == "dpmsolver++"
    assert kinds["dpm++ 2m sde karras"].algorithm_type == "sde-dpmsolver++"
