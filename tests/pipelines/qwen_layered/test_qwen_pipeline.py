"""The layered pipeline against diffusers' own, and where that is wrong against itself."""

import diffusers.pipelines.qwenimage.pipeline_qwenimage_layered as published
import numpy as np
import pytest
import torch
from diffusers import QwenImageLayeredPipeline
from PIL import Image

from layerstudio import Cancelled, CancelToken, InvalidRequest
from layerstudio.errors import NumericalFailure
from layerstudio.pipelines.embedding_cache import EMBEDDINGS
from layerstudio.pipelines.qwen_layered import decoding
from layerstudio.pipelines.qwen_layered.pipeline import LayeredPipeline

FEW = {"num_inference_steps": 2, "negative_prompt": " ", "layers": 3}
PROMPTS = ["a cat", "a long story about a dog and its hat"]


@pytest.fixture(scope="module")
def pipeline(qwen_folder):
    ready = LayeredPipeline.from_pretrained(qwen_folder, dtype=torch.float32)
    ready.set_progress_bar_config(disable=True)
    return ready


@pytest.fixture
def oracle(pipeline, monkeypatch):
    """Diffusers' pipeline on the same networks, its bucket made 64."""
    sizes = published.calculate_dimensions
    monkeypatch.setattr(
        published, "calculate_dimensions", lambda area, ratio: sizes(64 * 64, ratio)
    )
    ready = QwenImageLayeredPipeline(**pipeline.components)
    ready.set_progress_bar_config(disable=True)
    return ready


def picture(seed=0, size=(90, 50)):
    pixels = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 4), np.uint8)
    pixels[..., 3] = 255
    return Image.fromarray(pixels)


def seeded(*seeds):
    made = [torch.Generator().manual_seed(seed) for seed in seeds]
    return made if len(made) > 1 else made[0]


def run(pipeline, image, prompt, generator, **options):
    settings = {**FEW, "output_type": "np", "resolution": 64, **options}
    return pipeline(image, prompt, generator=generator, **settings)


@pytest.mark.parametrize("options", [
    {}, {"cfg_normalize": True}, {"true_cfg_scale": 1.0}, {"negative_prompt": None},
    {"layers": 1}, {"layers": 20}, {"true_cfg_scale": 2.5, "num_inference_steps": 3},
], ids=str)  # fmt: skip
def test_one_picture_is_as_diffusers_makes_it(pipeline, oracle, options):
    settings = {**FEW, **options}
    wanted = oracle(picture(), "a cat", generator=seeded(3), output_type="np", **settings)
    found = run(pipeline, picture(), "a cat", seeded(3), **settings)
    assert len(found.images[0]) == settings["layers"]
    assert np.abs(found.images[0] - wanted.images[0]).max() < 2e-5


@pytest.mark.slow
def test_captions_are_those_of_diffusers(pipeline, oracle):
    """For opaque pictures; the text it writes is also what it is told."""
    wanted = oracle(picture(), "", generator=seeded(3), output_type="np", use_en_prompt=True, **FEW)
    found = run(pipeline, picture(), "", seeded(3), use_en_prompt=True)
    assert np.abs(found.images[0] - wanted.images[0]).max() < 2e-5
    other = run(pipeline, picture(), "", seeded(3), use_en_prompt=False)
    assert np.abs(found.images[0] - other.images[0]).max() > 1e-3


def test_a_transparent_picture_goes_in_with_its_alpha(pipeline, oracle):
    clear = picture()
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    wanted = oracle(clear, "a cat", generator=seeded(3), output_type="np", **FEW)
    found = run(pipeline, clear, "a cat", seeded(3))
    assert np.abs(found.images[0] - wanted.images[0]).max() < 2e-5
    opaque = run(pipeline, clear.convert("RGB"), "a cat", seeded(3))
    assert np.abs(found.images[0] - opaque.images[0]).max() > 1e-3


def test_a_batch_is_its_pictures_one_by_one(pipeline, oracle):
    """And in diffusers' own batch, layers of the second picture are handed out with the first."""
    pictures = [picture(0), picture(1)]
    batch = run(pipeline, pictures, PROMPTS, seeded(5, 6))
    for k, (one, prompt) in enumerate(zip(pictures, PROMPTS, strict=True)):
        alone = run(pipeline, one, prompt, seeded(5 + k))
        assert np.abs(batch.images[k] - alone.images[0]).max() < 2e-5
        assert np.array_equal(batch.documents[k].layers[1].pixels[..., 3],
                              np.rint(batch.images[k][1, ..., 3] * 255))  # fmt: skip
    mixed = oracle(
        pictures, PROMPTS, generator=seeded(5, 6), output_type="np",
        **{**FEW, "negative_prompt": [" ", " "]},
    )  # fmt: skip
    assert [len(images) for images in mixed.images] == [4, 2]
    assert np.abs(mixed.images[0][3] - batch.images[1][0]).max() < 2e-5


