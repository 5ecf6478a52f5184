"""The sampling loop on small random transformers, against loops written out."""

import pytest
import torch
from accelerate import cpu_offload
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from seeded import seed_module

from layerstudio.geometry import Bounds, Extent
from layerstudio.models.multilayer_adapter import MultiLayerAdapter
from layerstudio.models.multilayer_dit import Conditions, MultiLayerTransformer
from layerstudio.models.regions import Regions
from layerstudio.pipelines.multilayer.guidance import Guidance
from layerstudio.pipelines.multilayer.sampling import Order, Sampler, Text
from layerstudio.pipelines.multilayer.schedule import noise_levels, shift_of

SMALL = {
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 32,
    "num_attention_heads": 2,
    "joint_attention_dim": 24,
    "pooled_projection_dim": 16,
    "axes_dims_rope": (8, 12, 12),
}
TOLERANCE = 1e-5
STEPS = 3


def transformer_of(**changes) -> MultiLayerTransformer:
    network = MultiLayerTransformer(**SMALL, max_layer_num=8, **changes).eval()
    seed_module(network, 3)
    return network


@pytest.fixture(scope="module")
def transformer() -> MultiLayerTransformer:
    return transformer_of()


def text_of(seed: int, length: int = 4) -> Text:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(1, length, 24, generator=generator)
    return Text(tokens, torch.randn(1, 16, generator=generator))


EMPTY = text_of(99)


def regions_of(extent: Extent, *boxes: Bounds) -> Regions:
    full = Bounds.full(extent)
    return Regions.of_pixels(extent, [full, full, *boxes], 16)


def noise_of(regions: Regions, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, regions.count, 64, generator=generator)


def levels_of(*regions: Regions) -> torch.Tensor:
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    return noise_levels(scheduler, STEPS, [item.count for item in regions])


SMALL_DOCUMENT = regions_of(Extent(48, 32), Bounds(3, 0, 20, 30))
LARGE_DOCUMENT = regions_of(Extent(64, 48), Bounds(0, 0, 9, 9), Bounds(30, 20, 34, 20))


def test_levels_are_flux_with_the_documents_own_shift():
    assert shift_of(256) == pytest.approx(0.5)
    assert shift_of(8192) == pytest.approx(1.15 + 0.65 / 3840 * 4096)
    levels = levels_of(SMALL_DOCUMENT, LARGE_DOCUMENT)
    assert levels.shape == (2, STEPS + 1)
    for row, regions in zip(levels, (SMALL_DOCUMENT, LARGE_DOCUMENT), strict=True):
        even = torch.linspace(1, 1 / STEPS, STEPS)
        factor = torch.tensor(shift_of(regions.count)).exp()
        expected = factor / (factor + (1 / even - 1))
        assert torch.allclose(row[:-1], expected, atol=1e-6)
        assert row[-1] == 0


def test_loop_is_guided_euler(transformer):
    regions, text = SMALL_DOCUMENT, text_of(1)
    levels = levels_of(regions)
    noise = noise_of(regions, 5)
    guidance = Guidance(embedded=4.0, true=3.5)
    sampled = Sampler(transformer, [Order(regions, text)], EMPTY, levels, guidance).run(noise)
    tokens = noise
    packing = transformer.pack([regions], [4])
    with torch.inference_mode():
        for now, following in zip(levels[0], levels[0, 1:], strict=False):
            answers = [
                transformer(
                    tokens,
                    packing,
                    Conditions(side.tokens, side.pooled, now[None], torch.tensor([4.0])),
                )
                for side in (text, EMPTY)
            ]
            tokens = tokens + (following - now) * (answers[1] + 3.5 * (answers[0] - answers[1]))
    assert (sampled - tokens).abs().max() < TOLERANCE


