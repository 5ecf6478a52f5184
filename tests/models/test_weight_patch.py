"""Patches on real UNets: the sum is right, and what is taken off was never there."""

import copy
import gc
import weakref

import pytest
import torch
from accelerate import cpu_offload
from accelerate.hooks import remove_hook_from_submodules
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig
from tiny_checkpoints import tiny_unet
from tiny_layerdiffuse import sdxl_attention_deltas, sdxl_attention_lora, sdxl_deltas
from torch import nn

from layerstudio.errors import (
    InvalidRequest,
    MismatchedWeights,
    NumericalFailure,
    UnwritableFile,
)
from layerstudio.models.original_weights import OriginalWeights
from layerstudio.models.weight_patch import WeightPatch, patches_off

TYPES = [torch.float16, torch.bfloat16, torch.float32]


def bits(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def same_bits(module, before):
    """Signs of zeros count, which ``torch.equal`` does not see."""
    after = module.state_dict()
    assert after.keys() == before.keys()
    return all(
        torch.equal(after[key].flatten().view(torch.uint8), value.flatten().view(torch.uint8))
        for key, value in before.items()
    )


@pytest.fixture
def unet():
    return tiny_unet("sdxl")


@pytest.fixture(scope="module")
def attention():
    return WeightPatch.from_state(sdxl_attention_deltas())


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("strength", [1.0, 0.5, -1.0, 2.5])
def test_sum_is_formed_in_float32_and_rounded_once(unet, dtype, strength):
    unet.to(dtype)
    deltas = sdxl_attention_deltas()
    base = bits(unet)
    applied = WeightPatch.from_state(deltas).apply(unet, strength)
    for key, weight in unet.state_dict().items():
        expected = base[key]
        if key in deltas:
            exact = expected.double() + strength * deltas[key].double()
            expected = exact.float().to(dtype)
            assert not torch.equal(weight, base[key])
        tolerance = 1e-6 if dtype == torch.float32 else 0.0
        torch.testing.assert_close(weight, expected, rtol=tolerance, atol=tolerance)
    applied.remove()
    assert same_bits(unet, base)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), dtype=st.sampled_from([*TYPES, torch.float64]))
def test_any_history_of_patches_is_one_sum_and_leaves_no_trace(data, dtype):
    """Random strengths, switched and removed in any order, on weights with zeros of both signs."""
    draw = torch.Generator().manual_seed(data.draw(st.integers(0, 999)))
    layer = nn.Sequential(nn.Linear(5, 3), nn.Conv2d(4, 2, 3)).to(dtype)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw))
            weight.view(-1)[::3] = -0.0
    base = bits(layer)
    strengths = data.draw(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=3))
    deltas = [
        {key: torch.randn(value.shape, generator=draw) for key, value in base.items()}
        for _ in strengths
    ]
    patches = [
        WeightPatch.from_state(delta).apply(layer, strength)
        for delta, strength in zip(deltas, strengths, strict=True)
    ]
    for _ in range(data.draw(st.integers(0, 5))):
        patch = data.draw(st.sampled_from(patches))
        data.draw(
            st.sampled_from([patch.enable, patch.disable, lambda p=patch: p.set_strength(1)])
        )()
    reference = nn.Sequential(nn.Linear(5, 3), nn.Conv2d(4, 2, 3)).to(dtype)
    reference.load_state_dict(base)
    for delta, patch in zip(deltas, patches, strict=True):
        if patch.enabled:
            WeightPatch.from_state(delta).apply(reference, patch.strength)
    assert same_bits(layer, bits(reference))
    for patch in data.draw(st.permutations(patches)):
        patch.remove()
        patch.remove()
    assert same_bits(layer, base)


def test_toggling_gives_both_networks_bit_for_bit(unet, attention):
    base = bits(unet)
    applied = attention.apply(unet, 0.7)
    merged = bits(unet)
    for _ in range(2):
        applied.disable()
        assert same_bits(unet, base) and not applied.enabled
        applied.enable()
        assert same_bits(unet, merged) and applied.enabled
    with applied.off():
        assert same_bits(unet, base)
    assert same_bits(unet, merged)
    applied.set_strength(0.0)
    assert same_bits(unet, base)


