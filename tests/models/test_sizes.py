"""Every number of ``sizes`` counted again at full size, and on toys that really run."""

from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from full_size import network

from layerstudio.geometry import Bounds, Extent
from layerstudio.models.memory import activation_peak, bytes_on, largest_leaf, parameter_count
from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.models.multilayer_dit import Conditions, MultiLayerTransformer
from layerstudio.models.packing import Packing, Rows
from layerstudio.models.regions import Regions
from layerstudio.models.sizes import (
    FAMILIES,
    MULTILAYER,
    MULTILAYER_DECODER,
    TRANSPARENCY_DECODER,
    Network,
    denoise_values,
    layer_decoder_values,
    transparency_values,
    vae_values,
)
from layerstudio.models.transparent_networks import TransparencyDecoder

torch.set_num_threads(1)
HALF = 2  # bytes


def meta(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def step(family: str, model: torch.nn.Module, batch: int, width: int, height: int) -> int:
    """Bytes at the peak of one step of a full-size denoiser."""
    h, w = height // 8, width // 8
    if family == "flux":
        tokens = h * w // 4
        inputs = {
            "hidden_states": meta(batch, tokens, 64),
            "encoder_hidden_states": meta(batch, 512, 4096),
            "pooled_projections": meta(batch, 768),
            "timestep": meta(batch),
            "guidance": meta(batch),
            "img_ids": meta(tokens, 3),
            "txt_ids": meta(512, 3),
        }
    else:
        inputs = {"sample": meta(batch, 4, h, w), "timestep": meta(1)}
        inputs["encoder_hidden_states"] = meta(batch, 77, model.config.cross_attention_dim)
        more = {"text_embeds": meta(batch, 1280), "time_ids": meta(batch, 6)}
        inputs["added_cond_kwargs"] = more if family == "sdxl" else None
    return activation_peak(lambda: model(**inputs))


@pytest.mark.parametrize("family", FAMILIES)
def test_denoiser(family):
    model = network(family)
    sizes = FAMILIES[family]
    assert sizes.denoiser == Network(parameter_count(model), largest_leaf(model))
    runs = {"sd15": [(2, 512, 512), (1, 2048, 1024)], "sdxl": [(2, 1024, 768)]}
    for batch, width, height in runs.get(family, [(1, 2048, 1024)]):
        counted = step(family, model, batch, width, height)
        estimate = HALF * denoise_values(sizes, width, height, batch)
        assert counted <= estimate <= 1.05 * counted


def test_text_encoders():
    tokens = {"clip-l": 77, "clip-g": 77, "t5": 512}
    counted, values = {}, {}
    for name, length in tokens.items():
        model = network(name)
        ids = torch.zeros(1, length, dtype=torch.long, device="meta")
        run = {"output_hidden_states": True} if name != "t5" else {}
        values[name] = activation_peak(lambda m=model, i=ids, r=run: m(i, **r)) / HALF
        counted[name] = Network(parameter_count(model), largest_leaf(model))
    for family, names in {
        "sdxl": ("clip-l", "clip-g"), "sd15": ("clip-l",), "flux": ("clip-l", "t5"),
    }.items():  # fmt: skip
        sizes = FAMILIES[family]
        assert sizes.encoders == tuple(counted[name] for name in names)
        assert sizes.encode_values == pytest.approx(max(values[n] for n in names), rel=0.01)


@pytest.mark.parametrize(("name", "channels"), [("vae", 4), ("vae16", 16)])
def test_autoencoder(name, channels):
    vae = network(name)
    families = {"vae": ("sdxl", "sd15"), "vae16": ("flux",)}[name]
    for family in families:
        assert FAMILIES[family].vae == Network(parameter_count(vae), largest_leaf(vae))
    decoded = activation_peak(lambda: vae.decode(meta(2, channels, 96, 64)))
    estimate = HALF * vae_values(512, 768, 2)
    assert decoded <= estimate <= 1.02 * decoded
    assert activation_peak(lambda: vae.encode(meta(2, 3, 768, 512))) <= estimate


def test_tiled_decode():
    vae = network("vae")
    vae.enable_tiling()
    vae.tile_sample_min_size, vae.tile_latent_min_size = 512, 64
    decoded = activation_peak(lambda: vae.decode(meta(1, 4, 96, 80)))
    estimate = HALF * vae_values(640, 768, 1, tile=512)
    assert decoded <= estimate <= 1.1 * decoded


def test_transparency_decoder():
    with torch.device("meta"):
        decoder = TransparencyDecoder().to(torch.bfloat16)
    assert Network(parameter_count(decoder), largest_leaf(decoder)) == TRANSPARENCY_DECODER
    counted = activation_peak(lambda: decoder(meta(4, 3, 768, 512), meta(4, 4, 96, 64)))
    estimate = HALF * transparency_values(512, 768, at_once=4)
    assert counted <= estimate <= 1.01 * counted


def test_layers_at_once():
    """With two rows of modulation, as a layer's own prompt or a given layer makes them."""
    with torch.device("meta"):
        denoiser = MultiLayerTransformer().to(torch.bfloat16)
        decoder = MultiLayerDecoder().to(torch.bfloat16)
    assert MULTILAYER.denoiser == Network(parameter_count(denoiser), largest_leaf(denoiser))
    assert Network(parameter_count(decoder), largest_leaf(decoder)) == MULTILAYER_DECODER
    whole = Bounds(0, 0, 32, 32)
    regions = Regions(whole.extent, (whole, whole, Bounds(4, 4, 16, 8)))
    documents = [regions, regions.only(2)]
    tokens = sum(item.count for item in documents)
    packing = Packing.of(documents, [512, 512], (16, 56, 56))
    packing = replace(
        packing,
        layers=packing.layers.to("meta"),
        tables=tuple(table.to("meta") for table in packing.tables),
        rows=Rows(*(rows.to("meta") for rows in packing.rows)),
    )
    conditions = Conditions(meta(1, 1024, 4096), meta(2, 768), meta(2), meta(2))
    counted = activation_peak(lambda: denoiser(meta(1, tokens, 64), packing, conditions))
    estimate = HALF * denoise_values(MULTILAYER, 512, 512, 1, tokens + 512)
    assert counted <= estimate <= 1.02 * counted
    fine = Regions(Extent(64, 64), tuple(Bounds(*(2 * v for v in box)) for box in regions.boxes))
    counted = activation_peak(lambda: decoder(meta(fine.count, 16), fine))
    assert counted <= HALF * layer_decoder_values(regions.count) <= 1.02 * counted


def toy_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        block_out_channels=(8, 16), cross_attention_dim=8, norm_num_groups=4, layers_per_block=1,
        attention_head_dim=2, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip


def toy_vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip


def allocated_peak(run) -> int:
    """The peak of what PyTorch's own profiler sees allocated on the CPU."""
    kinds = [torch.profiler.ProfilerActivity.CPU]
    with (
        torch.no_grad(),
        torch.profiler.profile(activities=kinds, profile_memory=True) as profile,
    ):
        run()
    live = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    return peak


@pytest.mark.parametrize("kind", ["unet", "vae"])
def test_what_is_counted_on_meta_is_what_a_run_allocates(kind):
    model = toy_unet() if kind == "unet" else toy_vae()
    model.eval()

    def run_on(device: str) -> None:
        model.to(device)
        latents = torch.empty(2, 4, 32, 48, device=device)
        if kind == "unet":
            latents = torch.zeros_like(latents)
            model(latents, 1, torch.zeros(2, 7, 8, device=device))
        else:
            model.decode(latents)

    allocated = allocated_peak(lambda: run_on("cpu"))
    counted = activation_peak(lambda: run_on("cpu"))
    on_meta = activation_peak(lambda: run_on("meta"))
    assert counted == pytest.approx(allocated, rel=0.1)
    assert on_meta == pytest.approx(allocated, rel=0.1)


def test_bytes_are_counted_with_buffers_and_by_their_type():
    module = torch.nn.BatchNorm1d(5)  # two parameters, two buffers of 5, a counter of 8 bytes
    assert bytes_on("cpu", module) == 4 * 5 * 4 + 8
    assert bytes_on("cpu", module.half(), module) == 2 * (4 * 5 * 2 + 8)
    assert bytes_on("meta", module) == 0
