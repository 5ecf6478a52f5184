"""Whatever is wrong with a call is said in a sentence, and harms no later one."""

import numpy as np
import pytest
import torch
from sdxl_toys import FAST, LATENT, SIZE, pictures, seeds
from tiny_layerdiffuse import FILES, sdxl_attention_deltas

from layerstudio.errors import (
    Cancelled,
    InvalidRequest,
    MismatchedWeights,
    MissingWeights,
    NumericalFailure,
)
from layerstudio.progress import CancelToken


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
