"""SD 1.5 with attention sharing, through diffusers' own loading and sampling, at toy size."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    StableDiffusionPipeline,
)
from sharing_runs import DECODER, QUICK, STATES, latents_of, opened, picture, seeds

from layerstudio.document import Role
from layerstudio.errors import (
    InvalidRequest,
)
from layerstudio.models.transparent_vae import decode_rgba
from layerstudio.pipelines.layerdiffuse.sd15 import LayerDiffuseSD15Pipeline


@pytest.fixture(scope="module")
def loaded(tiny_sd15: Path) -> LayerDiffuseSD15Pipeline:
    return opened(tiny_sd15)


@pytest.fixture
def pipeline(loaded: LayerDiffuseSD15Pipeline) -> LayerDiffuseSD15Pipeline:
    """With the weights of one frame."""
    loaded.load_layerdiffuse(STATES["fg"], "fg", decoder=DECODER)
    return loaded


def test_transparent_frames_go_through_the_transparency_decoder_and_others_do_not(loaded):
    loaded.load_layerdiffuse(STATES["joint"], "joint", decoder=DECODER)
    made = loaded(["a ball", "a cube"], **{**QUICK, "width": 100, "height": 72}, output_type="pt")
    assert list(made.frames) == ["foreground", "background", "blended"]
    assert made.frames["foreground"].shape == (2, 4, 72, 100)
    assert made.frames["background"].shape == made.frames["blended"].shape == (2, 3, 72, 100)
    assert made.images is made.frames["foreground"]
    assert made.latents.shape == (6, 4, 16, 16)  # padded to 128 x 128
    unscaled = made.latents / loaded.vae.config.scaling_factor
    with torch.no_grad():
        foreground = decode_rgba(loaded.vae, loaded.transparency_decoder, unscaled[::3], augment=1)
        others = (loaded.vae.decode(unscaled).sample / 2 + 0.5).clamp(0, 1)
    middle = (..., slice(28, 100), slice(14, 114))
    torch.testing.assert_close(made.frames["foreground"], foreground[middle])
    torch.testing.assert_close(made.frames["background"], others[1::3][middle])
    torch.testing.assert_close(made.frames["blended"], others[2::3][middle])


def test_documents_hold_the_layers_and_the_blend_as_reference(loaded):
    loaded.load_layerdiffuse(STATES["fg2bg"], "fg2bg")
    given = picture(1, 60, 76)
    made = loaded("a beach", foreground=[given], **QUICK | {"height": None, "width": None})
    assert made.images[0].size == (76, 60) and made.images[0].mode == "RGB"
    (document,) = made.documents
    roles = [layer.role for layer in document.layers]
    assert roles[:2] == [Role.BACKGROUND, Role.OBJECT] and not document.layers[2].visible
    foreground = np.asarray(document.layers[1].pixels)
    assert np.abs(foreground / 255 - given).max() < 0.6 / 255


@pytest.mark.parametrize(
    "scheduler", [DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler]
)
def test_a_batch_is_what_its_pictures_are_alone(loaded, scheduler, monkeypatch):
    monkeypatch.setattr(loaded, "scheduler", scheduler.from_config(loaded.scheduler.config))
    loaded.load_layerdiffuse(STATES["joint"], "joint")
    both = latents_of(
        loaded,
        ["a ball", "a cube"],
        background_prompt=["a meadow", "a street"],
        negative_prompt=["bad", "ugly"],
        generator=seeds(3, 4),
    )
    for index, (text, behind, not_) in enumerate(
        [("a ball", "a meadow", "bad"), ("a cube", "a street", "ugly")]
    ):
        generator = torch.Generator().manual_seed(3 + index)
        alone = latents_of(
            loaded, text, background_prompt=behind, negative_prompt=not_, generator=generator
        )
        torch.testing.assert_close(both[3 * index : 3 * index + 3], alone, rtol=0, atol=1e-4)


def test_pictures_of_one_prompt_follow_each_other(loaded):
    loaded.load_layerdiffuse(STATES["bg2fg"], "bg2fg")
    texts, behind = ["a ball", "a cube"], [picture(2), picture(3)]
    repeated = [text for text in texts for _ in range(2)]
    each = [one for one in behind for _ in range(2)]
    listed = latents_of(loaded, repeated, background=each, generator=seeds(*range(4)))
    options = {"num_images_per_prompt": 2}
    counted = latents_of(loaded, texts, background=each, generator=seeds(*range(4)), **options)
    torch.testing.assert_close(listed, counted, rtol=0, atol=1e-4)
    by_prompt = latents_of(loaded, texts, background=behind, generator=seeds(*range(4)), **options)
    torch.testing.assert_close(listed, by_prompt, rtol=0, atol=1e-4)


def test_each_frame_follows_its_own_prompt(loaded):
    loaded.load_layerdiffuse(STATES["joint"], "joint")
    options = {"generator": torch.Generator().manual_seed(1)}
    same = latents_of(loaded, "a ball", **options)
    options["generator"].manual_seed(1)
    own = latents_of(loaded, "a ball", background_prompt="green meadow", **options)
    changed = (same - own).abs().amax(dim=(1, 2, 3))
    assert changed[1] > 1e-3 and changed[1] > changed[0] and changed[1] > changed[2]


def test_long_prompts_of_unequal_length_go_together(loaded):
    loaded.load_layerdiffuse(STATES["joint"], "joint")
    texts = {"background_prompt": "a very long walk " * 40, "negative_prompt": "bad"}
    one = latents_of(loaded, "a ball", generator=seeds(1), **texts)
    texts["background_prompt"] += "in the rain"
    assert (one - latents_of(loaded, "a ball", generator=seeds(1), **texts)).abs().max() > 1e-4


def test_embeddings_given_as_rows_are_the_prompts(pipeline):
    from layerstudio.pipelines.prompts import encode_sd15

    embeds = encode_sd15(pipeline, ["a ball", "a cube"], "bad").as_arguments()
    given = latents_of(pipeline, **embeds, generator=seeds(1, 2))
    text = latents_of(pipeline, ["a ball", "a cube"], negative_prompt="bad", generator=seeds(1, 2))
    torch.testing.assert_close(given, text, rtol=0, atol=1e-5)


def test_strength_0_is_diffusers_own_pipeline(pipeline):
    pipeline.set_layerdiffuse_strength(0.0)
    found = latents_of(pipeline, "a ball", generator=torch.Generator().manual_seed(1))
    parts = {
        k: v for k, v in pipeline.components.items() if "transp" not in k and k != "controlnet"
    }
    plain = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    plain.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 2, "height": 64, "width": 64, "guidance_scale": 7.0}
    expected = plain("a ball", output_type="latent", generator=seeds(1), **options).images
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    pipeline.set_layerdiffuse_strength(1.0)
    assert (latents_of(pipeline, "a ball", generator=seeds(1)) - expected).abs().max() > 1e-2


def test_what_is_built_on_counts_for_every_picture(loaded):
    loaded.load_layerdiffuse(STATES["fg2bg"], "fg2bg")
    one = latents_of(loaded, ["x", "x"], foreground=picture(1), generator=seeds(1, 1))
    torch.testing.assert_close(one[:2], one[2:], rtol=0, atol=1e-4)
    two = latents_of(loaded, ["x", "x"], foreground=[picture(1), picture(2)], generator=seeds(1, 1))
    torch.testing.assert_close(two[:2], one[:2], rtol=0, atol=1e-4)
    assert (two[2:] - one[2:]).abs().max() > 1e-3


def test_progress_goes_on_while_decoding_and_the_users_callback_may_change_latents(pipeline):
    fractions = []

    def halve(pipe, step, timestep, tensors):
        assert set(tensors) == {"latents", "prompt_embeds"}
        return {"latents": tensors["latents"] * 0}

    made = pipeline(
        "a ball",
        **QUICK,
        callback_on_step_end=halve,
        callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
        progress=lambda one: fractions.append(one.fraction),
    )
    assert not made.latents.any()
    assert fractions == sorted(fractions) and fractions[-1] == 1 and len(fractions) > 3


def test_lora_counts_with_the_scale_of_the_call(pipeline):
    from peft import LoraConfig

    def run(scale: float | None = None) -> torch.Tensor:
        options = {} if scale is None else {"cross_attention_kwargs": {"scale": scale}}
        return latents_of(pipeline, "a ball", generator=seeds(1), **options)

    plain = run()
    pipeline.unet.add_adapter(
        LoraConfig(r=2, init_lora_weights=False, target_modules=["to_q", "to_v", "to_out.0"])
    )
    try:
        whole, half, none = run(), run(0.5), run(0.0)
    finally:
        pipeline.unload_lora_weights()
    torch.testing.assert_close(none, plain, rtol=0, atol=1e-4)
    assert 1e-3 < (half - plain).abs().max() < (whole - plain).abs().max()
    torch.testing.assert_close(run(), plain, rtol=0, atol=0)


def test_controlnet_steers_all_frames(tiny_sd15, tmp_path, loaded, monkeypatch):
    from diffusers import ControlNetModel
    from tiny_checkpoints import write_controlnet

    loaded.load_layerdiffuse(STATES["joint"], "joint")
    text = "a ball"
    plain = latents_of(loaded, text, generator=seeds(1))
    with pytest.raises(InvalidRequest, match="needs a ControlNet"):
        latents_of(loaded, text, control_image=picture(1))
    net = ControlNetModel.from_pretrained(write_controlnet(tmp_path, "sd15"))
    loaded.register_modules(controlnet=net)
    try:
        steered = latents_of(loaded, text, generator=seeds(1), control_image=picture(1))
        off = latents_of(
            loaded,
            text,
            generator=seeds(1),
            control_image=picture(1),
            controlnet_conditioning_scale=0.0,
        )
        pair = latents_of(
            loaded, [text] * 2, generator=seeds(1, 1), control_image=[picture(2), picture(1)]
        )
    finally:
        loaded.register_modules(controlnet=None)
    torch.testing.assert_close(off, plain, rtol=0, atol=1e-5)
    assert ((steered - plain).abs().amax(dim=(1, 2, 3)) > 1e-3).all()
    torch.testing.assert_close(pair[3:], steered, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def ip_adapter(tmp_path_factory) -> Path:
    from tiny_single_files import write_ip_adapter

    folder = tmp_path_factory.mktemp("ip_adapter")
    write_ip_adapter(folder, "sd15")
    return folder


@pytest.mark.parametrize("masked", [False, True])
def test_ip_adapter_works_as_in_diffusers(tiny_sd15, ip_adapter, masked):
    """Three frames without any of LayerDiffuse's change are three pictures of diffusers'."""
    call = {"num_inference_steps": 2, "height": 64, "width": 64, "guidance_scale": 7.0}
    call |= {"ip_adapter_image": [(picture(1)[..., :3] * 255).astype(np.uint8)]}
    if masked:
        left = (torch.arange(64) < 24).float().expand(1, 1, 64, 64)
        call["cross_attention_kwargs"] = {"ip_adapter_masks": [left]}
    made = {}
    for kind in (StableDiffusionPipeline, LayerDiffuseSD15Pipeline):
        pipeline = kind.from_pretrained(tiny_sd15)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.load_ip_adapter(ip_adapter, "models", "ip-adapter_sd15.safetensors")
        pipeline.set_ip_adapter_scale(0.8)
        own = {"num_images_per_prompt": 3, "generator": seeds(1) * 3}
        if kind is LayerDiffuseSD15Pipeline:
            pipeline.load_layerdiffuse(STATES["joint"], "joint", strength=0.0)
            own = {"generator": seeds(1)}
        before = dict(pipeline.unet.attn_processors)
        output = pipeline("a ball", output_type="latent", **call, **own)
        made[kind] = getattr(output, "latents", output.images)
        after = pipeline.unet.attn_processors
        assert all(after[name] is processor for name, processor in before.items())
    expected, found = made.values()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    pipeline.set_ip_adapter_scale(0.0)
    without = pipeline("a ball", output_type="latent", **call, generator=seeds(1)).latents
    assert (without - found).abs().max() > 1e-3


def test_pipeline_is_saved_and_loaded_with_its_decoder(pipeline, tmp_path):
    made = pipeline("a ball", **QUICK, generator=seeds(1), output_type="np").images
    pipeline.save_pretrained(tmp_path)
    again = LayerDiffuseSD15Pipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    again.load_layerdiffuse(STATES["fg"], "fg")
    found = again("a ball", **QUICK, generator=seeds(1), output_type="np").images
    np.testing.assert_allclose(found, made, rtol=0, atol=1e-5)


def test_a_plain_pipeline_becomes_one_of_ours_and_takes_textual_inversion(tiny_sd15, pipeline):
    plain = StableDiffusionPipeline.from_pretrained(tiny_sd15, scheduler=pipeline.scheduler)
    found = LayerDiffuseSD15Pipeline.from_pipe(plain)
    found.set_progress_bar_config(disable=True)
    found.load_layerdiffuse(STATES["fg"], "fg")
    text = "a <thing>"
    before = latents_of(found, text, generator=seeds(1))
    torch.testing.assert_close(before, latents_of(pipeline, text, generator=seeds(1)))
    found.load_textual_inversion({"<thing>": torch.ones(2, 16)}, token="<thing>")
    assert (latents_of(found, text, generator=seeds(1)) - before).abs().max() > 1e-3


def test_single_file_checkpoints_load(tiny_sd15, tmp_path, pipeline):
    from tiny_single_files import write_single_file

    path = write_single_file(tmp_path, "sd15")
    found = LayerDiffuseSD15Pipeline.from_single_file(path, config=str(tiny_sd15))
    found.scheduler = pipeline.scheduler
    found.set_progress_bar_config(disable=True)
    found.load_layerdiffuse(STATES["fg"], "fg")
    torch.testing.assert_close(
        latents_of(found, "a ball", generator=seeds(1)),
        latents_of(pipeline, "a ball", generator=seeds(1)),
        rtol=0,
        atol=1e-5,
    )


def test_what_the_safety_checker_objects_to_is_empty(pipeline, monkeypatch):
    """The real checker with concepts that it finds in every picture."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    small |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 16}
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=small, projection_dim=16))
    checker.concept_embeds_weights.data.fill_(-2)
    reader = CLIPImageProcessor(size=32, crop_size=32)
    pipeline.register_modules(safety_checker=checker, feature_extractor=reader)
    try:
        made = pipeline("a ball", **QUICK, output_type="np").images
    finally:
        pipeline.register_modules(safety_checker=None, feature_extractor=None)
    assert not made.any()
