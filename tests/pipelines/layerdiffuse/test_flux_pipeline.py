"""LayerDiffuse on a toy FLUX: equal to diffusers' own sampling, and what diffusers' lacks."""

import numpy as np
import pytest
import torch
from diffusers import (
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxImg2ImgPipeline,
    FluxPipeline,
)
from PIL import Image
from tiny_checkpoints import write_controlnet
from tiny_layerdiffuse import flux_lora, write_layerdiffuse
from tiny_single_files import write_ip_adapter

from layerstudio.errors import (
    Cancelled,
    InvalidRequest,
    MismatchedWeights,
    MissingWeights,
    NumericalFailure,
    UnreadableFile,
)
from layerstudio.models.transparent_vae import decode_rgba, encode_rgba
from layerstudio.pipelines.layerdiffuse.flux import LayerDiffuseFluxPipeline
from layerstudio.pipelines.steps import seeded_generators
from layerstudio.progress import CancelToken

SIZE = {"width": 128, "height": 64}
STYLE = {key: -2 * value.roll(1, 0) for key, value in flux_lora().items()}
FAST = {"num_inference_steps": 3, "augment": 1}


@pytest.fixture(scope="session")
def flux_files(tmp_path_factory):
    """The two published files."""
    folder = tmp_path_factory.mktemp("flux")
    return (
        write_layerdiffuse(folder, "layerlora.safetensors"),
        write_layerdiffuse(folder, "TransparentVAE.pth"),
    )


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def bare(tiny_flux):
    """Without LayerDiffuse's files, and free to be changed."""
    return quiet(LayerDiffuseFluxPipeline.from_pretrained(tiny_flux))


@pytest.fixture
def own(bare, flux_files):
    """With them, and free to be changed."""
    bare.load_layerdiffuse(*flux_files)
    return bare


@pytest.fixture(scope="module")
def flux(tiny_flux, flux_files):
    """The one that most tests share."""
    pipeline = quiet(LayerDiffuseFluxPipeline.from_pretrained(tiny_flux))
    pipeline.load_layerdiffuse(*flux_files)
    return pipeline


@pytest.fixture(scope="module")
def plain(tiny_flux):
    """Diffusers' own pipeline with the published LoRA."""
    pipeline = quiet(FluxPipeline.from_pretrained(tiny_flux))
    pipeline.load_lora_weights(flux_lora())
    return pipeline


@pytest.fixture(scope="module")
def control(tmp_path_factory, one_thread):
    folder = write_controlnet(tmp_path_factory.mktemp("control"), "flux")
    return FluxControlNetModel.from_pretrained(folder)


@pytest.fixture
def steered(flux, control):
    flux.register_modules(controlnet=control)
    yield flux
    flux.register_modules(controlnet=None)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def latents_of(pipeline, prompt="a red fox", **options):
    options = {**SIZE, **FAST, "generator": seeded(), **options}
    return pipeline(prompt, output_type="latent", **options).latents


def unpacked(packed):
    return FluxPipeline._unpack_latents(packed, SIZE["height"], SIZE["width"], 8)


