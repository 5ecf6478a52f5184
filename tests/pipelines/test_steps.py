"""Sizes, seeds, watching and conversions that all pipelines share."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from layerstudio.errors import Cancelled, InvalidRequest, NumericalFailure
from layerstudio.pipelines.steps import (
    Canvas,
    StepWatcher,
    as_output,
    check_output_type,
    seeded_generators,
    to_tensor,
    to_uint8,
    truncated,
)
from layerstudio.progress import CancelToken

SIDES = st.integers(16, 300)
SAMPLER = SimpleNamespace(num_timesteps=4)


def latents() -> dict[str, torch.Tensor]:
    return {"latents": torch.zeros(2, 4, 3, 5)}


@settings(max_examples=30)
@given(width=SIDES, height=SIDES, multiple=st.sampled_from([8, 16, 64]))
def test_padding_is_centred_and_cut_off_again(width, height, multiple):
    canvas = Canvas.of(width, height, multiple)
    for wanted, padded in zip(canvas.wanted, canvas.padded, strict=True):
        assert padded % multiple == 0
        assert 0 <= padded - wanted < multiple
    right = canvas.padded.width - canvas.place.right
    bottom = canvas.padded.height - canvas.place.bottom
    assert 0 <= right - canvas.place.x <= 1
    assert 0 <= bottom - canvas.place.y <= 1
    picture = torch.arange(width * height).float().reshape(1, 1, height, width).repeat(2, 4, 1, 1)
    widened = canvas.pad(picture)
    assert widened.shape == (2, 4, *canvas.padded.shape)
    assert torch.equal(canvas.crop(widened), picture)
    assert widened[0, 0, 0, 0] == picture[0, 0, 0, 0]
    assert widened[0, 0, -1, -1] == picture[0, 0, -1, -1]


@pytest.mark.parametrize("side", [0, 15, -64, 100_000, 64.0, True, "64", None])
def test_impossible_sizes_are_refused(side):
    for size in ((side, 64), (64, side)):
        with pytest.raises(InvalidRequest, match="must be 16 to 8,192 pixels"):
            Canvas.of(*size, 64)


def test_a_batch_has_the_seeds_of_its_pictures():
    batch = seeded_generators(7, 3)
    alone = [torch.Generator().manual_seed(7 + k) for k in range(3)]
    for one, other in zip(batch, alone, strict=True):
        assert torch.equal(torch.randn(5, generator=one), torch.randn(5, generator=other))


def test_steps_are_reported_as_shares_of_their_span():
    seen = []
    watcher = StepWatcher(progress=seen.append, span=(0.2, 0.6), stage="sampling")
    for step in range(4):
        watcher(SAMPLER, step, None, latents())
    assert [report.fraction for report in seen] == pytest.approx([0.3, 0.4, 0.5, 0.6])
    assert {report.stage for report in seen} == {"sampling"}


def test_the_own_callback_gets_what_it_asked_for_and_has_its_way():
    asked = []

    def own(pipeline, step, timestep, tensors):
        asked.append((pipeline, step, timestep, sorted(tensors)))
        return {"prompt_embeds": torch.ones(1)}

    watcher = StepWatcher(then=own, then_inputs=["prompt_embeds", "add_time_ids"])
    assert watcher.tensor_inputs == ["latents", "prompt_embeds", "add_time_ids"]
    tensors = {**latents(), "prompt_embeds": torch.zeros(1), "add_time_ids": torch.zeros(1)}
    changed = watcher(SAMPLER, 2, 500, tensors)
    assert asked == [(SAMPLER, 2, 500, ["add_time_ids", "prompt_embeds"])]
    assert changed["prompt_embeds"] == 1
    assert torch.equal(changed["latents"], tensors["latents"])


def test_a_callback_object_of_diffusers_says_what_it_needs():
    from diffusers.callbacks import SDXLCFGCutoffCallback

    cutoff = SDXLCFGCutoffCallback(cutoff_step_ratio=None, cutoff_step_index=1)
    watcher = StepWatcher(then=cutoff)
    names = ("prompt_embeds", "add_text_embeds", "add_time_ids")
    assert watcher.tensor_inputs == ["latents", *names]
    sampler = SimpleNamespace(num_timesteps=4, _guidance_scale=5.0)
    changed = watcher(sampler, 1, 0, {**latents(), **{n: torch.zeros(2, 3) for n in names}})
    assert changed["prompt_embeds"].shape == (1, 3)
    assert sampler._guidance_scale == 0.0


def test_cancel_ends_the_sampling_before_anything_is_reported():
    cancel, seen = CancelToken(), []
    watcher = StepWatcher(progress=seen.append, cancel=cancel)
    watcher(SAMPLER, 0, None, latents())
    cancel.cancel()
    with pytest.raises(Cancelled):
        watcher(SAMPLER, 1, None, latents())
    assert len(seen) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_latents_that_are_no_numbers_end_the_sampling(dtype):
    bad = torch.zeros(1, 4, 2, 2, dtype=dtype)
    bad[0, 1, 1, 0] = float("inf")
    advice = "bfloat16" if dtype == torch.float16 else "guidance"
    with pytest.raises(NumericalFailure, match=f"latents.*{advice}"):
        StepWatcher()(SAMPLER, 0, None, {"latents": bad})


def test_previews_are_made_for_watchers_only():
    made = []

    def preview(found):
        made.append(found.shape)
        return np.zeros((3, 5, 3), np.uint8)

    StepWatcher(preview=preview)(SAMPLER, 0, None, latents())
    assert not made
    seen = []
    StepWatcher(preview=preview, progress=seen.append)(SAMPLER, 0, None, latents())
    assert made == [(2, 4, 3, 5)]
    assert seen[0].preview is not None


@given(level=st.integers(0, 255), shift=st.floats(-0.49, 0.49))
def test_levels_are_rounded_to_the_nearest(level, shift):
    value = min(max((level + shift) / 255, 0), 1)
    picture = torch.full((2, 4, 1, 3), value)
    assert (to_uint8(picture) == level).all()
    below = np.floor(np.float32(value) * np.float32(255))
    assert (to_uint8(truncated(picture)) == below).all()


def test_pictures_in_all_output_types():
    picture = torch.rand(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    images = as_output(picture, "pil")
    assert [image.mode for image in images] == ["RGBA", "RGBA"]
    array = as_output(picture, "np")
    assert array.shape == (2, 3, 5, 4)
    assert np.array_equal(np.asarray(images[1]), np.rint(array[1] * 255).astype(np.uint8))
    assert as_output(picture, "pt") is picture
    assert as_output(picture[:, :3], "pil")[0].mode == "RGB"
    for known in ("pil", "np", "pt", "latent"):
        check_output_type(known)
    with pytest.raises(InvalidRequest, match="pil, np, pt, latent"):
        check_output_type("jpg")


def test_pixels_become_tensors_and_come_back():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 4), np.uint8)
    batch = to_tensor(pixels)
    assert batch.shape == (1, 4, 3, 5)
    assert np.array_equal(to_uint8(batch)[0], pixels)
    assert np.array_equal(np.asarray(as_output(batch, "pil")[0]), pixels)
    deep = to_tensor(np.full((2, 3, 5, 4), 65535, np.uint16))
    assert deep.shape == (2, 4, 3, 5)
    assert (deep == 1).all()
    assert Image.fromarray(to_uint8(deep)[0]).getpixel((0, 0)) == (255,) * 4