def test_strength_zero_reads_no_tensor(unet):
    deltas = {key: torch.full_like(value, float("nan")) for key, value in bits(unet).items()}
    before = bits(unet)
    WeightPatch.from_state(deltas).apply(unet, 0.0)
    assert same_bits(unet, before)


def test_lora_of_peft_before_and_after(unet, attention):
    """Adapters rename the weights; the patch finds them, and the adapter's share stays."""
    deltas, base = sdxl_attention_deltas(), bits(unet)
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "conv_in"]), "style")
    applied = attention.apply(unet)
    key = next(key for key in deltas if key.endswith("to_q.weight"))
    inner = unet.get_submodule(key.removesuffix(".weight")).base_layer
    assert torch.equal(inner.weight, base[key] + deltas[key].float())
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_k"]), "late")
    applied.remove()
    assert torch.equal(inner.weight, base[key])
    names = {key.replace(".base_layer", ""): value for key, value in unet.state_dict().items()}
    assert all(torch.equal(names[key], value) for key, value in base.items())


def test_moving_and_casting_between_switches(unet, attention):
    """A pipeline may be cast after its patch was applied; the base is then the cast base."""
    base = bits(unet.to(torch.float32))
    applied = attention.apply(unet)
    unet.to(torch.float16).to(memory_format=torch.channels_last)
    applied.disable()
    expected = {key: value.half() for key, value in base.items()}
    assert all(torch.equal(value, expected[key]) for key, value in unet.state_dict().items())
    applied.enable()
    fresh = copy.deepcopy(unet).to(torch.float16)
    fresh.load_state_dict(expected)
    attention.apply(fresh)
    assert same_bits(unet, bits(fresh))


def test_patch_survives_without_its_handle_and_module_dies_with_its_own(attention):
    unet = tiny_unet("sdxl")
    base = bits(unet)
    attention.apply(unet)
    assert not same_bits(unet, base)
    with patches_off(unet):
        assert same_bits(unet, base)
    assert not same_bits(unet, base)
    second = attention.apply(unet)
    ghost = weakref.ref(unet)
    del unet
    gc.collect()
    assert ghost() is None
    second.remove()


def test_saved_pipeline_is_the_base_inside_patches_off(tiny_sdxl, tmp_path, attention):
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_sdxl)
    base = bits(pipeline.unet)
    attention.apply(pipeline.unet)
    WeightPatch.from_state(sdxl_deltas("fgble2bg")).apply(pipeline.unet)
    with patches_off(pipeline.unet):
        pipeline.save_pretrained(tmp_path)
    assert same_bits(UNet2DConditionModel.from_pretrained(tmp_path, subfolder="unet"), base)
    assert not same_bits(pipeline.unet, base)


