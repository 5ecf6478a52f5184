"""The attention-sharing units of SD 1.5 against the published implementation's answers."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from seeded import listed_shapes, parity_settings, parity_tensors, seed_module
from tiny_checkpoints import tiny_unet
from tiny_layerdiffuse import sharing_state

from layerstudio.errors import InvalidRequest, MismatchedWeights
from layerstudio.models.attention_sharing import (
    AttentionSharing,
    SharingLayout,
    SharingUnit,
    attention_sites,
)
from layerstudio.models.control_encoder import PUBLISHED_WIDTHS, ControlEncoder
from layerstudio.models.frame_weights import merged_values
from layerstudio.models.shared_attention import (
    SharedAttention,
    mix_frames,
    mix_frames_written_out,
    sharing_attention,
)
from layerstudio.models.sizes import CONDITION_VALUES

# The base model's published config; what is not here is the class's default.
SD15 = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280),
}
PUBLISHED = {
    "layer_sd15_transparent_attn": (1, False),
    "layer_sd15_joint": (3, False),
    "layer_sd15_fg2bg": (2, True),
}


def published_unit(name: str, strength: float = 1.0, signals=None) -> tuple[Attention, SharingUnit]:
    """The small unit of a fixture, in an attention module of diffusers."""
    settings = parity_settings(name)
    width, cross = settings["C"], settings["cross"] if name.endswith("cross") else None
    heads = settings["heads"]
    site = Attention(width, cross, heads=heads, dim_head=width // heads)
    seed_module(site, 52)
    control = (32, 64, 128, 256) if settings["use_control"] else None
    layout = SharingLayout(settings["frames"], settings["rank"], control)
    unit = SharingUnit(width, cross or width, layout)
    seed_module(unit, 53, 0.7)
    site.set_processor(SharedAttention(unit, site, strength, signals))
    return site.eval(), unit


def published_signals() -> dict[int, torch.Tensor]:
    tensors = parity_tensors("sd15_cond_encoder")
    return {tokens: tensors[f"signal_{tokens}"] for tokens in (64, 16, 4, 1)}


def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_control_encoder_equals_the_published_one():
    encoder = ControlEncoder()
    seed_module(encoder, 51, 1.4)
    tensors = parity_tensors("sd15_cond_encoder")
    with torch.no_grad():
        signals = encoder(tensors["image01"] * 2 - 1)
    assert list(signals) == [64, 16, 4, 1]
    for tokens, signal in signals.items():
        assert_close(signal, tensors[f"signal_{tokens}"])


@pytest.mark.parametrize("name", ["sd15_sharing_fg_self", "sd15_sharing_joint_self"])
def test_self_attention_equals_the_published_one(name):
    tensors = parity_tensors(name)
    site, _ = published_unit(name)
    with torch.no_grad():
        assert_close(site(tensors["h"]), tensors["out"])


def test_controlled_cross_attention_equals_the_published_one():
    tensors = parity_tensors("sd15_sharing_cond_cross")
    site, _ = published_unit("sd15_sharing_cond_cross", signals=published_signals())
    with torch.no_grad():
        assert_close(site(tensors["h"], tensors["context"]), tensors["out"])


def test_a_prompt_per_frame_is_the_published_overwriting():
    """Published code overwrites the guided half's context inside every unit; rows do the same."""
    tensors = parity_tensors("sd15_sharing_cond_cross")
    site, _ = published_unit("sd15_sharing_cond_cross", signals=published_signals())
    context = tensors["context"].clone()
    guided = tensors["cond_mark"] == 0
    first_frame = torch.arange(len(context)) % 2 == 0
    assert (guided & first_frame).any() and (~guided).any()
    context[guided & first_frame] = tensors["cond_overwrite_0"]
    with torch.no_grad():
        assert_close(site(tensors["h"], context), tensors["out_overwrite"])


@pytest.fixture(scope="module")
def published_unet() -> UNet2DConditionModel:
    with torch.device("meta"):
        return UNet2DConditionModel(**SD15)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_merged_of_a_published_file_is_counted_exactly(published_unet, name):
    frames, has_condition = PUBLISHED[name]
    widths = PUBLISHED_WIDTHS if has_condition else None
    with torch.device("meta"):
        sharing = AttentionSharing(published_unet, SharingLayout(frames, control_widths=widths))
    signals = {} if has_condition else None
    with sharing_attention(published_unet, sharing, signals=signals):
        processors = [site.processor for site in attention_sites(published_unet)]
        held = sum(buffer.numel() for one in processors for buffer in one.buffers())
    assert merged_values(sharing, published_unet) == held
    assert round(held / 1e6) in {1: [118], 2: [286], 3: [380]}[frames]


