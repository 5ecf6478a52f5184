"""What diffusers' SDXL pipelines can do, LayerDiffuse's can."""

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image
from sdxl_toys import LATENT, SIZE, load_networks, merged, pictures, quiet, seeds
from tiny_checkpoints import write_controlnet
from tiny_layerdiffuse import sdxl_attention_deltas, write_layerdiffuse
from tiny_single_files import write_ip_adapter, write_single_file

from layerstudio.models.transparent_vae import encode_rgba
from layerstudio.pipelines.layerdiffuse.sdxl import LayerDiffuseSDXLPipeline
from layerstudio.pipelines.steps import seeded_generators


@pytest.fixture(scope="module")
def controlnet(tmp_path_factory):
    folder = write_controlnet(tmp_path_factory.mktemp("control"), "sdxl")
    network = ControlNetModel.from_pretrained(folder)
    with torch.no_grad():  # at toy width, hardly anything of the picture would come through
        network.controlnet_cond_embedding.conv_out.weight *= 1000
    return network


@pytest.mark.parametrize("varies", [False, True])
def test_a_controlnet_steers_as_in_diffusers(own, base, controlnet, varies):
    own.register_modules(controlnet=controlnet)
    kind = (
        StableDiffusionXLControlNetImg2ImgPipeline
        if varies
        else StableDiffusionXLControlNetPipeline
    )
    components = merged(base, sdxl_attention_deltas())
    oracle = quiet(kind(**components, controlnet=controlnet, add_watermarker=False))
    control, image = pictures(1, seed=4)[:, :3], pictures(1, seed=5)
    theirs = {"image": control}
    ours = {"control_image": control}
    if varies:
        start = encode_rgba(own.vae, own.transparency_encoder, image)
        theirs = {"image": start * own.vae.config.scaling_factor, "control_image": control}
        theirs |= {"strength": 0.5}
        ours |= {"image": image, "strength": 0.5}
    common = {**SIZE, "num_inference_steps": 4, "controlnet_conditioning_scale": 0.7}
    expected = oracle(
        "a", **theirs, **common, generator=seeds(1)[0], output_type="latent", guidance_scale=4.0
    ).images
    made = own(
        "a", **ours, **common, generator=seeds(1)[0], output_type="latent", guidance_scale=4.0
    )
    torch.testing.assert_close(made.latents, expected, rtol=0, atol=1e-5)


def test_a_control_picture_for_each_prompt_and_each_controlnet(tiny_sdxl, controlnet):
    pipeline = quiet(
        LayerDiffuseSDXLPipeline.from_pretrained(tiny_sdxl, controlnet=[controlnet, controlnet])
    )
    first, second = pictures(2, seed=4)[:, :3], pictures(1, seed=5)[:, :3]
    common = {**LATENT, "mode": "plain", "controlnet_conditioning_scale": [0.5, 0.3]}
    batch = pipeline(
        ["a", "b"], control_image=[first, second], **common, num_images_per_prompt=2,
        generator=seeded_generators(1, 4),
    )  # fmt: skip
    single = pipeline(
        "b", control_image=[first[1:], second], **common, generator=seeded_generators(4, 1)
    )
    torch.testing.assert_close(batch.latents[3:], single.latents, rtol=0, atol=1e-4)
    other = pipeline("b", control_image=[first[:1], second], **common, generator=seeds(4))
    assert (other.latents - single.latents).abs().max() > 2e-3


def test_an_ip_adapter_shows_as_in_diffusers(own, tiny_sdxl, tmp_path):
    write_ip_adapter(tmp_path, "sdxl")
    theirs = quiet(StableDiffusionXLPipeline.from_pretrained(tiny_sdxl, add_watermarker=False))
    style = Image.fromarray(np.full((64, 64, 3), (200, 30, 60), np.uint8))
    for pipeline in (own, theirs):
        pipeline.load_ip_adapter(
            tmp_path, subfolder="sdxl_models", weight_name="ip-adapter_sdxl_vit-h.safetensors",
            image_encoder_folder="models/image_encoder", local_files_only=True,
        )  # fmt: skip
    common = {**SIZE, "num_inference_steps": 2, "output_type": "latent", "guidance_scale": 5.0}
    expected = theirs("a", **common, ip_adapter_image=style, generator=seeds(1)[0]).images
    made = own("a", mode="plain", **common, ip_adapter_image=style, generator=seeds(1)[0])
    assert torch.equal(made.latents, expected)
    patched = own("a", mode="transparent", **common, ip_adapter_image=style, generator=seeds(1)[0])
    assert not torch.equal(patched.latents, expected)


