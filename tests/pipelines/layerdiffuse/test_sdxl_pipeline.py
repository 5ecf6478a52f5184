"""LayerDiffuse on a toy SDXL, against diffusers' own pipelines on a UNet patched by hand."""

import copy

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from tiny_checkpoints import write_controlnet
from tiny_layerdiffuse import FILES, sdxl_attention_deltas, sdxl_deltas, write_layerdiffuse
from tiny_single_files import write_ip_adapter, write_single_file

from layerstudio.errors import (
    Cancelled,
    InvalidRequest,
    MismatchedWeights,
    MissingWeights,
    NumericalFailure,
)
from layerstudio.models.transparent_vae import decode_rgba, encode_rgba
from layerstudio.pipelines.layerdiffuse.conditions import condition_latents
from layerstudio.pipelines.layerdiffuse.karras import sigmas_of_run, timestep_of
from layerstudio.pipelines.layerdiffuse.sdxl import LayerDiffuseSDXLPipeline
from layerstudio.pipelines.steps import seeded_generators
from layerstudio.pipelines.vae_steps import decode_rgb
from layerstudio.progress import CancelToken

SIZE = {"width": 128, "height": 64}
FAST = {"num_inference_steps": 3, "augment": 1}
LATENT = {**SIZE, **FAST, "output_type": "latent"}
# The order of the published weights' input channels, after the noisy latents.
CONDITIONAL = {
    "fg2ble": ["foreground"],
    "bg2ble": ["background"],
    "fgble2bg": ["foreground", "blended"],
    "bgble2fg": ["background", "blended"],
}
MAKES = {"fg2ble": "blended", "bg2ble": "blended", "fgble2bg": "background"}


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_networks(pipeline):
    pipeline.load_layerdiffuse(
        sdxl_attention_deltas(),
        decoder=FILES["vae_transparent_decoder.safetensors"](),
        encoder=FILES["vae_transparent_encoder.safetensors"](),
    )
    return pipeline


@pytest.fixture(scope="module")
def base(tiny_sdxl):
    """Diffusers' own, never changed."""
    return quiet(StableDiffusionXLPipeline.from_pretrained(tiny_sdxl, add_watermarker=False))


@pytest.fixture
def bare(base):
    """Without LayerDiffuse's files; its UNet is free to be changed."""
    return quiet(LayerDiffuseSDXLPipeline(**{**base.components, "unet": copy.deepcopy(base.unet)}))


@pytest.fixture
def own(bare):
    """With the files of transparent pictures, free to be changed."""
    return load_networks(bare)


@pytest.fixture(scope="module")
def shared(tiny_sdxl):
    """With all files, not to be changed: a test that fails half way may leave a condition."""
    pipeline = load_networks(quiet(LayerDiffuseSDXLPipeline.from_pretrained(tiny_sdxl)))
    for mode in CONDITIONAL:
        pipeline.load_layerdiffuse(sdxl_deltas(mode), mode)
    return pipeline


def seeds(*numbers):
    return [torch.Generator().manual_seed(number) for number in numbers]