def test_several_results_of_each_picture(pipeline):
    pictures = [picture(0), picture(1)]
    made = run(pipeline, pictures, "a cat", seeded(1, 2, 3, 4), num_images_per_prompt=2)
    assert len(made.images) == 4
    alone = run(pipeline, pictures[1], "a cat", seeded(3))
    assert np.abs(made.images[2] - alone.images[0]).max() < 2e-5


def test_one_picture_with_two_prompts(pipeline):
    made = run(pipeline, picture(), PROMPTS, seeded(1, 1))
    assert np.abs(made.images[0] - made.images[1]).max() > 1e-3


def test_how_many_are_decoded_at_once_changes_nothing(pipeline, monkeypatch):
    sizes = []
    decode = type(pipeline.vae).decode

    def counted(vae, latents, *args, **kwargs):
        sizes.append(len(latents))
        return decode(vae, latents, *args, **kwargs)

    monkeypatch.setattr(type(pipeline.vae), "decode", counted)
    results = []
    for at_once in (None, 2, 20):
        monkeypatch.setattr(pipeline, "decode_at_once", at_once)
        results.append(run(pipeline, picture(), "a cat", seeded(1), layers=5).images[0])
    assert sizes == [1, 1, 1, 1, 1, 2, 2, 1, 5]
    assert max(np.abs(results[0] - other).max() for other in results[1:]) < 2e-5


def test_outputs(pipeline):
    made = {kind: run(pipeline, picture(), "a cat", seeded(1), output_type=kind)
            for kind in ("pil", "np", "pt", "latent")}  # fmt: skip
    assert [image.size for image in made["pil"].images[0]] == [(96, 32)] * 3
    assert made["pil"].images[0][0].mode == "RGBA"
    assert made["pt"].images[0].shape == (3, 4, 32, 96)
    assert torch.equal(made["latent"].images, made["np"].latents)
    assert made["latent"].images.shape == (1, 4 * 2 * 6, 64)
    assert made["latent"].documents == []
    assert [layer.name[:7] for layer in made["np"].documents[0].layers] == [
        "Layer 1", "Layer 2", "Layer 3"
    ]  # fmt: skip
    images = run(pipeline, picture(), "a cat", seeded(1), return_dict=False)
    assert isinstance(images, tuple) and np.array_equal(images[0][0], made["np"].images[0])


def test_arrays_and_tensors_are_pictures_too(pipeline):
    pixels = np.asarray(picture()).astype(np.float32) / 255
    wanted = run(pipeline, picture(), "a cat", seeded(1)).images[0]
    for given in (pixels[None], torch.from_numpy(pixels).movedim(-1, 0)):
        assert np.array_equal(run(pipeline, given, "a cat", seeded(1)).images[0], wanted)


def test_given_noise_and_embeddings(pipeline):
    """A text encoder is not needed where its work is given."""
    made = run(pipeline, picture(), "a cat", seeded(7))
    shape = (1, 4, 16, 4, 12)
    noise = torch.randn(shape, generator=seeded(7))
    packed = pipeline._pack_latents(noise, 1, 16, 4, 12, 4)
    rows = [pipeline._get_qwen_prompt_embeds([text])[0][:, :512] for text in ("a cat", " ")]
    parts = dict.fromkeys(("text_encoder", "tokenizer", "processor"))
    without = LayeredPipeline(**{**pipeline.components, **parts})
    without.set_progress_bar_config(disable=True)
    again = run(
        without, picture(), None, None, latents=packed, prompt_embeds=rows[0],
        negative_prompt=None, negative_prompt_embeds=rows[1],
    )  # fmt: skip
    assert np.abs(again.images[0] - made.images[0]).max() < 2e-5


def test_the_callback_sees_each_step_and_may_change_it(pipeline):
    seen = []

    def watch(pipe, step, timestep, tensors):
        seen.append((step, pipe.num_timesteps, sorted(tensors)))
        return {"latents": tensors["latents"] * 0} if step == 1 else {}

    inputs = ["latents", "prompt_embeds"]
    made = run(pipeline, picture(), "a cat", seeded(1), callback_on_step_end=watch,
               callback_on_step_end_tensor_inputs=inputs, output_type="latent")  # fmt: skip
    assert seen == [(0, 2, inputs), (1, 2, inputs)]
    assert not made.images.any()


