"""What the SD 1.5 pipeline refuses, and how it stops."""

from pathlib import Path

import pytest
import torch
from sharing_runs import DECODER, QUICK, STATES, latents_of, opened, picture, seeds
from tiny_layerdiffuse import FILES

from layerstudio.errors import (
    Cancelled,
    InvalidRequest,
    MismatchedWeights,
    MissingWeights,
    NumericalFailure,
)
from layerstudio.pipelines.layerdiffuse.sd15 import LayerDiffuseSD15Pipeline
from layerstudio.progress import CancelToken


@pytest.fixture(scope="module")
def loaded(tiny_sd15: Path) -> LayerDiffuseSD15Pipeline:
    return opened(tiny_sd15)


@pytest.fixture
def pipeline(loaded: LayerDiffuseSD15Pipeline) -> LayerDiffuseSD15Pipeline:
    """With the weights of one frame."""
    loaded.load_layerdiffuse(STATES["fg"], "fg", decoder=DECODER)
    return loaded


def test_cancelling_leaves_the_network_as_it_was(pipeline):
    processors = dict(pipeline.unet.attn_processors)
    token, fractions = CancelToken(), []

    def report(progress):
        fractions.append(progress.fraction)
        token.cancel()

    with pytest.raises(Cancelled):
        pipeline("a ball", **QUICK, progress=report, cancel=token)
    assert len(fractions) == 1
    assert all(pipeline.unet.attn_processors[name] is one for name, one in processors.items())


def test_not_a_number_is_told_apart_from_a_picture(pipeline):
    def spoil(pipe, step, timestep, tensors):
        return {"latents": tensors["latents"] * float("nan")}

    with pytest.raises(NumericalFailure):
        pipeline("a ball", **QUICK, callback_on_step_end=spoil)


def test_weights_of_something_else_are_named_and_change_nothing(pipeline):
    sdxl = FILES["layer_xl_transparent_attn.safetensors"]()
    with pytest.raises(MismatchedWeights, match="patch for a UNet in Forge's layout") as caught:
        pipeline.load_layerdiffuse(sdxl, "fg")
    assert caught.value.message.count("hookers.layers.0.") == 5
    with pytest.raises(MismatchedWeights, match=r"3 frame\(s\)"):
        pipeline.load_layerdiffuse(STATES["joint"], "fg")
    with pytest.raises(MismatchedWeights):
        pipeline.load_layerdiffuse(STATES["joint"], "joint", decoder=STATES["joint"])
    assert pipeline("a ball", **QUICK).images[0].mode == "RGBA"


def test_missing_weights_name_the_command_that_gets_them(loaded):
    loaded.unload_layerdiffuse()
    with pytest.raises(MissingWeights, match="models pull layerdiffuse-sd15-attn"):
        loaded("a ball", **QUICK)
    loaded.load_layerdiffuse(STATES["fg"], "fg")
    with pytest.raises(MissingWeights, match="models pull layerdiffuse-sd15-decoder"):
        loaded("a ball", **QUICK)
    assert latents_of(loaded, "a ball").shape == (1, 4, 8, 8)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt": None}, "no prompt"),
        ({"background_prompt": "sea"}, "make no background"),
        ({"foreground": picture(1)}, "no use for a foreground"),
        ({"generator": seeds(1)}, "1 generators for 2 pictures"),
        ({"foreground_prompt": []}, "0 prompts"),
        ({"negative_prompt": ["a", "b", "c"]}, "3 negative prompts belong to 2"),
        ({"latents": torch.zeros(2, 4, 9, 8)}, "Latents of shape"),
        ({"guidence_scale": 2.0}, "takes no guidence_scale"),
        ({"controlnet_conditioning_scale": 1.0}, "takes no controlnet_conditioning_scale"),
        ({"width": 0}, "width must be"),
        ({"height": 100_000}, "height must be"),
        ({"augment": 3}, "not 3"),
        ({"output_type": "jpeg"}, "no output type"),
        ({"prompt_embeds": torch.zeros(2, 77, 16)}, "negative_prompt_embeds"),
        ({"negative_prompt_embeds": torch.zeros(2, 77, 16)}, "need prompt_embeds"),
        ({"prompt": "word " * 10_000}, "10,000 words"),
    ],
)
def test_bad_input_is_one_sentence(pipeline, options, words):
    with pytest.raises(InvalidRequest, match=words):
        pipeline(**{"prompt": ["a ball", "a cube"], **QUICK, **options})


def test_condition_that_is_needed_is_asked_for(loaded):
    loaded.load_layerdiffuse(STATES["bg2fg"], "bg2fg", decoder=DECODER)
    with pytest.raises(InvalidRequest, match="starts from a background"):
        loaded("a ball", **QUICK)
    with pytest.raises(InvalidRequest, match="3 pictures are given for the 2"):
        loaded(["a ball", "a cube"], background=[picture(1)] * 3, **QUICK)
    with pytest.raises(InvalidRequest, match="no LayerDiffuse mode 'fg2ble'"):
        loaded.load_layerdiffuse(STATES["fg"], "fg2ble")