def pictures(count: int, width: int = 128, height: int = 64, seed: int = 0) -> torch.Tensor:
    """(count, 4, h, w) with soft shapes and all of alpha's range."""
    small = torch.rand(count, 4, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(small, (height, width), mode="bilinear")


def by_hand(unet: UNet2DConditionModel, deltas: dict[str, torch.Tensor]) -> UNet2DConditionModel:
    """A copy with the changes added, its first convolution as wide as they are."""
    channels = deltas.get("conv_in.weight", torch.empty(0, 4)).shape[1]
    wide = UNet2DConditionModel.from_config({**unet.config, "in_channels": channels}).eval()
    state = {key: value.clone() for key, value in unet.state_dict().items()}
    extra = channels - state["conv_in.weight"].shape[1]
    state["conv_in.weight"] = torch.nn.functional.pad(state["conv_in.weight"], (0,) * 5 + (extra,))
    for key, delta in deltas.items():
        state[key] += delta.float()
    wide.load_state_dict(state)
    return wide


def merged(base, deltas) -> dict:
    """The components of ``base`` with a UNet patched by hand."""
    return {**base.components, "unet": by_hand(base.unet, deltas)}


# ----------------------------------------------------------------------------------- one mode each


def test_text_to_rgba_is_diffusers_sampling_and_the_transparency_decoder(shared, base):
    arguments = {**SIZE, "num_inference_steps": 3, "guidance_scale": 5.0, "negative_prompt": "blue"}
    oracle = quiet(StableDiffusionXLPipeline(**merged(base, sdxl_attention_deltas())))
    latents = oracle("a red rope", **arguments, generator=seeds(1)[0], output_type="latent").images
    made = shared(
        "a red rope", mode="transparent", **arguments, generator=seeds(1)[0], output_type="pt",
        augment=2,
    )  # fmt: skip
    torch.testing.assert_close(made.latents, latents, rtol=0, atol=1e-5)
    scale = shared.vae.config.scaling_factor
    rgba = decode_rgba(shared.vae, shared.transparency_decoder, made.latents / scale, augment=2)
    torch.testing.assert_close(made.images, rgba)
    assert made.images.shape == (1, 4, 64, 128)
    assert made.documents[0].extent == (128, 64)


@pytest.mark.parametrize("name", ["conv", "attn-lora", "attn-forge"])
def test_other_files_of_transparent_pictures(bare, base, tmp_path, name):
    file = {
        "conv": "layer_xl_transparent_conv.safetensors",
        "attn-lora": "diffuser_layer_xl_transparent_attn.safetensors",
        "attn-forge": "layer_xl_transparent_attn.safetensors",
    }[name]
    deltas = sdxl_deltas("conv") if name == "conv" else sdxl_attention_deltas()
    bare.load_layerdiffuse(write_layerdiffuse(tmp_path, file))
    oracle = quiet(StableDiffusionXLPipeline(**merged(base, deltas)))
    theirs = oracle("a", **SIZE, num_inference_steps=2, generator=seeds(1)[0], output_type="latent")
    ours = bare("a", **{**LATENT, "num_inference_steps": 2}, generator=seeds(1)[0])
    # Factors multiplied in float32 are not the rounded products.
    torch.testing.assert_close(ours.latents, theirs.images, rtol=0, atol=2e-2)
    plain = base("a", **SIZE, num_inference_steps=2, generator=seeds(1)[0], output_type="latent")
    assert (ours.latents - plain.images).abs().max() > 0.2


def test_a_picture_is_varied_as_diffusers_varies_its_latents(shared, base):
    image = pictures(2)
    components = merged(base, sdxl_attention_deltas())
    oracle = quiet(StableDiffusionXLImg2ImgPipeline(**components, add_watermarker=False))
    start = encode_rgba(shared.vae, shared.transparency_encoder, image)
    latents = oracle(
        ["a", "b"],
        image=start * shared.vae.config.scaling_factor,
        strength=0.6,
        num_inference_steps=5,
        generator=seeds(1, 2),
        output_type="latent",
    ).images
    made = shared(
        ["a", "b"], mode="transparent", image=image, strength=0.6, num_inference_steps=5,
        generator=seeds(1, 2), output_type="latent",
    )  # fmt: skip
    torch.testing.assert_close(made.latents, latents, rtol=0, atol=1e-5)


def test_strength_0_gives_the_picture_back(shared):
    image = pictures(1)
    start = encode_rgba(shared.vae, shared.transparency_encoder, image)
    made = shared(
        "a", mode="transparent", image=image, strength=0.0, num_inference_steps=4,
        output_type="latent",
    )  # fmt: skip
    assert torch.equal(made.latents, start * shared.vae.config.scaling_factor)


@pytest.mark.parametrize(
    ("mode", "share"), [("fg2ble", 1.0), ("bg2ble", 0.25), ("fgble2bg", None), ("bgble2fg", 1.0)]
)
def test_conditional_modes_step_by_step(shared, base, mode, share):
    """Euler's method by hand: the widened UNet first, the base's after the ending step."""
    given = {frame: pictures(1, seed=seed) for seed, frame in enumerate(CONDITIONAL[mode], start=1)}
    made = shared(
        "a red rope", mode=mode, **given, ending_step=share, num_inference_steps=4,
        negative_prompt="b", guidance_scale=3.0, generator=seeds(7)[0], augment=1, output_type="pt",
    )  # fmt: skip

    wide = by_hand(base.unet, sdxl_deltas(mode))
    condition = condition_latents(base.vae, list(given.values()))
    scheduler = EulerDiscreteScheduler.from_config(base.scheduler.config)
    scheduler.set_timesteps(4)
    positive, negative, pooled, negative_pooled = base.encode_prompt(
        "a red rope", negative_prompt="b"
    )
    x = torch.randn(1, 4, 8, 16, generator=seeds(7)[0]) * scheduler.init_noise_sigma
    added = {
        "text_embeds": torch.cat([negative_pooled, pooled]),
        "time_ids": torch.tensor([[64.0, 128, 0, 0, 64, 128]] * 2),
    }
    for index, timestep in enumerate(scheduler.timesteps):
        doubled = scheduler.scale_model_input(torch.cat([x] * 2), timestep)
        patched = index < round(4 * (0.5 if share is None else share))
        fed = torch.cat([doubled, condition.repeat(2, 1, 1, 1)], dim=1) if patched else doubled
        unet = wide if patched else base.unet
        with torch.no_grad():
            answer = unet(
                fed, timestep, torch.cat([negative, positive]), added_cond_kwargs=added
            ).sample
        without, with_text = answer.chunk(2)
        x = scheduler.step(without + 3.0 * (with_text - without), timestep, x).prev_sample
    torch.testing.assert_close(made.latents, x, rtol=0, atol=2e-5)

    if mode == "bgble2fg":
        scale = base.vae.config.scaling_factor
        expected = decode_rgba(
            shared.vae, shared.transparency_decoder, made.latents / scale, augment=1
        )
    else:
        expected = decode_rgb(base.vae, made.latents)
    torch.testing.assert_close(made.images, expected)
    assert made.frames.keys() == {MAKES.get(mode, "foreground")}
    names = [layer.name for layer in made.documents[0].children]
    assert ("Foreground" in names) == ("fg" in mode or "foreground" in given)


def test_the_base_model_goes_on_as_it_was(shared, base):
    theirs = base("a", **SIZE, num_inference_steps=3, generator=seeds(1)[0], output_type="latent")
    ours = shared("a", mode="plain", **LATENT, generator=seeds(1)[0], guidance_scale=5.0)
    assert torch.equal(ours.latents, theirs.images)
    again = shared("a", mode="transparent", **LATENT, generator=seeds(1)[0])
    assert not torch.equal(again.latents, ours.latents)


# ------------------------------------------------------------------------------------- ending step


def test_an_ending_step_holds_for_one_call(shared):
    def run(share):
        return shared(
            "a", mode="transparent", **LATENT, ending_step=share, generator=seeds(3)[0]
        ).latents

    whole, half, none = run(1.0), run(0.5), run(0.0)
    assert not torch.equal(whole, half)
    plain = shared("a", mode="plain", **LATENT, generator=seeds(3)[0]).latents
    assert torch.equal(none, plain)
    assert torch.equal(run(1.0), whole)


def test_a_second_order_step_is_not_cut_in_two(own):
    """Heun calls the network twice a step but for the last: 2 of 4 steps are 4 of 7 calls."""
    own.scheduler = HeunDiscreteScheduler.from_config(own.scheduler.config)
    weight = own.unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_q.weight
    seen = []
    hook = own.unet.register_forward_hook(lambda *_: seen.append(weight.detach().clone()))
    own("a", **{**LATENT, "num_inference_steps": 4}, ending_step=0.5)
    hook.remove()
    assert [torch.equal(seen[0], one) for one in seen] == [True] * 4 + [False] * 3


# ------------------------------------------------------------------------------------ batch, sizes


def test_a_batch_is_its_pictures_one_by_one(shared):
    arguments = {
        "mode": "fg2ble", "num_inference_steps": 3, "output_type": "pt", "negative_prompt": "b",
    }  # fmt: skip
    given = [pictures(1, seed=1), pictures(1, seed=2)]
    prompts = ["a red rope", "blue, " * 30]
    batch = shared(
        prompts, foreground=given, **arguments, num_images_per_prompt=2,
        generator=seeded_generators(5, 4),
    )  # fmt: skip
    assert len(batch.documents) == 4
    for index in range(4):
        prompt, picture = prompts[index // 2], given[index // 2]
        single = shared(
            prompt, foreground=picture, **arguments, generator=seeded_generators(5 + index, 1)
        )
        # A prompt's place in a batch with a longer one is filled with an empty piece.
        if index > 1:
            torch.testing.assert_close(batch.images[index], single.images[0], rtol=0, atol=1e-4)
            shown = batch.documents[index].children[0].pixels
            assert np.array_equal(shown, single.documents[0].children[0].pixels)
    assert (batch.images[0] - batch.images[1]).abs().max() > 0.05


def test_two_prompts_are_two_single_runs(shared):
    arguments = {**SIZE, **FAST, "mode": "transparent", "output_type": "pt"}
    batch = shared(["a red rope", "blue"], **arguments, seed=5)
    for index, prompt in enumerate(["a red rope", "blue"]):
        single = shared(prompt, **arguments, generator=torch.Generator().manual_seed(5 + index))
        torch.testing.assert_close(batch.images[index], single.images[0], rtol=0, atol=1e-4)


def test_any_size_is_the_middle_of_the_next_one_that_works(shared):
    arguments = {**FAST, "mode": "transparent", "output_type": "np"}
    odd = shared("a", width=200, height=136, **arguments, generator=seeds(1)[0])
    whole = shared("a", width=256, height=192, **arguments, generator=seeds(1)[0])
    assert odd.images.shape == (1, 136, 200, 4)
    assert np.array_equal(odd.images[0], whole.images[0, 28:164, 28:228])
    assert odd.documents[0].extent == (200, 136)


def test_the_size_is_that_of_the_picture(shared):
    given = Image.new("RGBA", (100, 70), (200, 30, 40, 128))
    made = shared("a", mode="fg2ble", foreground=given, num_inference_steps=1)
    assert made.images[0].size == (100, 70)
    assert made.images[0].mode == "RGB"
    other = shared("a", mode="fg2ble", foreground=given, width=65, height=33, num_inference_steps=1)
    assert other.images[0].size == (65, 33)


# ------------------------------------------------------------------------------------------ parity


def test_parity_samples_as_the_published_script(shared, base):
    seen = []
    hook = shared.unet.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append((args, kwargs)), with_kwargs=True
    )
    made = shared(
        "a red rope", mode="transparent", **SIZE, negative_prompt="blue", num_inference_steps=3,
        guidance_scale=7.0, parity="cli", generator=seeds(1)[0], augment=1, output_type="np",
    )  # fmt: skip
    hook.remove()
    assert len(seen) == 6  # positive and negative apart
    steps = [timestep_of(sigma) for sigma in sigmas_of_run(3)[:-1] for _ in range(2)]
    assert [int(args[1]) for args, _ in seen] == steps
    positive, negative, *_ = base.encode_prompt("a red rope", negative_prompt="blue")
    for index, (args, kwargs) in enumerate(seen):
        assert torch.equal(kwargs["encoder_hidden_states"], (positive, negative)[index % 2])
        assert kwargs["added_cond_kwargs"]["time_ids"].tolist() == [[64, 128, 0, 0, 64, 128]]
        assert args[0].shape == (1, 4, 8, 16)
    pooled = seen[0][1]["added_cond_kwargs"]["text_embeds"]
    projected = base.text_encoder_2.text_projection(pooled)
    torch.testing.assert_close(projected, base.encode_prompt("a red rope")[2], rtol=1e-5, atol=1e-5)
    noise = torch.randn(1, 4, 8, 16, generator=seeds(1)[0])
    first = noise * 14.6146 / (14.6146**2 + 1) ** 0.5
    torch.testing.assert_close(seen[0][0][0], first, rtol=1e-4, atol=1e-4)
    levels = made.images * 255
    assert np.abs(levels - np.round(levels)).max() < 1e-4  # cut to 8 bits, not rounded later


def test_parity_of_image_to_image_takes_all_steps(shared):
    calls = []
    made = shared(
        "a", mode="transparent", image=pictures(1), strength=0.5, num_inference_steps=4,
        parity="cli", generator=seeds(1)[0], output_type="latent",
        callback_on_step_end=lambda _, step, t, tensors: calls.append(step) or {},
    )  # fmt: skip
    assert calls == [0, 1, 2, 3]
    assert made.latents.shape == (1, 4, 8, 16)


# --------------------------------------------------------------------------- what diffusers can do


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


# -------------------------------------------------------------------------------- weights come, go


def test_unloaded_it_is_the_base_bit_for_bit(own, base, tmp_path):
    for mode in CONDITIONAL:
        own.load_layerdiffuse(sdxl_deltas(mode), mode)
    own("a", mode="fgble2bg", foreground=pictures(1), blended=pictures(1), num_inference_steps=2)
    own.unload_layerdiffuse()
    for key, value in base.unet.state_dict().items():
        assert torch.equal(value, own.unet.state_dict()[key]), key
    assert type(own.unet.conv_in) is type(base.unet.conv_in)
    theirs = base("a", **SIZE, num_inference_steps=3, generator=seeds(1)[0], output_type="np")
    ours = own("a", mode="plain", **SIZE, **FAST, generator=seeds(1)[0], output_type="np")
    assert np.array_equal(ours.images, theirs.images)
    with pytest.raises(MissingWeights, match="not loaded"):
        own("a", **SIZE)


def test_one_mode_is_unloaded_or_replaced_and_the_others_stay(own):
    own.load_layerdiffuse(sdxl_deltas("fg2ble"), "fg2ble")
    before = own("a", mode="transparent", **LATENT, seed=1).latents
    own.load_layerdiffuse(sdxl_deltas("conv"))
    other = own("a", mode="transparent", **LATENT, seed=1).latents
    assert not torch.equal(other, before)
    own.unload_layerdiffuse("fg2ble")
    assert torch.equal(own("a", **LATENT, seed=1).latents, other)
    with pytest.raises(MissingWeights, match="fg2ble"):
        own("a", mode="fg2ble", foreground=pictures(1))
    own.load_layerdiffuse(sdxl_attention_deltas())
    assert torch.equal(own("a", **LATENT, seed=1).latents, before)


def test_strength_scales_the_weights(own, base):
    def run(pipeline, **options):
        return pipeline("a", **LATENT, **options, generator=seeds(1)[0]).latents

    whole = run(own)
    own.set_layerdiffuse_strength(0.0)
    assert torch.equal(run(own), run(own, mode="plain"))
    own.set_layerdiffuse_strength(1.0)
    assert torch.equal(run(own), whole)


def test_saved_without_the_patch_and_loaded_with_the_networks(own, base, tmp_path):
    before = own("a", **LATENT, generator=seeds(1)[0]).latents
    own.save_pretrained(tmp_path)
    assert torch.equal(own("a", **LATENT, generator=seeds(1)[0]).latents, before)
    loaded = quiet(LayerDiffuseSDXLPipeline.from_pretrained(tmp_path))
    for key, value in base.unet.state_dict().items():
        assert torch.equal(value, loaded.unet.state_dict()[key]), key
    for name in ("transparency_encoder", "transparency_decoder"):
        for key, value in getattr(own, name).state_dict().items():
            assert torch.equal(value, getattr(loaded, name).state_dict()[key]), key
    loaded.load_layerdiffuse(sdxl_attention_deltas())
    assert torch.equal(loaded("a", **LATENT, generator=seeds(1)[0]).latents, before)


def test_pipelines_made_of_one_another_share_weights(own, base):
    other = quiet(LayerDiffuseSDXLPipeline.from_pipe(own))
    expected = own("a", **LATENT, generator=seeds(1)[0]).latents
    assert torch.equal(other("a", **LATENT, generator=seeds(1)[0]).latents, expected)
    assert other.transparency_decoder is own.transparency_decoder
    other.unload_layerdiffuse()
    for key, value in base.unet.state_dict().items():
        assert torch.equal(value, own.unet.state_dict()[key]), key
    assert LayerDiffuseSDXLPipeline.from_pipe(base).transparency_decoder is None


# ------------------------------------------------------------------------------------- going wrong


@pytest.mark.parametrize(
    ("state", "mode", "message"),
    [
        ("layer_sd15_joint.safetensors", "transparent", "attention sharing|does not fit|no patch"),
        ("vae_transparent_decoder.safetensors", "transparent", "transparency decoder"),
        ("layer_xl_fg2ble.safetensors", "fgble2bg", "takes 4 channels"),
        ("layer_xl_fg2ble.safetensors", "transparent", "takes 4 channels"),
        ("layer_xl_transparent_attn.safetensors", "bg2ble", "takes 0 channels"),
    ],
)
def test_a_wrong_file_is_named_and_changes_nothing(shared, state, mode, message):
    before = shared("a", mode="transparent", **LATENT, generator=seeds(1)[0]).latents
    with pytest.raises(MismatchedWeights, match=message):
        shared.load_layerdiffuse(FILES[state](), mode)
    after = shared("a", mode="transparent", **LATENT, generator=seeds(1)[0]).latents
    assert torch.equal(after, before)


BAD = {
    "no prompt": ({"prompt": None}, "no prompt"),
    "width 0": ({"width": 0}, "width must be 16"),
    "height 100,000": ({"height": 100_000}, "height must be 16"),
    "width 3.5": ({"width": 64.5}, "width must be 16"),
    "mode": ({"mode": "joint"}, "no LayerDiffuse mode 'joint'"),
    "output": ({"output_type": "gif"}, "no output type"),
    "steps": ({"num_inference_steps": 0}, "number of steps"),
    "strength": ({"strength": 1.5}, "strength lies between"),
    "ending step": ({"ending_step": -0.1}, "ending step lies between"),
    "augment": ({"augment": 3}, "1, 2, 4 or 8"),
    "guidance": ({"guidance_scale": float("nan")}, "guidance"),
    "parity": ({"parity": "exact"}, 'Parity is "cli"'),
    "option": ({"guidence": 3}, "takes no guidence"),
    "foreground": ({"foreground": pictures(1)}, "no use for a foreground"),
    "no condition": ({"mode": "fgble2bg", "foreground": pictures(1)}, "starts from a blended"),
    "three pictures": ({"prompt": ["a", "b"], "image": pictures(3)}, "do not go with 2 prompts"),
    "generators": ({"generator": seeds(1, 2)}, "2 generators do not go with 1"),
    "seed and generator": ({"seed": 1, "generator": seeds(1)}, "either a seed or"),
    "parity callback": (
        {"parity": "cli", "callback_on_step_end": lambda *_: {},
         "callback_on_step_end_tensor_inputs": ["add_time_ids"]}, "latents only",
    ),
    "latents": ({"latents": torch.zeros(1, 4, 8, 8)}, "Latents of shape"),
    "control": ({"control_image": pictures(1)}, "needs a ControlNet"),
    "not a picture": ({"image": "a.png"}, "no picture"),
    "parity mode": ({"mode": "plain", "parity": "cli"}, "transparent pictures only"),
    "parity option": ({"parity": "cli", "eta": 1.0}, "there is no eta"),
    "long": ({"prompt": "rope " * 10_000}, "10,000 words"),
    "negatives": ({"prompt": ["a", "b"], "negative_prompt": ["c"]}, "1 prompts belong to 2"),
    "text and embeds": (
        {"prompt": None, "negative_prompt": "b", "prompt_embeds": torch.zeros(1, 77, 48),
         "pooled_prompt_embeds": torch.zeros(1, 32)}, "not as both",
    ),
    "half the embeds": ({"prompt": None, "prompt_embeds": torch.zeros(1, 77, 48)}, "together"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_a_sentence(shared, bad):
    options, message = bad
    with pytest.raises(InvalidRequest, match=message):
        shared(**{"prompt": "a", "mode": "transparent", **SIZE, **FAST, **options})


def test_missing_networks_are_named_before_sampling(bare):
    bare.load_layerdiffuse(sdxl_attention_deltas())
    with pytest.raises(MissingWeights, match="transparency decoder"):
        bare("a", **SIZE)
    with pytest.raises(MissingWeights, match="transparency encoder"):
        bare("a", **SIZE, image=pictures(1), output_type="latent")
    with pytest.raises(MissingWeights, match="fg2ble"):
        bare("a", **SIZE, mode="fg2ble", foreground=pictures(1))


def test_cancelled_in_the_middle_it_can_be_used_again(shared):
    arguments = {"mode": "fg2ble", "foreground": pictures(1), "num_inference_steps": 4}
    expected = shared("a", **arguments, generator=seeds(1)[0], output_type="latent").latents
    cancel, seen = CancelToken(), []

    def watch(report):
        seen.append(report)
        if len(seen) == 3:
            cancel.cancel()

    with pytest.raises(Cancelled):
        shared("a", **arguments, progress=watch, cancel=cancel)
    assert len(seen) == 3
    again = shared("a", **arguments, generator=seeds(1)[0], output_type="latent").latents
    assert torch.equal(again, expected)


def test_progress_rises_and_shows_previews(shared):
    seen = []
    shared(
        "a", mode="transparent", **SIZE, **FAST, progress=seen.append,
        preview=lambda latents: np.full((2, 4, 3), int(latents.shape[0]), np.uint8),
    )  # fmt: skip
    fractions = [report.fraction for report in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    stages = [report.stage for report in seen]
    assert stages[:4] == ["encoding", "sampling", "sampling", "sampling"]
    assert set(stages[4:]) == {"decoding"}
    assert seen[1].preview is not None
    assert (seen[1].preview == 1).all()


def test_latents_that_are_not_numbers_end_the_run(shared):
    latents = torch.full((1, 4, 8, 16), float("nan"))
    with pytest.raises(NumericalFailure, match="latents"):
        shared("a", mode="transparent", **SIZE, **FAST, latents=latents)