def test_the_negative_prompt_is_encoded_once(pipeline, monkeypatch):
    EMBEDDINGS.clear()
    encoded = []
    own = LayeredPipeline._get_qwen_prompt_embeds

    def counted(pipe, prompt, *args):
        encoded.append(*prompt)
        return own(pipe, prompt, *args)

    monkeypatch.setattr(LayeredPipeline, "_get_qwen_prompt_embeds", counted)
    for prompt in ("a cat", "a dog", "a cat"):
        run(pipeline, picture(), prompt, seeded(1), layers=1)
    assert encoded == ["a cat", " ", "a dog"]


@pytest.mark.parametrize("where", ["caption", "block", "step", "decode"])
def test_cancelled(pipeline, where, monkeypatch):
    """In the middle of a caption, of a pass of the transformer, between steps and layers."""
    cancel = CancelToken()
    options = {}
    if where == "step":
        options["callback_on_step_end"] = lambda *_: cancel.cancel() or {}
    else:
        module = {
            "caption": pipeline.text_encoder, "block": pipeline.transformer.transformer_blocks[0],
            "decode": pipeline.vae.decoder,
        }[where]  # fmt: skip
        passes = []
        handle = module.register_forward_hook(lambda *_: passes.append(cancel.cancel()))
    try:
        with pytest.raises(Cancelled):
            run(pipeline, picture(), "" if where == "caption" else "a cat", seeded(1),
                cancel=cancel, **options)  # fmt: skip
    finally:
        if where != "step":
            handle.remove()
            assert len(passes) == 1


def test_what_is_not_a_number_is_no_picture(pipeline, monkeypatch):
    def broken(*_):
        return {"latents": torch.full((1, 48, 64), torch.nan)}

    with pytest.raises(NumericalFailure, match="latents"):
        run(pipeline, picture(), "a cat", seeded(1), callback_on_step_end=broken)
    monkeypatch.setattr(
        type(pipeline.vae), "decode", lambda vae, z, **_: (torch.full((1, 4, 1, 8, 8), torch.nan),)
    )
    with pytest.raises(NumericalFailure, match="decoded"):
        run(pipeline, picture(), "a cat", seeded(1))


@pytest.mark.parametrize("options", [
    {"layers": 0}, {"layers": 21}, {"layers": 2.5}, {"num_inference_steps": 1},
    {"resolution": 16}, {"output_type": "gif"}, {"max_sequence_length": 2000},
    {"generator": seeded(1, 2)},
], ids=lambda options: next(iter(options)))  # fmt: skip
def test_bad_arguments(pipeline, options):
    with pytest.raises(InvalidRequest):
        run(pipeline, picture(), "a cat", **{"generator": seeded(1), **options})


def test_bad_batches(pipeline):
    with pytest.raises(InvalidRequest, match="3 prompts"):
        run(pipeline, [picture(), picture()], ["a", "b", "c"], None)
    with pytest.raises(InvalidRequest, match="proportions"):
        run(pipeline, [picture(), picture(size=(50, 90))], "a", None)
    with pytest.raises(InvalidRequest, match="no picture"):
        run(pipeline, [], "a", None)


def test_saved_and_read_again(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    again = LayeredPipeline.from_pretrained(tmp_path, dtype=torch.float32)
    again.set_progress_bar_config(disable=True)
    wanted = run(pipeline, picture(), "a cat", seeded(1)).images[0]
    assert np.array_equal(run(again, picture(), "a cat", seeded(1)).images[0], wanted)


def test_frames_at_once_by_what_is_free(pipeline, monkeypatch):
    latents = torch.zeros(8, 16, 1, 80, 80)
    assert decoding.frames_at_once(pipeline.vae, latents) == 1
    monkeypatch.setattr(decoding, "get_module_execution_device", lambda vae: torch.device("cuda"))
    monkeypatch.setattr(decoding, "free_memory", lambda: None)
    for free, frames in ((2**30, 1), (20 * 2**30, 3), (2**40, 8)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
        assert decoding.frames_at_once(pipeline.vae, latents) == frames


@pytest.mark.slow
def test_at_the_published_size(pipeline):
    """640 x 640, where nothing of diffusers is patched."""
    theirs = QwenImageLayeredPipeline(**pipeline.components)
    theirs.set_progress_bar_config(disable=True)
    options = {**FEW, "layers": 2, "output_type": "np"}
    wanted = theirs(picture(), "a cat", generator=seeded(3), resolution=640, **options)
    found = run(pipeline, picture(), "a cat", seeded(3), **{**options, "resolution": 640})
    assert found.images[0].shape == (2, 480, 864, 4)
    assert np.abs(found.images[0] - wanted.images[0]).max() < 2e-5
