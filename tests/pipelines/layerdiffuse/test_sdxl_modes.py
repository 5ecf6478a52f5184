"""LayerDiffuse on a toy SDXL, against diffusers' own pipelines on a UNet patched by hand."""

import numpy as np
import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image
from sdxl_toys import (
    CONDITIONAL,
    FAST,
    LATENT,
    MAKES,
    SIZE,
    by_hand,
    merged,
    pictures,
    quiet,
    seeds,
)
from tiny_layerdiffuse import sdxl_attention_deltas, sdxl_deltas, write_layerdiffuse

from layerstudio.models.transparent_vae import decode_rgba, encode_rgba
from layerstudio.pipelines.layerdiffuse.conditions import condition_latents
from layerstudio.pipelines.layerdiffuse.karras import sigmas_of_run, timestep_of
from layerstudio.pipelines.steps import seeded_generators
from layerstudio.pipelines.vae_steps import decode_rgb

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