def picture(width, height, seed=0):
    """Colour noise with a soft disc of alpha."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(x - width / 2, y - height / 2) / (min(width, height) / 2)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4))
    pixels[..., 3] = 255 * np.clip(1.5 - 1.5 * distance, 0, 1)
    return Image.fromarray(pixels.astype(np.uint8))


def start_of(pipeline, source):
    """The latents of a picture, scaled as they are sampled."""
    rgba = torch.from_numpy(np.array(source)).movedim(-1, 0)[None] / 255
    encoded = encode_rgba(pipeline.vae, pipeline.transparency_encoder, rgba)
    return (encoded - pipeline.vae.config.shift_factor) * pipeline.vae.config.scaling_factor


class TestTextToLatents:
    def test_are_those_of_diffusers_with_the_lora(self, flux, plain):
        options = dict(num_inference_steps=3, guidance_scale=3.5, output_type="latent", **SIZE)
        options |= {"true_cfg_scale": 2.0, "negative_prompt": "grey", "prompt_2": "a fox in snow"}
        expected = plain("a red fox", generator=seeded(), **options).images
        found = flux("a red fox", generator=seeded(), **options)
        assert torch.equal(found.latents, unpacked(expected))
        assert found.images is found.latents and not found.documents

    def test_of_two_prompts_are_those_of_each(self, flux):
        prompts = ["a red fox", "a blue bird in a tree"]
        both = latents_of(flux, prompts, generator=seeded_generators(5, 2))
        for k, prompt in enumerate(prompts):
            alone = latents_of(flux, prompt, generator=seeded(5 + k))
            torch.testing.assert_close(both[k : k + 1], alone, atol=2e-5, rtol=0)

    def test_a_single_negative_text_is_said_of_every_prompt(self, flux):
        options = {"true_cfg_scale": 3.0, "generator": seeded_generators(0, 2)}
        one = latents_of(flux, ["a", "b"], negative_prompt="grey", **options)
        options["generator"] = seeded_generators(0, 2)
        two = latents_of(flux, ["a", "b"], negative_prompt=["grey", "grey"], **options)
        assert torch.equal(one, two)

    def test_callback_sees_and_changes_them(self, flux):
        steps = []

        def halve(pipeline, step, timestep, tensors):
            steps.append(step)
            return {"latents": tensors["latents"] / 2}

        changed = latents_of(flux, callback_on_step_end=halve)
        assert steps == [0, 1, 2]
        assert not torch.allclose(changed, latents_of(flux), atol=1e-2)


class TestPictures:
    def test_are_the_decoded_latents(self, flux):
        options = {**SIZE, **FAST, "augment": 8}
        found = flux(
            "a red fox", num_images_per_prompt=2, generator=seeded(), output_type="pt", **options
        )
        config = flux.vae.config
        unscaled = found.latents / config.scaling_factor + config.shift_factor
        expected = decode_rgba(flux.vae, flux.transparency_decoder, unscaled, augment=8)
        assert found.images.shape == (2, 4, 64, 128)
        torch.testing.assert_close(found.images, expected, atol=1e-6, rtol=0)
        assert found.images.std(dim=(0, 2, 3)).min() > 0.01

    @pytest.mark.parametrize("output_type", ["pil", "np", "pt"])
    def test_of_any_size_in_any_form(self, flux, output_type):
        found = flux("a fox", width=200, height=136, output_type=output_type, **FAST)
        document = found.documents[0]
        assert (document.extent.width, document.extent.height) == (200, 136)
        image = found.images[0]
        if output_type == "pil":
            assert (image.size, image.mode) == ((200, 136), "RGBA")
            layer = document.layers[0]
            assert np.array_equal(
                np.asarray(image)[layer.bounds.y, layer.bounds.x], layer.pixels[0, 0]
            )
        else:
            assert tuple(image.shape) == {"np": (136, 200, 4), "pt": (4, 136, 200)}[output_type]
        assert found.latents.shape == (1, 16, 24, 32)

    def test_are_previewed_and_reported(self, flux):
        seen, reports = [], []

        def preview(latents):
            seen.append(tuple(latents.shape))
            return np.zeros((4, 4, 3), np.uint8)

        flux("a fox", width=72, height=40, preview=preview, progress=reports.append, **FAST)
        assert seen == [(1, 16, 8, 16)] * 3
        fractions = [report.fraction for report in reports]
        assert fractions == sorted(fractions) and fractions[-1] == 1
        assert [report.preview is not None for report in reports[:4]] == [True] * 3 + [False]

    def test_in_bfloat16(self, tiny_flux, flux_files):
        options = {"dtype": torch.bfloat16}
        pipeline = quiet(LayerDiffuseFluxPipeline.from_pretrained(tiny_flux, **options))
        pipeline.load_layerdiffuse(*flux_files)
        found = pipeline("a fox", image=picture(128, 64), output_type="pt", **FAST)
        assert found.latents.dtype == torch.bfloat16 and found.images.isfinite().all()

    def test_as_a_tuple(self, flux):
        found = flux("a fox", return_dict=False, **SIZE, **FAST)
        assert found[0][0].size == (128, 64)


class TestImageToImage:
    def test_starts_from_the_encoded_picture(self, flux, plain):
        source = picture(128, 64)
        start = start_of(flux, source)
        inner = quiet(FluxImg2ImgPipeline(**plain.components))
        options = dict(strength=0.9, num_inference_steps=4, guidance_scale=7.0, **SIZE)
        expected = inner(
            "a fox", image=start, generator=seeded(), output_type="latent", **options
        ).images
        found = flux(
            "a fox", image=source, generator=seeded(), output_type="latent", **options
        ).latents
        torch.testing.assert_close(found, unpacked(expected), atol=1e-6, rtol=0)

    def test_low_strength_stays_near_the_picture(self, flux):
        sources = [picture(128, 64, seed) for seed in (1, 2)]
        start = torch.cat([start_of(flux, source) for source in sources])
        near, far = (
            latents_of(flux, image=sources, strength=strength, num_inference_steps=10)
            for strength in (0.1, 1.0)
        )
        assert (near - start).std() < 0.3 * (far - start).std()

    def test_pictures_go_with_their_prompts_and_seeds(self, flux):
        sources = [picture(128, 64, 1), picture(128, 64, 2)]
        prompts = ["a fox", "a bird"]
        options = {"strength": 0.6, "num_inference_steps": 4}
        many = latents_of(
            flux, prompts, image=sources, num_images_per_prompt=2,
            generator=seeded_generators(0, 4), **options,
        )  # fmt: skip
        for k in range(4):
            alone = latents_of(
                flux, prompts[k // 2], image=sources[k // 2], generator=seeded(k), **options
            )
            torch.testing.assert_close(many[k : k + 1], alone, atol=2e-5, rtol=0)

    def test_one_prompt_is_said_of_every_picture(self, flux):
        sources = [picture(128, 64, 1), picture(128, 64, 2)]
        found = latents_of(flux, "a fox", image=sources, generator=seeded_generators(0, 2))
        second = latents_of(flux, "a fox", image=sources[1], generator=seeded(1))
        torch.testing.assert_close(found[1:], second, atol=2e-5, rtol=0)

    def test_keeps_the_size_of_the_picture_or_takes_another(self, flux):
        source = picture(90, 70)
        assert flux("a fox", image=source, **FAST).images[0].size == (90, 70)
        assert flux("a fox", image=source, **SIZE, **FAST).images[0].size == (128, 64)


class TestControlNet:
    def test_steers_as_in_diffusers(self, steered, plain, control):
        inner = quiet(FluxControlNetPipeline(**plain.components, controlnet=control))
        hint = picture(128, 64).convert("RGB")
        options = dict(control_image=hint, num_inference_steps=3, guidance_scale=3.5, **SIZE)
        expected = inner("a fox", generator=seeded(), output_type="latent", **options).images
        found = steered("a fox", generator=seeded(), output_type="latent", **options).latents
        torch.testing.assert_close(found, unpacked(expected), atol=1e-6, rtol=0)
        free = latents_of(steered, "a fox")
        assert (found - free).abs().max() > 1e-2

    def test_steers_image_to_image(self, steered):
        source = picture(128, 64)
        options = {"image": source, "num_inference_steps": 10, "strength": 0.1}
        hinted = [
            latents_of(steered, control_image=picture(100, 70, seed), **options) for seed in (3, 4)
        ]
        far = latents_of(steered, control_image=picture(100, 70, 3), **options | {"strength": 1.0})
        start = start_of(steered, source)
        assert (hinted[0] - start).std() < 0.3 * (far - start).std()
        assert (hinted[0] - hinted[1]).abs().max() > 1e-3
        options |= {"negative_prompt": "grey", "true_cfg_scale": 2.0}
        with pytest.raises(InvalidRequest, match="takes no negative_prompt"):
            latents_of(steered, control_image=source, **options)

    def test_hint_is_padded_like_the_picture(self, steered, plain, control):
        """The middle of a 128 x 64 hint, and the hint of a 100 x 60 picture, are one."""
        hint = picture(100, 60).convert("RGB")
        padded = np.pad(np.asarray(hint), ((2, 2), (14, 14), (0, 0)), mode="edge")
        options = {"width": 100, "height": 60}
        found = latents_of(steered, control_image=hint, **options)
        expected = latents_of(steered, control_image=Image.fromarray(padded))
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)

    def test_of_two_steer_together(self, flux, plain, control):
        both = [control, control]
        double = quiet(LayerDiffuseFluxPipeline(**flux.components | {"controlnet": both}))
        theirs = FluxControlNetPipeline(**plain.components, controlnet=both)
        options = {
            "control_image": [picture(128, 64, seed).convert("RGB") for seed in (3, 4)],
            "controlnet_conditioning_scale": [0.5, 0.8],
            "num_inference_steps": 3,
            "guidance_scale": 3.5,
            **SIZE,
        }
        expected = quiet(theirs)("a", generator=seeded(), output_type="latent", **options).images
        found = latents_of(double, "a", **options)
        torch.testing.assert_close(found, unpacked(expected), atol=1e-6, rtol=0)

    def test_needs_one(self, flux):
        with pytest.raises(InvalidRequest, match="needs a ControlNet"):
            latents_of(flux, control_image=picture(128, 64))


class TestIPAdapter:
    def test_is_that_of_diffusers(self, own, tiny_flux, tmp_path):
        folder = write_ip_adapter(tmp_path, "flux").parent
        theirs = quiet(FluxPipeline.from_pretrained(tiny_flux))
        theirs.load_lora_weights(flux_lora())
        for pipeline in (own, theirs):
            pipeline.load_ip_adapter(
                str(folder),
                weight_name="ip_adapter.safetensors",
                image_encoder_pretrained_model_name_or_path=str(folder / "models/image_encoder"),
                image_encoder_dtype=torch.float32,
            )
        style = picture(40, 30).convert("RGB")
        options = {"ip_adapter_image": style, "num_inference_steps": 3, **SIZE}
        expected = theirs("a fox", generator=seeded(), output_type="latent", **options).images
        found = latents_of(own, "a fox", **options)
        torch.testing.assert_close(found, unpacked(expected), atol=1e-6, rtol=0)
        varied = [
            latents_of(own, image=picture(128, 64), ip_adapter_image=given)
            for given in (style, picture(40, 30, 9).convert("RGB"))
        ]
        assert (varied[0] - varied[1]).abs().max() > 1e-3


class TestWeights:
    def test_strength_none_is_the_base_and_half_is_between(self, own, flux_files, tiny_flux):
        base = unpacked(
            quiet(FluxPipeline.from_pretrained(tiny_flux))(
                "a red fox", num_inference_steps=3, generator=seeded(), output_type="latent", **SIZE
            ).images
        )
        full = latents_of(own)
        assert (full - base).abs().max() > 1e-2
        own.set_layerdiffuse_strength(0.0)
        assert torch.equal(latents_of(own), base)
        own.load_layerdiffuse(*flux_files, strength=0.5)
        half = latents_of(own)
        assert 0 < (half - base).norm() < (full - base).norm()
        own.unload_layerdiffuse()
        assert torch.equal(latents_of(own), base)
        with pytest.raises(MissingWeights, match="layerstudio models pull"):
            own("a fox", **SIZE)

    def test_another_lora_comes_beside_it(self, own):
        alone = latents_of(own)
        own.load_lora_weights(STYLE, adapter_name="style")
        both = latents_of(own)
        own.set_layerdiffuse_strength(0.0)
        assert (both - alone).abs().max() > 1e-3
        assert (both - latents_of(own)).abs().max() > 1e-3
        with pytest.raises(InvalidRequest, match="style"):
            own.save_pretrained("nowhere")
        own.set_layerdiffuse_strength(1.0)
        own.delete_adapters("style")
        torch.testing.assert_close(latents_of(own), alone, atol=1e-6, rtol=0)

    def test_come_beside_another_lora(self, own, tiny_flux, flux_files):
        own.load_lora_weights(STYLE, adapter_name="style")
        own.set_adapters(["layerdiffuse", "style"], [1.0, 0.7])
        other = quiet(LayerDiffuseFluxPipeline.from_pretrained(tiny_flux))
        other.load_lora_weights(STYLE, adapter_name="style")
        other.set_adapters(["style"], [0.7])
        styled = latents_of(other)
        other.load_layerdiffuse(*flux_files)
        torch.testing.assert_close(latents_of(other), latents_of(own), atol=1e-5, rtol=0)
        other.unload_layerdiffuse()
        torch.testing.assert_close(latents_of(other), styled, atol=1e-6, rtol=0)

    def test_saved_and_loaded_again(self, own, flux_files, tmp_path):
        own.load_layerdiffuse(*flux_files, strength=0.8)
        options = dict(generator=None, output_type="pt", **SIZE, **FAST)
        expected = own("a fox", **options | {"generator": seeded()})
        own.save_pretrained(tmp_path)
        again = quiet(LayerDiffuseFluxPipeline.from_pretrained(tmp_path))
        loaded = again.transformer.state_dict()
        assert all(torch.equal(loaded[key], x) for key, x in own.transformer.state_dict().items())
        found = own("a fox", **options | {"generator": seeded()})
        torch.testing.assert_close(found.images, expected.images, atol=1e-6, rtol=0)
        # On an AMD EPYC equal weights that lie elsewhere in memory give 4.4e-6: other kernels run.
        found = again("a fox", **options | {"generator": seeded()})
        torch.testing.assert_close(found.images, expected.images, atol=4e-5, rtol=0)

    def test_alphas_of_the_file_count_and_are_saved(self, own, flux_files, tmp_path):
        """Of rank 4, so alpha 2 is half the strength."""
        own.set_layerdiffuse_strength(0.5)
        expected = latents_of(own)
        state = flux_lora()
        ends = [key for key in state if key.endswith(".lora_A.weight")]
        state |= {key.replace("lora_A.weight", "alpha"): torch.tensor(2.0) for key in ends}
        own.load_layerdiffuse(state, flux_files[1])
        torch.testing.assert_close(latents_of(own), expected, atol=1e-6, rtol=0)
        own.save_pretrained(tmp_path)
        again = quiet(LayerDiffuseFluxPipeline.from_pretrained(tmp_path))
        torch.testing.assert_close(latents_of(again), expected, atol=1e-6, rtol=0)

    def test_of_something_else_are_named(self, bare, flux_files, tmp_path):
        lora, vae = flux_files
        other_lora = write_layerdiffuse(tmp_path, "diffuser_layer_xl_transparent_attn.safetensors")
        other_vae = write_layerdiffuse(tmp_path, "vae_transparent_decoder.safetensors")
        for pair in ((other_lora, vae), (vae, vae), (lora, lora), (lora, other_vae)):
            with pytest.raises(MismatchedWeights) as error:
                bare.load_layerdiffuse(*pair)
            assert "It looks like" in str(error.value)
        with pytest.raises(UnreadableFile):
            bare.load_layerdiffuse(tmp_path / "none.safetensors", vae)
        assert bare.transparency_decoder is None
        assert not hasattr(bare.transformer, "peft_config")

    def test_lora_of_a_wider_network_is_refused(self, bare, flux_files, tmp_path):
        from safetensors.torch import save_file

        wide = {key: torch.cat([value, value], -1) for key, value in flux_lora().items()}
        save_file(wide, tmp_path / "wide.safetensors")
        with pytest.raises(MismatchedWeights, match=r"to_q\.lora_A\.weight is 4 x 64 instead of 4"):
            bare.load_layerdiffuse(tmp_path / "wide.safetensors", flux_files[1])


class TestBadInput:
    def test_numbers_that_are_none(self, flux):
        packed = torch.full((1, 4 * 8, 64), float("nan"))
        with pytest.raises(NumericalFailure):
            latents_of(flux, latents=packed)

    def test_cancelled_in_the_middle(self, flux):
        cancel, seen = CancelToken(), []

        def watch(report):
            seen.append(report.fraction)
            if len(seen) == 2:
                cancel.cancel()

        with pytest.raises(Cancelled):
            latents_of(flux, num_inference_steps=5, progress=watch, cancel=cancel)
        assert len(seen) == 2 and 0 < seen[0] < seen[1] < 0.5
        assert latents_of(flux).isfinite().all()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"prompt": "word " * 10_000}, "tokens long"),
            ({"prompt": None}, "no prompt"),
            ({"prompt": []}, "0 entries"),
            ({"prompt": ["a", "b"], "prompt_2": ["a"]}, "prompt_2 has 1 entries for 2"),
            ({"width": 0}, None),
            ({"width": 100_000}, "width"),
            ({"strength": 0.0}, "strength"),
            ({"strength": 1.5}, "strength"),
            ({"num_inference_steps": 0}, "num_inference_steps"),
            ({"num_images_per_prompt": 0}, "num_images_per_prompt"),
            ({"generator": [torch.Generator()] * 2}, "2 generators do not go with 1"),
            ({"prompt": ["a", "b"], "image": [picture(64, 64)] * 3}, "3 pictures"),
            ({"image": "a file"}, "no picture"),
            ({"augment": 3}, None),
            ({"negative_prompt": "grey"}, "true_cfg_scale"),
            ({"output_type": "png"}, "output type"),
            ({"speed": 3}, "takes no speed"),
        ],
    )
    def test_is_refused_in_a_sentence(self, flux, options, message):
        options = {"prompt": "a fox", **SIZE, **FAST, **options}
        with pytest.raises(InvalidRequest, match=message):
            flux(**options)
