"""The multi-layer networks against the published ones, under weights drawn from their names."""

import math

import pytest
import torch
from seeded import listed_shapes, parity_settings, parity_tensors, seed_module, seeded_state

from layerstudio.errors import InvalidRequest, MismatchedWeights
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.multilayer_adapter import MultiLayerAdapter
from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.models.multilayer_dit import Conditions, MultiLayerTransformer
from layerstudio.models.regions import Regions, patchify, unpatchify

TOLERANCE = 1e-5
FLUX_PARAMETERS = 11_901_408_320
TEXT_TOKENS = 7


def without_patch_size(config: dict) -> dict:
    return {key: value for key, value in config.items() if key != "patch_size"}


def regions_of(name: str, step: int) -> Regions:
    boxes = [box and Bounds.from_edges(*box) for box in parity_settings(name)["boxes"]]
    return Regions.of_pixels(Extent(64, 64), boxes, step)


def shapes_of(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}


def conditions_of(tensors: dict[str, torch.Tensor]) -> Conditions:
    text, pooled = tensors["encoder_hidden_states"], tensors["pooled"]
    return Conditions(text, pooled, torch.tensor([0.731]), torch.tensor([4.0]))


def time_features(scaled: torch.Tensor) -> torch.Tensor:
    """diffusers' sinusoids of 128 frequencies, rounded as on the machine of the fixtures.

    The guidance enters as sin(4000 f): one unit in the last place of a frequency turns it by
    2e-4, and exp() in float32 differs that much between processors.
    """
    exponents = -math.log(10_000) * torch.arange(128, dtype=torch.float32) / 128
    frequencies = exponents.double().exp().float()
    frequencies[12] = torch.nextafter(frequencies[12], torch.tensor(torch.inf))
    angles = scaled[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


@pytest.fixture(scope="module")
def transformer() -> MultiLayerTransformer:
    config = without_patch_size(parity_settings("art_mmdit_small")["config"])
    network = MultiLayerTransformer(**config).eval()
    assert shapes_of(network) == listed_shapes("art_mmdit_small")
    network.load_state_dict(seeded_state(listed_shapes("art_mmdit_small"), 42))
    network.time_text_embed.time_proj.forward = time_features
    return network


@pytest.fixture(scope="module")
def adapter() -> MultiLayerAdapter:
    config = without_patch_size(parity_settings("cld_adapter_small")["config"])
    network = MultiLayerAdapter(**config).eval()
    assert shapes_of(network) == listed_shapes("cld_adapter_small")
    network.load_state_dict(seeded_state(listed_shapes("cld_adapter_small"), 43, 0.7))
    network.time_text_embed.time_proj.forward = time_features
    return network


@torch.inference_mode()
def test_transformer_equals_the_published_one(transformer):
    tensors = parity_tensors("art_mmdit_small")
    regions = regions_of("art_mmdit_small", 16)
    assert torch.equal(regions.ids.float(), tensors["img_ids"])
    tokens = regions.gather(patchify(tensors["latents"][0]))[None]
    packing = transformer.pack([regions], [TEXT_TOKENS])
    velocity = transformer(tokens, packing, conditions_of(tensors))
    expected = regions.gather(patchify(tensors["out"][0]))
    assert (velocity[0] - expected).abs().max() < TOLERANCE


@torch.inference_mode()
def test_adapter_equals_the_published_one(transformer, adapter):
    tensors = parity_tensors("cld_adapter_small")
    regions = regions_of("cld_adapter_small", 16)
    tokens = regions.gather(patchify(tensors["latents"][0]))[None]
    condition = regions.gather(tensors["adapter_cond"][0].unflatten(0, regions.grid.shape))[None]
    packing = transformer.pack([regions], [TEXT_TOKENS])
    conditions = conditions_of(tensors)
    scale = parity_settings("cld_adapter_small")["conditioning_scale"]
    residuals = adapter(tokens, condition, transformer.layer_pe, packing, conditions)
    residuals = residuals.mapped(lambda x: scale * x)
    assert (residuals.double[0] - tensors["block_sample_0"]).abs().max() < TOLERANCE
    for index, residual in enumerate(residuals.single):
        assert (residual - tensors[f"single_sample_{index}"]).abs().max() < TOLERANCE
    velocity = transformer(tokens, packing, conditions, residuals)
    expected = regions.gather(patchify(tensors["out"][0]))
    assert (velocity[0] - expected).abs().max() < TOLERANCE


@torch.inference_mode()
def test_decoder_equals_the_published_one():
    tensors = parity_tensors("art_transp_vae_small")
    state = seeded_state(listed_shapes("art_transp_vae_small"), 33)
    network = MultiLayerDecoder.from_published(state)
    rgba = network.canvases(tensors["z"], regions_of("art_transp_vae_small", 8))
    assert (rgba[:, :3] - tensors["rgb"]).abs().max() < TOLERANCE
    assert (rgba[:, 3:] - tensors["alpha"]).abs().max() < TOLERANCE


def test_full_sizes_are_the_published_ones():
    with torch.device("meta"):
        transformer, decoder = MultiLayerTransformer(), MultiLayerDecoder()
        adapters = {(4, 10): 2_952_666_624, (6, 0): 2_140_889_088}
        counts = {
            depth: sum(
                parameter.numel()
                for parameter in MultiLayerAdapter(
                    num_layers=depth[0], num_single_layers=depth[1]
                ).parameters()
            )
            for depth in adapters
        }
    total = sum(parameter.numel() for parameter in transformer.parameters())
    assert total - transformer.layer_pe.numel() == FLUX_PARAMETERS
    assert shapes_of(decoder) == listed_shapes("art_transp_vae_full")
    assert counts == adapters


@torch.inference_mode()
def test_documents_in_one_sequence_equal_one_by_one(transformer):
    generator = torch.Generator().manual_seed(0)
    documents = [
        Regions.of_pixels(Extent(96, 64), [Bounds(0, 0, 96, 64), Bounds(5, 9, 40, 30)], 16),
        Regions.of_pixels(Extent(64, 112), [Bounds(0, 0, 64, 112), None, Bounds(1, 1, 1, 1)], 16),
        Regions.of_pixels(Extent(48, 48), [Bounds(20, 0, 28, 48)], 16),
    ]
    texts = [torch.randn(1, n, 48, generator=generator) for n in (7, 3, 5)]
    tokens = [torch.randn(1, item.count, 64, generator=generator) for item in documents]
    pooled = torch.randn(3, 24, generator=generator)
    times, guidance = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([1.0, 3.5, 4.0])
    alone = []
    for k, regions in enumerate(documents):
        own = slice(k, k + 1)
        conditions = Conditions(texts[k], pooled[own], times[own], guidance[own])
        packing = transformer.pack([regions], [texts[k].shape[1]])
        alone.append(transformer(tokens[k], packing, conditions))
    packing = transformer.pack(documents, [text.shape[1] for text in texts])
    conditions = Conditions(torch.cat(texts, 1), pooled, times, guidance)
    together = transformer(torch.cat(tokens, 1), packing, conditions)
    assert (together - torch.cat(alone, 1)).abs().max() < TOLERANCE


def test_checkpoint_of_another_network_is_refused():
    network = MultiLayerDecoder(64, 1)
    seed_module(network, 0)
    state = {key: value for key, value in network.state_dict().items() if "ln_2" not in key}
    with pytest.raises(MismatchedWeights, match="ln_2"):
        MultiLayerDecoder.from_published(state)
    with pytest.raises(MismatchedWeights, match="decoder"):
        MultiLayerDecoder.from_published({"x_embedder.weight": torch.zeros(2, 2)})


def test_patches_come_back_and_boxes_outside_are_refused():
    latents = torch.randn(3, 16, 8, 12)
    regions = Regions.of_pixels(Extent(96, 64), [Bounds(0, 0, 96, 64)] * 3, 16)
    tokens = regions.gather(patchify(latents))
    assert torch.equal(unpatchify(regions.scatter(tokens)), latents)
    with pytest.raises(InvalidRequest, match="no pixel"):
        Regions.of_pixels(Extent(96, 64), [Bounds(96, 0, 5, 5)], 16)


@torch.inference_mode()
def test_clean_tokens_are_modulated_by_time_zero(transformer):
    """All tokens clean is a pass at time 0; the text keeps the time, and so tells the two apart."""
    generator = torch.Generator().manual_seed(1)
    documents = [
        Regions.of_pixels(Extent(32, 48), [Bounds(0, 0, 32, 48), Bounds(0, 16, 16, 16)], 16),
        Regions.of_pixels(Extent(32, 32), [Bounds(0, 0, 32, 32)], 16),
    ]
    packing = transformer.pack(documents, [2, 1])
    tokens = torch.randn(1, sum(packing.image_lengths), 64, generator=generator)
    text, pooled = torch.randn(1, 3, 48, generator=generator), torch.randn(2, 24)
    conditions = Conditions(text, pooled, torch.tensor([0.8, 0.3]), torch.tensor([2.0, 3.0]))
    none = packing.with_clean(torch.zeros(tokens.shape[1], dtype=torch.bool))
    every = packing.with_clean(torch.ones(tokens.shape[1], dtype=torch.bool))
    plain = transformer(tokens, packing, conditions)
    assert (transformer(tokens, none, conditions) - plain).abs().max() < TOLERANCE
    assert (transformer(tokens, every, conditions) - plain).abs().max() > 0.01
    at_zero = Conditions(text, pooled, torch.zeros(2), conditions.guidance)
    expected = transformer(tokens, packing, at_zero)
    assert (transformer(tokens, every, at_zero) - expected).abs().max() < TOLERANCE
