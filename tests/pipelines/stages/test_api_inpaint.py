"""``layerstudio.inpaint``: what is made up, what stays, and what is refused."""

import numpy as np
import pytest
from matte_scene import disc
from tiny_mattes import tiny_lama

import layerstudio
from layerstudio import Cancelled, CancelToken, InvalidRequest, Picture
from layerstudio.models.lama_inpaint import inpaint as lama
from layerstudio.pipelines.stages import preferring

RGB = disc(90, 121).rgb
MASK = np.zeros((90, 121), np.uint8)
MASK[30:50, 40:70] = 255
HOLES = MASK > 0


def test_the_best_that_is_here(rows):
    rows()
    classical = layerstudio.inpaint(RGB, MASK)
    rows("big-lama")
    learned = layerstudio.inpaint(RGB, MASK)
    assert isinstance(learned, Picture)
    assert np.array_equal(learned.pixels[..., :3], lama(tiny_lama(), RGB, HOLES))
    named = layerstudio.inpaint(RGB, MASK, completer="flat-fill")
    assert np.array_equal(named.pixels, classical.pixels)
    assert not np.array_equal(learned.pixels, classical.pixels)
    for made in (classical, learned):
        assert np.array_equal(made.pixels[~HOLES][:, :3], RGB[~HOLES])


def test_sixteen_bits_alpha_and_resolution_stay_where_nothing_is_made_up(rows):
    rows()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 65536, (90, 121, 4), dtype=np.uint16)
    picture = Picture(pixels, dpi=240.0, notes=("read",))
    made = layerstudio.inpaint(picture, MASK)
    assert made.pixels.dtype == np.uint16 and made.dpi == 240.0 and made.notes == ("read",)
    assert np.array_equal(made.pixels[~HOLES], pixels[~HOLES])
    assert (made.pixels[HOLES][:, 3] == 65535).all()


def test_a_prompt_goes_to_what_reads_one_or_is_told_of(rows):
    rows()
    told = layerstudio.inpaint(RGB, MASK, prompt="grass")
    assert any("was not used" in note for note in told.notes)
    assert preferring.preferred("complete", among=preferring.WITH_PROMPT) == "sdxl-inpaint"
    assert not layerstudio.inpaint(RGB, MASK, prompt=" ").notes


def test_what_is_refused_is_refused_in_a_sentence(rows):
    rows()
    for mask, sentence in [
        (np.zeros_like(MASK), "mask of nothing"),
        (np.full_like(MASK, 255), "whole picture"),
        (MASK[:, :60], "mask is 60 x 90"),
    ]:
        with pytest.raises(InvalidRequest, match=sentence):
            layerstudio.inpaint(RGB, mask)
    with pytest.raises(InvalidRequest, match="no stage that can complete"):
        layerstudio.inpaint(RGB, MASK, completer="guided")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        layerstudio.inpaint(RGB, MASK, cancel=cancel)
