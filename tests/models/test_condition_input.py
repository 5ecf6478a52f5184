"""A widened first convolution that the pipeline does not see."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from tiny_checkpoints import tiny_unet
from tiny_layerdiffuse import sdxl_attention_deltas, sdxl_deltas

from layerstudio.errors import InvalidRequest, MismatchedWeights
from layerstudio.models.condition_input import ConditionInput
from layerstudio.models.weight_patch import WeightPatch


def unet_like(base, in_channels):
    config = {key: value for key, value in base.config.items() if not key.startswith("_")}
    return UNet2DConditionModel(**config | {"in_channels": in_channels}).eval()


def widened(base, deltas, strength):
    """The published way: a UNet of more channels that holds everything for good."""
    extra = deltas["conv_in.weight"].shape[1] - 4
    unet = unet_like(base, 4 + extra)
    state = dict(base.state_dict())
    state["conv_in.weight"] = torch.nn.functional.pad(
        state["conv_in.weight"], (0, 0, 0, 0, 0, extra)
    )
    for key, delta in deltas.items():
        state[key] = state[key] + strength * delta.float()
    unet.load_state_dict(state)
    return unet


def run(unet, latents):
    draw = torch.Generator().manual_seed(1)
    batch = latents.shape[0]
    time_ids = torch.tensor([[64.0, 96, 0, 0, 64, 96]]).repeat(batch, 1)
    pooled = torch.randn(batch, 32, generator=draw)
    context = torch.randn(batch, 7, 48, generator=draw)
    added = {"text_embeds": pooled, "time_ids": time_ids}
    with torch.no_grad():
        return unet(latents, 500, context, added_cond_kwargs=added).sample


@pytest.fixture
def unet():
    return tiny_unet("sdxl")


@pytest.fixture
def latents():
    return torch.randn(4, 4, 8, 12, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("mode", ["fg2ble", "bgble2fg"])
@pytest.mark.parametrize("strength", [1.0, 0.5, -0.7, 0.0])
def test_equals_a_widened_unet_and_toggles_in_the_middle(unet, latents, mode, strength):
    deltas = sdxl_deltas(mode)
    base, oracle = run(unet, latents), widened(unet, deltas, strength)
    patch = WeightPatch.from_state(deltas)
    extra = patch.extra_in_channels
    assert extra == {"fg2ble": 4, "bgble2fg": 8}[mode]
    condition = torch.randn(2, extra, 8, 12, generator=torch.Generator().manual_seed(3))
    applied = patch.apply(unet, strength)
    assert applied.condition_input is unet.conv_in
    unet.conv_in.condition = condition
    expected = run(oracle, torch.cat([latents, condition.repeat(2, 1, 1, 1)], dim=1))
    torch.testing.assert_close(run(unet, latents), expected, atol=1e-5, rtol=1e-5)
    applied.disable()
    assert torch.equal(run(unet, latents), base)
    applied.enable()
    torch.testing.assert_close(run(unet, latents), expected, atol=1e-5, rtol=1e-5)
    applied.remove()
    assert type(unet.conv_in) is torch.nn.Conv2d
    assert torch.equal(run(unet, latents), base)


def test_each_prompt_of_a_batch_keeps_its_own_condition(unet):
    """Two prompts with three images each, unconditional half first, as pipelines lay them out."""
    WeightPatch.from_state(sdxl_deltas("fg2ble")).apply(unet)
    conditions = torch.stack([torch.zeros(4, 8, 8), torch.ones(4, 8, 8)])
    unet.conv_in.condition = conditions.repeat_interleave(3, dim=0)
    answer = unet.conv_in(torch.zeros(12, 4, 8, 8))
    assert [bool(torch.equal(one, answer[0])) for one in answer] == ([True] * 3 + [False] * 3) * 2
    assert not torch.equal(answer[3], answer[0]) and torch.equal(answer[3], answer[11])
    unet.conv_in.condition = conditions[1:]
    assert torch.equal(unet.conv_in(torch.zeros(12, 4, 8, 8))[0], answer[3])


def test_state_and_config_stay_those_of_a_narrow_unet(unet, tmp_path):
    keys = list(unet.state_dict())
    shapes = [value.shape for value in unet.state_dict().values()]
    applied = WeightPatch.from_state(sdxl_deltas("fgble2bg")).apply(unet)
    assert list(unet.state_dict()) == keys and unet.config.in_channels == 4
    assert [value.shape for value in unet.state_dict().values()] == shapes
    unet.save_pretrained(tmp_path)
    loaded = UNet2DConditionModel.from_pretrained(tmp_path)
    assert torch.equal(loaded.conv_in.weight, unet.conv_in.weight)
    unet.half()
    assert unet.conv_in.extra_weight.dtype == torch.float16
    applied.remove()
    assert unet.conv_in.weight.dtype == torch.float16


def test_adapter_of_peft_on_the_widened_convolution(unet, latents):
    unet.add_adapter(LoraConfig(r=2, target_modules=["conv_in"]), "style")
    applied = WeightPatch.from_state(sdxl_deltas("fg2ble")).apply(unet)
    assert isinstance(unet.conv_in.base_layer, ConditionInput)
    applied.condition_input.condition = latents[:1]
    wide = run(unet, latents)
    applied.remove()
    assert type(unet.conv_in.base_layer) is torch.nn.Conv2d
    assert not torch.equal(run(unet, latents), wide)


def test_two_conditional_patches_take_turns(unet, latents):
    first = WeightPatch.from_state(sdxl_deltas("fg2ble")).apply(unet)
    second = WeightPatch.from_state(sdxl_deltas("bgble2fg"))
    with pytest.raises(InvalidRequest, match="takes a condition"):
        second.apply(unet)
    first.disable()
    other = second.apply(unet)
    assert unet.conv_in.extra_weight.shape[1] == 8
    with pytest.raises(InvalidRequest, match="takes a condition"):
        first.enable()
    other.remove()
    first.enable()
    assert unet.conv_in.extra_weight.shape[1] == 4
    WeightPatch.from_state(sdxl_attention_deltas()).apply(unet).remove()
    first.remove()
    assert type(unet.conv_in) is torch.nn.Conv2d


@pytest.mark.parametrize("shape", [(2, 8, 8, 12), (3, 4, 8, 12), (2, 4, 8, 8), (4, 8, 12)])
def test_condition_that_does_not_fit(unet, latents, shape):
    WeightPatch.from_state(sdxl_deltas("fg2ble")).apply(unet)
    unet.conv_in.condition = torch.zeros(shape)
    with pytest.raises(InvalidRequest, match=r"\(4 or a divisor, 4, 8, 12\) would fit"):
        run(unet, latents)
    unet.conv_in.condition = None
    with pytest.raises(InvalidRequest, match="no condition"):
        run(unet, latents)


def test_inpainting_base_takes_narrow_differences_and_no_condition():
    unet = unet_like(tiny_unet("sdxl"), 9)
    before = unet.conv_in.weight.detach().clone()
    delta = sdxl_deltas("conv")
    WeightPatch.from_state(delta).apply(unet)
    added = unet.conv_in.weight - before
    torch.testing.assert_close(added[:, :4], delta["conv_in.weight"].float())
    assert not added[:, 4:].any()
    with pytest.raises(MismatchedWeights, match=r"conv_in\.weight"):
        WeightPatch.from_state(sdxl_deltas("fg2ble")).apply(unet)