def test_a_lora_stays_when_layerdiffuse_goes(own, tiny_sdxl, tmp_path):
    """The published LoRA stands for a user's own."""
    write_layerdiffuse(tmp_path, "diffuser_layer_xl_transparent_attn.safetensors")
    lora = {"weight_name": "diffuser_layer_xl_transparent_attn.safetensors"}
    theirs = quiet(StableDiffusionXLPipeline.from_pretrained(tiny_sdxl, add_watermarker=False))
    common = {**SIZE, "num_inference_steps": 2, "output_type": "latent", "guidance_scale": 5.0}
    common |= {"cross_attention_kwargs": {"scale": 0.5}}
    for pipeline in (theirs, own):
        pipeline.load_lora_weights(tmp_path, **lora, local_files_only=True)
    expected = theirs("a", **common, generator=seeds(1)[0]).images
    both = own("a", mode="transparent", **common, generator=seeds(1)[0]).latents
    assert not torch.equal(both, expected)
    own.unload_layerdiffuse()
    assert torch.equal(own("a", mode="plain", **common, generator=seeds(1)[0]).latents, expected)


def test_a_single_file_as_base(base, tiny_sdxl, tmp_path):
    path = write_single_file(tmp_path, "sdxl")
    pipeline = quiet(LayerDiffuseSDXLPipeline.from_single_file(str(path), config=str(tiny_sdxl)))
    load_networks(pipeline)
    made = pipeline("a", **LATENT, generator=seeds(1)[0])
    oracle = quiet(StableDiffusionXLPipeline(**merged(base, sdxl_attention_deltas())))
    expected = oracle(
        "a", **SIZE, num_inference_steps=3, generator=seeds(1)[0], output_type="latent"
    )
    torch.testing.assert_close(made.latents, expected.images, rtol=0, atol=1e-5)


@pytest.mark.parametrize("guidance", [1.0, 6.0])
def test_options_of_diffusers_reach_the_sampler(shared, base, guidance):
    common = {**SIZE, "num_inference_steps": 3, "guidance_scale": guidance, "clip_skip": 1}
    common |= {"guidance_rescale": 0.7, "prompt_2": "b", "original_size": (200, 300)}
    theirs = base("a", **common, generator=seeds(1)[0], output_type="latent").images
    ours = shared("a", mode="plain", **common, generator=seeds(1)[0], output_type="latent").latents
    assert torch.equal(ours, theirs)


def test_embeddings_instead_of_prompts(shared, base):
    positive, negative, pooled, negative_pooled = base.encode_prompt("a", negative_prompt="b")
    given = {
        "prompt_embeds": positive,
        "negative_prompt_embeds": negative,
        "pooled_prompt_embeds": pooled,
        "negative_pooled_prompt_embeds": negative_pooled,
    }
    by_embeds = shared(mode="transparent", **LATENT, **given, generator=seeds(1)[0]).latents
    by_text = shared(
        "a", mode="transparent", negative_prompt="b", **LATENT, generator=seeds(1)[0]
    ).latents
    assert torch.equal(by_embeds, by_text)


def test_a_long_prompt_is_read_to_its_end(shared):
    def run(text):
        return shared(text, mode="transparent", **LATENT, generator=seeds(1)[0]).latents

    assert not torch.equal(run("red rope, " * 20), run("red rope, " * 19 + "blue rope, "))


def test_callbacks_may_change_latents_and_stop(shared):
    def blank(pipeline, step, timestep, tensors):
        assert tensors.keys() == {"prompt_embeds"}
        pipeline._interrupt = step == 1
        return {"latents": torch.zeros(1, 4, 8, 16)}

    made = shared(
        "a", mode="plain", **LATENT, callback_on_step_end=blank,
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
    )  # fmt: skip
    assert not made.latents.any()
