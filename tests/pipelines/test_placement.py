"""What a machine is taken to have, and a real (tiny) pipeline set up by a plan."""

from dataclasses import replace

import pytest
import torch
from accelerate.hooks import CpuOffload, add_hook_to_module
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from tiny_checkpoints import CLIP_G_WIDTH, CLIP_WIDTH, tiny_clip, tiny_unet, tiny_vae

from layerstudio.errors import InvalidRequest, OutOfMemory
from layerstudio.geometry import Extent
from layerstudio.machine import free_memory
from layerstudio.models.attention_processors import DispatchedAttnProcessor
from layerstudio.models.memory import bytes_on
from layerstudio.pipelines.placement import apply, free_now, sizes_of
from layerstudio.pipelines.preflight import TILE, Free, Needs, Plan, plan
from layerstudio.pipelines.runtime import Runtime

FLOAT = Runtime(dtype="float32")


@pytest.fixture
def pipe() -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline(
        vae=tiny_vae("sdxl"),
        text_encoder=tiny_clip(CLIP_WIDTH),
        text_encoder_2=tiny_clip(CLIP_G_WIDTH, projected=True),
        tokenizer=None,
        tokenizer_2=None,
        unet=tiny_unet("sdxl"),
        scheduler=EulerDiscreteScheduler(),
        add_watermarker=False,
    )


def planned(device: str = "cpu", **runtime) -> Plan:
    free = Free(device=device, device_bytes=2**50, host_bytes=2**50)
    found = plan(Needs(family="sdxl", extent=Extent(1024, 1024)), free)
    return replace(found, runtime=replace(found.runtime, **runtime))


def test_what_is_free_here():
    free = free_now(Runtime(device="cpu", attention="flash"))
    assert (free.device, free.device_bytes, free.attention) == ("cpu", None, "flash")
    assert free.host_bytes == pytest.approx(free_memory(), rel=0.2)


@pytest.mark.parametrize("device", ["cuda:99", "toaster", "cuda:-3"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(InvalidRequest, match="There is no"):
        free_now(Runtime(device=device))


def test_sizes_of_a_pipeline_are_those_of_its_networks(pipe):
    sizes = sizes_of(pipe, "sdxl")
    float_bytes = [4 * n.parameters for n in (*sizes.encoders, sizes.denoiser, sizes.vae)]
    modules = (pipe.text_encoder, pipe.text_encoder_2, pipe.unet, pipe.vae)
    assert sum(float_bytes) == pytest.approx(bytes_on("cpu", *modules), rel=0.01)
    assert 0 < sizes.denoiser.largest_layer < sizes.denoiser.parameters
    needs = Needs(family="sdxl", extent=Extent(64, 64), augment=0, sizes=sizes)
    assert plan(needs, Free(host_bytes=2**30)).runtime.dtype == "float32"


def test_precision_decoding_and_attention_are_set(pipe, caplog):
    apply(planned(dtype="bfloat16", vae_tiling=True, attention="flash"), pipe)
    assert pipe.unet.dtype == pipe.vae.dtype == pipe.text_encoder.dtype == torch.bfloat16
    assert pipe.vae.use_tiling
    assert (pipe.vae.tile_sample_min_size, pipe.vae.tile_latent_min_size) == (TILE, TILE // 8)
    processors = {*pipe.unet.attn_processors.values(), *pipe.vae.attn_processors.values()}
    assert {type(p) for p in processors} == {DispatchedAttnProcessor}
    assert {p.backend for p in processors} == {"flash"}
    apply(planned(), pipe)
    assert not caplog.records
    assert not pipe.vae.use_tiling
    assert pipe.unet.dtype == torch.float32


def test_weights_that_are_loaded_are_not_needed_twice(pipe):
    sizes = sizes_of(pipe, "sdxl")
    weights = bytes_on("cpu", pipe.text_encoder, pipe.text_encoder_2, pipe.unet, pipe.vae)
    assert (sizes.held_in_memory, sizes.held_on_device) == (weights, 0)
    needs = Needs(family="sdxl", extent=Extent(64, 64), augment=0, sizes=sizes)
    peak = plan(needs, Free(host_bytes=2**40)).runtime.peak_bytes
    barely = Free(host_bytes=int((peak - weights) / 0.95) + weights // 10)
    assert plan(needs, barely).runtime.dtype == "float32"
    with pytest.raises(OutOfMemory):
        plan(replace(needs, sizes=replace(sizes, held_in_memory=0)), barely, FLOAT)


def test_hooks_of_an_earlier_plan_go(pipe):
    add_hook_to_module(pipe.unet, CpuOffload(execution_device="cpu"))
    apply(planned(), pipe)
    assert not hasattr(pipe.unet, "_hf_hook")


def test_pictures_larger_than_a_tile_are_decoded_in_tiles(pipe):
    """diffusers' own tile is as large as SDXL's whole picture."""
    latents = torch.randn(1, 4, 8, 72, generator=torch.Generator().manual_seed(0))
    apply(planned(vae_tiling=True), pipe)
    with torch.no_grad():
        tiled = pipe.vae.decode(latents).sample
        apply(planned(), pipe)
        whole = pipe.vae.decode(latents).sample
    assert tiled.shape == whole.shape == (1, 3, 64, 576)
    assert not torch.equal(tiled, whole)


@pytest.mark.parametrize(
    ("offload", "method"),
    [("model", "enable_model_cpu_offload"), ("sequential", "enable_sequential_cpu_offload")],
)
def test_offloading_goes_to_the_planned_device(offload, method, pipe, monkeypatch):
    seen = []
    monkeypatch.setattr(pipe, method, lambda device: seen.append(device))
    apply(planned("cuda:1", offload=offload, dtype="float32"), pipe)
    assert seen == [torch.device("cuda:1")]
    assert pipe.unet.device.type == "cpu"


@pytest.mark.gpu
@pytest.mark.parametrize("offload", ["none", "model", "sequential"])
def test_gpu_every_way_of_offloading_gives_the_same_picture(offload, pipe):
    inputs = {
        "prompt_embeds": torch.randn(1, 77, CLIP_WIDTH + CLIP_G_WIDTH),
        "pooled_prompt_embeds": torch.randn(1, CLIP_G_WIDTH),
        "guidance_scale": 1.0,
        "num_inference_steps": 2,
        "height": 64,
        "width": 64,
        "output_type": "np",
    }
    expected = pipe(**inputs, generator=torch.Generator().manual_seed(3)).images
    apply(planned("cuda", offload=offload, dtype="float32"), pipe)
    inputs |= {k: v.cuda() for k, v in inputs.items() if isinstance(v, torch.Tensor)}
    found = pipe(**inputs, generator=torch.Generator().manual_seed(3)).images
    assert abs(found - expected).max() < 2e-3