class TestRefusals:
    """Each leaves the weights as they were."""

    @pytest.fixture(autouse=True)
    def unharmed(self, unet):
        before = bits(unet)
        yield
        assert same_bits(unet, before)

    def test_another_family(self, unet, attention):
        with pytest.raises(MismatchedWeights) as caught:
            attention.apply(tiny_unet("sd15"))
        assert caught.value.message.count(" is ") == 5
        assert "offsets for a UNet of SDXL" in caught.value.advice

    def test_a_weight_that_the_network_has_not(self, unet):
        deltas = sdxl_attention_deltas() | {"down_blocks.9.conv.weight": torch.ones(2, 2)}
        with pytest.raises(MismatchedWeights, match=r"down_blocks\.9\.conv\.weight is unexpected"):
            WeightPatch.from_state(deltas).apply(unet)

    def test_a_shape_that_differs(self, unet):
        deltas = sdxl_attention_deltas()
        key = next(iter(deltas))
        deltas[key] = deltas[key][:, :-1]
        with pytest.raises(MismatchedWeights, match=key):
            WeightPatch.from_state(deltas).apply(unet)

    @pytest.mark.parametrize("strength", [float("nan"), float("inf")])
    def test_no_number(self, unet, attention, strength):
        with pytest.raises(InvalidRequest, match="strength"):
            attention.apply(unet, strength)
        applied = attention.apply(unet)
        with pytest.raises(InvalidRequest, match="strength"):
            applied.set_strength(strength)
        applied.remove()

    def test_sums_that_are_not_finite(self, unet):
        deltas = sdxl_attention_deltas()
        key = list(deltas)[-1]
        deltas[key][0, 0] = float("nan")
        with pytest.raises(NumericalFailure, match=key):
            WeightPatch.from_state(deltas).apply(unet)

    def test_overflow_of_half_precision(self, attention):
        unet = tiny_unet("sdxl").half()
        before = bits(unet)
        applied = attention.apply(unet)
        merged = bits(unet)
        with pytest.raises(NumericalFailure, match="float16"):
            applied.set_strength(1e7)
        assert applied.strength == 1.0 and same_bits(unet, merged)
        applied.remove()
        assert same_bits(unet, before)

    def test_no_room_for_the_originals(self, unet, attention, monkeypatch):
        saved = []
        save = OriginalWeights.save

        def full_disk(self, name, weight):
            if len(saved) == 7:
                raise UnwritableFile("There is no room on the disk.")
            saved.append(name)
            save(self, name, weight)

        monkeypatch.setattr(OriginalWeights, "save", full_disk)
        with pytest.raises(UnwritableFile):
            attention.apply(unet)

    def test_sequential_offloading_before_and_after(self, unet, attention):
        """Weights may be offloaded with a patch merged; they are only out of reach then."""
        offloaded = copy.deepcopy(unet)
        applied = attention.apply(offloaded)
        cpu_offload(offloaded, torch.device("cpu"))
        with pytest.raises(InvalidRequest, match="layer by layer"):
            applied.disable()
        assert applied.enabled
        with pytest.raises(InvalidRequest, match="layer by layer"):
            attention.apply(offloaded)
        remove_hook_from_submodules(offloaded)
        applied.remove()
        assert same_bits(offloaded, bits(unet))

    def test_quantised_and_removed(self, unet, attention):
        with pytest.raises(InvalidRequest, match="quantised"):
            attention.apply(copy.deepcopy(unet).to(torch.float8_e4m3fn))
        applied = attention.apply(unet)
        applied.remove()
        with pytest.raises(InvalidRequest, match="removed"):
            applied.enable()

    def test_fused_projections(self, unet, attention):
        fused = copy.deepcopy(unet)
        fused.fuse_qkv_projections()
        with pytest.raises(InvalidRequest, match="fused"):
            attention.apply(fused)

    def test_group_offloading(self, unet, attention):
        offloaded = copy.deepcopy(unet)
        offloaded.enable_group_offload(onload_device=torch.device("cpu"), offload_type="leaf_level")
        with pytest.raises(InvalidRequest, match="layer by layer"):
            attention.apply(offloaded)


def test_low_rank_and_full_forms_merge_alike(unet, attention):
    other = copy.deepcopy(unet)
    attention.apply(unet)
    WeightPatch.from_state(sdxl_attention_lora()).apply(other)
    for key, value in unet.state_dict().items():
        torch.testing.assert_close(other.state_dict()[key], value, atol=2e-3, rtol=2e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_on_a_gpu_and_through_model_offloading(attention, dtype):
    unet = tiny_unet("sdxl").to(dtype)
    base = bits(unet)
    applied = attention.apply(unet.cuda())
    merged = bits(unet)
    applied.disable()
    assert same_bits(unet.cpu(), base)
    applied.enable()
    assert all(
        torch.allclose(value, merged[key].cpu(), rtol=1e-2, atol=1e-3)
        for key, value in unet.state_dict().items()
    )
    unet.cuda()
    applied.remove()
    assert same_bits(unet.cpu(), base)