def test_maps_of_a_condition_are_counted(published_unet):
    """One for each attention, as wide as it and as many as its positions; the middle is 1/64."""
    scales = {"down_blocks.0": 1, "down_blocks.1": 4, "down_blocks.2": 16}
    scales |= {"up_blocks.1": 16, "up_blocks.2": 4, "up_blocks.3": 1, "mid_block": 64}
    sites = {id(site) for site in attention_sites(published_unet)}
    widths = [
        (module.query_dim, next(scales[part] for part in scales if name.startswith(part)))
        for name, module in published_unet.named_modules()
        if id(module) in sites
    ]
    assert sum(width / scale for width, scale in widths) == CONDITION_VALUES


@pytest.mark.parametrize("name", PUBLISHED)
def test_full_size_files_have_exactly_our_keys_and_shapes(published_unet, name):
    frames, has_condition = PUBLISHED[name]
    shapes = listed_shapes(name)
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
    sharing = AttentionSharing.from_published(
        state, published_unet, frames=frames, has_condition=has_condition
    )
    assert {key: tuple(value.shape) for key, value in sharing.state_dict().items()} == shapes


def test_units_follow_the_published_order(published_unet):
    names = {id(module): name for name, module in published_unet.named_modules()}
    sites = [names[id(site)] for site in attention_sites(published_unet)]
    assert len(sites) == 32
    assert sites[0] == "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    assert sites[11] == "down_blocks.2.attentions.1.transformer_blocks.0.attn2"
    assert sites[12] == "up_blocks.1.attentions.0.transformer_blocks.0.attn1"
    assert sites[31] == "mid_block.attentions.0.transformer_blocks.0.attn2"


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return tiny_unet("sd15")


def tiny_sharing(unet: torch.nn.Module, frames: int, *, control: bool = False) -> AttentionSharing:
    state = sharing_state(frames, control=control, seed=7)
    return AttentionSharing.from_published(state, unet, frames=frames, has_condition=control)


def noise(rows: int, seed: int = 0, size: tuple[int, int] = (8, 16)) -> dict:
    generator = torch.Generator().manual_seed(seed)
    return {
        "sample": torch.randn(rows, 4, *size, generator=generator),
        "timestep": 500,
        "encoder_hidden_states": torch.randn(rows, 77, 16, generator=generator),
    }


def predict(unet: UNet2DConditionModel, inputs: dict) -> torch.Tensor:
    with torch.no_grad():
        return unet(**inputs).sample


def test_wrong_number_of_frames_is_named(unet):
    state = sharing_state(3, control=False, seed=7)
    with pytest.raises(MismatchedWeights, match=r"lora\.1\..* unexpected") as caught:
        AttentionSharing.from_published(state, unet, frames=1, has_condition=False)
    assert "3 frame(s)" in str(caught.value)


def test_file_of_another_kind_is_named(unet):
    with pytest.raises(MismatchedWeights, match=r"hookers\.layers\.0\..* is missing") as caught:
        AttentionSharing.from_published(
            {"conv_in.weight": torch.zeros(1)}, unet, frames=2, has_condition=True
        )
    assert caught.value.message.count(" is missing") == 5


def test_strength_is_a_dial_from_the_unet_itself(unet):
    inputs = noise(6)
    plain = predict(unet, inputs)
    sharing = tiny_sharing(unet, 3)
    found = {}
    for strength in (0.0, 0.5, 1.0):
        with sharing_attention(unet, sharing, strength=strength):
            found[strength] = predict(unet, inputs)
    torch.testing.assert_close(found[0.0], plain, rtol=0, atol=1e-5)
    half, whole = ((found[s] - plain).abs().mean() for s in (0.5, 1.0))
    assert 1e-3 < half < whole


def test_unet_is_afterwards_as_before_even_after_an_error(unet):
    processors = dict(unet.attn_processors)
    keys = list(unet.state_dict())
    with sharing_attention(unet, tiny_sharing(unet, 2)):
        assert list(unet.state_dict()) == keys  # what is saved meanwhile is the plain UNet
        with pytest.raises(InvalidRequest, match="no pictures"):
            predict(unet, noise(3))
    with pytest.raises(RuntimeError, match="stop"), sharing_attention(unet, tiny_sharing(unet, 2)):
        raise RuntimeError("stop")
    assert all(unet.attn_processors[name] is one for name, one in processors.items())
    assert not any(isinstance(module, SharedAttention) for module in unet.modules())