def test_documents_together_equal_one_by_one(transformer):
    guidance = Guidance(of_layers={2: 6.0, 3: 1.0})
    orders = [
        Order(SMALL_DOCUMENT, text_of(1), {2: text_of(7, 3)}),
        Order(LARGE_DOCUMENT, text_of(2, 6), {1: text_of(8), 3: text_of(9, 2)}),
    ]
    levels = levels_of(SMALL_DOCUMENT, LARGE_DOCUMENT)
    noises = [noise_of(order.regions, seed) for seed, order in enumerate(orders)]
    alone = [
        Sampler(transformer, [order], EMPTY, levels[k : k + 1], guidance).run(noises[k])
        for k, order in enumerate(orders)
    ]
    together = Sampler(transformer, orders, EMPTY, levels, guidance).run(torch.cat(noises, 1))
    assert (together - torch.cat(alone, 1)).abs().max() < TOLERANCE


def test_a_layers_own_prompt_and_guidance_change_that_layer_most(transformer):
    noise, levels = noise_of(SMALL_DOCUMENT, 0), levels_of(SMALL_DOCUMENT)
    own = SMALL_DOCUMENT.ids[:, 0] == 2

    def sampled(order: Order, guidance: Guidance) -> torch.Tensor:
        one_step = levels[:, -2:]
        return Sampler(transformer, [order], EMPTY, one_step, guidance).run(noise)[0]

    plain = sampled(Order(SMALL_DOCUMENT, text_of(1)), Guidance())
    prompted = sampled(Order(SMALL_DOCUMENT, text_of(1), {2: text_of(5)}), Guidance())
    guided = sampled(Order(SMALL_DOCUMENT, text_of(1)), Guidance(of_layers={2: 9.0}))
    for changed in (prompted, guided):
        assert (changed[~own] - plain[~own]).abs().max() < TOLERANCE
        assert (changed[own] - plain[own]).abs().max() > 0.01


@pytest.mark.parametrize("clean", [False, True])
def test_kept_tokens_stay_and_steer_the_others(clean):
    network = transformer_of(clean_tokens=clean)
    regions = LARGE_DOCUMENT
    kept = regions.ids[:, 0] == 1
    noise, levels = noise_of(regions, 0), levels_of(regions)
    results = []
    for seed in (10, 11):
        given = noise_of(regions, seed)[0]
        order = Order(regions, text_of(1), given=given, kept=kept)
        sampled = Sampler(network, [order], EMPTY, levels, Guidance()).run(noise)[0]
        assert torch.equal(sampled[kept], given[kept])
        results.append(sampled[~kept])
    assert (results[0] - results[1]).abs().max() > 0.001


def test_the_picture_steers_through_the_adapter(transformer):
    adapter = MultiLayerAdapter(**SMALL).eval()
    seed_module(adapter, 4)
    regions = SMALL_DOCUMENT
    noise, levels = noise_of(regions, 0), levels_of(regions)
    condition = torch.randn(regions.count, 68, generator=torch.Generator().manual_seed(0))
    order = Order(regions, text_of(1), {2: text_of(2)}, condition=condition)

    def sampled(scale: float) -> torch.Tensor:
        sampler = Sampler(
            transformer, [order], EMPTY, levels, Guidance(), adapter=adapter, adapter_scale=scale
        )
        return sampler.run(noise)

    plain = Sampler(transformer, [order], EMPTY, levels, Guidance()).run(noise)
    assert (sampled(0.0) - plain).abs().max() < TOLERANCE
    assert (sampled(0.9) - plain).abs().max() > 0.01


def test_weights_that_come_layer_by_layer_give_the_same():
    """Sequential offloading, here to the CPU: between passes every weight is on meta."""
    regions = SMALL_DOCUMENT
    noise, levels = noise_of(regions, 0), levels_of(regions)
    condition = torch.randn(regions.count, 68, generator=torch.Generator().manual_seed(0))
    kept = regions.ids[:, 0] == 1
    given = noise_of(regions, 9)[0]
    order = Order(regions, text_of(1), {2: text_of(2)}, given, kept, condition)
    results = []
    for is_offloaded in (False, True):
        networks = transformer_of(clean_tokens=True), MultiLayerAdapter(**SMALL).eval()
        seed_module(networks[1], 4)
        if is_offloaded:
            for network in networks:
                cpu_offload(network, execution_device=torch.device("cpu"))
            assert networks[0].layer_pe.is_meta
        sampler = Sampler(networks[0], [order], EMPTY, levels, Guidance(), adapter=networks[1])
        results.append(sampler.run(noise))
    assert torch.equal(*results)