@pytest.mark.parametrize("frames", [2, 3])
def test_frames_are_mixed_alike_on_every_device(frames):
    sides = torch.randn(3, frames, 7, 4, 5, generator=torch.Generator().manual_seed(1)).unbind(0)
    torch.testing.assert_close(mix_frames_written_out(*sides), mix_frames(*sides))


def test_pictures_of_a_batch_do_not_see_each_other(unet):
    inputs = noise(6)
    other = noise(6, seed=1)
    for key in ("sample", "encoder_hidden_states"):
        other[key][3:] = inputs[key][3:]
    with sharing_attention(unet, tiny_sharing(unet, 3)):
        one, two = predict(unet, inputs), predict(unet, other)
        alone = predict(unet, {k: v[3:] if k != "timestep" else v for k, v in inputs.items()})
    torch.testing.assert_close(one[3:], two[3:], rtol=0, atol=1e-5)
    torch.testing.assert_close(one[3:], alone, rtol=0, atol=1e-5)


def test_frames_of_a_picture_do_see_each_other(unet):
    inputs, other = noise(3), noise(3)
    other["sample"][2] += 1
    with sharing_attention(unet, tiny_sharing(unet, 3)):
        moved = (predict(unet, inputs) - predict(unet, other))[0].abs().max()
    assert moved > 1e-3


def test_sharing_nests_and_runs_in_two_networks_at_once(unet):
    second = tiny_unet("sd15")
    inputs = noise(6)
    three, two = tiny_sharing(unet, 3), tiny_sharing(second, 2)
    with sharing_attention(unet, three):
        expected = predict(unet, inputs)
        with sharing_attention(second, two):
            assert not torch.equal(predict(second, inputs), expected)
            torch.testing.assert_close(predict(unet, inputs), expected, rtol=0, atol=0)


def test_a_condition_for_each_picture_equals_pictures_one_by_one(unet):
    sharing = tiny_sharing(unet, 2, control=True)
    conditions = torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(3)) * 2 - 1
    inputs = noise(8)  # guided: two pictures of two frames, without and with prompt
    with torch.no_grad():
        signals = sharing.float().kwargs_encoder(conditions)
    with sharing_attention(unet, sharing, signals=signals):
        batch = predict(unet, inputs)
    for picture in range(2):
        rows = [2 * picture, 2 * picture + 1, 4 + 2 * picture, 5 + 2 * picture]
        own = {k: v[rows] if k != "timestep" else v for k, v in inputs.items()}
        one = {tokens: signal[picture : picture + 1] for tokens, signal in signals.items()}
        with sharing_attention(unet, sharing, signals=one):
            torch.testing.assert_close(predict(unet, own), batch[rows], rtol=0, atol=1e-4)


def test_batches_and_conditions_that_do_not_fit_are_refused(unet):
    sharing = tiny_sharing(unet, 2, control=True)
    with pytest.raises(InvalidRequest, match="needs condition"), sharing_attention(unet, sharing):
        pass
    with torch.no_grad():
        signals = sharing.float().kwargs_encoder(torch.zeros(1, 3, 64, 64))
    with sharing_attention(unet, sharing, signals=signals):
        with pytest.raises(InvalidRequest, match="3 latents are no pictures of 2 frames"):
            predict(unet, noise(3))
        with pytest.raises(InvalidRequest, match="another size"):
            predict(unet, noise(2))


def test_lora_on_the_unet_counts_with_its_scale(unet):
    from peft import LoraConfig

    adapted = tiny_unet("sd15")
    adapted.add_adapter(
        LoraConfig(r=2, lora_alpha=2, init_lora_weights=False, target_modules=["to_q", "to_out.0"])
    )
    inputs = noise(3)
    plain, with_lora = predict(unet, inputs), predict(adapted, inputs)
    assert (plain - with_lora).abs().max() > 1e-3
    sharing = tiny_sharing(adapted, 3)
    with sharing_attention(adapted, sharing, strength=0):
        torch.testing.assert_close(predict(adapted, inputs), with_lora, rtol=0, atol=1e-4)
    adapted.disable_adapters()
    with sharing_attention(adapted, sharing, strength=0):
        torch.testing.assert_close(predict(adapted, inputs), plain, rtol=0, atol=1e-4)
