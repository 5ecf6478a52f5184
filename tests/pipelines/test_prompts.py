"""Long prompts, with the tiny SDXL and SD 1.5 encoders; diffusers itself is the measure."""

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.embedding_cache import EMBEDDINGS
from layerstudio.pipelines.prompt_chunks import MAX_CHUNKS, empty_chunk, token_chunks
from layerstudio.pipelines.prompts import encode_sd15, encode_sdxl

ROPE = "the red rope, "  # 7 tokens of the tiny vocabulary
ARGUMENTS = ("positive", "negative", "pooled", "negative_pooled")


@pytest.fixture(scope="module")
def sdxl(tiny_sdxl):
    return StableDiffusionXLPipeline.from_pretrained(tiny_sdxl, add_watermarker=False)


@pytest.fixture(scope="module")
def sd15(tiny_sd15):
    return StableDiffusionPipeline.from_pretrained(tiny_sd15)


def learned(pipeline, vectors: int) -> None:
    """A textual inversion of several vectors for each encoder of ``pipeline``."""
    for tokenizer, encoder in (
        (pipeline.tokenizer, pipeline.text_encoder),
        (pipeline.tokenizer_2, pipeline.text_encoder_2),
    ):
        width = encoder.config.hidden_size
        generator = torch.Generator().manual_seed(width)
        embedding = torch.randn(vectors, width, generator=generator)
        pipeline.load_textual_inversion(
            {"<rope>": embedding}, tokenizer=tokenizer, text_encoder=encoder
        )


@pytest.mark.parametrize("prompt", ["", "a red rope", "the end. And, éñ 漢字!"])
@pytest.mark.parametrize("negative", [None, "", "blue"])
@pytest.mark.parametrize("clip_skip", [None, 1])
def test_a_short_prompt_is_what_diffusers_makes_of_it(sdxl, prompt, negative, clip_skip):
    theirs = sdxl.encode_prompt(prompt, negative_prompt=negative, clip_skip=clip_skip)
    ours = encode_sdxl(sdxl, prompt, negative, clip_skip=clip_skip)
    for name, expected in zip(
        ("positive", "negative", "pooled", "negative_pooled"), theirs, strict=True
    ):
        torch.testing.assert_close(getattr(ours, name), expected, rtol=0, atol=0)


def test_the_second_encoder_may_read_another_prompt(sdxl):
    theirs = sdxl.encode_prompt("a", "b", negative_prompt="c", negative_prompt_2="d")
    ours = encode_sdxl(sdxl, "a", "c", prompt_2="b", negative_prompt_2="d")
    for name, expected in zip(ARGUMENTS, theirs, strict=True):
        assert torch.equal(getattr(ours, name), expected), name


@pytest.mark.parametrize("negative", [None, "blue"])
def test_a_short_prompt_of_sd15_is_what_diffusers_makes_of_it(sd15, negative):
    theirs = sd15.encode_prompt(["a red rope"], "cpu", 1, True, negative and [negative])
    ours = encode_sd15(sd15, ["a red rope"], negative)
    assert torch.equal(ours.positive, theirs[0])
    assert ours.negative is not None and torch.equal(ours.negative, theirs[1])
    assert ours.as_arguments().keys() == {"prompt_embeds", "negative_prompt_embeds"}


def test_clip_skip_of_sd15_is_an_earlier_layer_with_the_last_norm(sd15):
    ids = torch.tensor(token_chunks(sd15.tokenizer, "a red rope"))
    with torch.no_grad():
        output = sd15.text_encoder(ids, output_hidden_states=True)
        expected = sd15.text_encoder.final_layer_norm(output.hidden_states[-2])
    ours = encode_sd15(sd15, "a red rope", clip_skip=1)
    assert torch.equal(ours.positive, expected)
    assert not torch.equal(ours.positive, encode_sd15(sd15, "a red rope").positive)


def test_a_batch_is_its_prompts_one_by_one(sdxl):
    prompts, negatives = ["a red rope", ROPE * 9], ["blue", ROPE * 30]
    batch = encode_sdxl(sdxl, prompts, negatives)
    assert batch.positive.shape == (2, 3 * 77, 48)
    for k, (prompt, negative) in enumerate(zip(prompts, negatives, strict=True)):
        single = encode_sdxl(sdxl, prompt, negative)
        length = single.positive.shape[1]
        for name in ARGUMENTS:
            row = getattr(batch, name)[k : k + 1]
            row = row[:, :length] if row.ndim == 3 else row
            assert torch.equal(row, getattr(single, name)), name


def test_a_long_prompt_is_its_pieces_side_by_side(sdxl):
    first, second = "red rope, " * 9, "blue rope, " * 7
    pieces = token_chunks(sdxl.tokenizer, first + second)
    assert len(pieces) > 1
    texts = [sdxl.tokenizer.decode(piece, skip_special_tokens=True) for piece in pieces]
    assert all(text.rstrip(" ").endswith(",") for text in texts), texts
    whole = encode_sdxl(sdxl, first + second, "blue")
    alone = [encode_sdxl(sdxl, text, "blue") for text in texts]
    assert torch.equal(whole.positive, torch.cat([one.positive for one in alone], dim=1))
    assert whole.pooled is not None and alone[0].pooled is not None
    assert torch.equal(whole.pooled, alone[0].pooled)
    empty = encode_sdxl(sdxl, "", "")
    assert whole.negative is not None and alone[0].negative is not None
    padding = [empty.positive] * (len(pieces) - 1)
    assert torch.equal(whole.negative, torch.cat([alone[0].negative, *padding], dim=1))


def test_no_token_is_lost_or_repeated_at_a_cut(sdxl):
    for text in ("x" * 400, "rope " * 200, "a, " * 130, "don't; stop! " * 25):
        pieces = token_chunks(sdxl.tokenizer, text)
        marks = {sdxl.tokenizer.bos_token_id, sdxl.tokenizer.eos_token_id}
        kept = [i for piece in pieces for i in piece if i not in marks]
        assert kept == sdxl.tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        assert {len(piece) for piece in pieces} == {77}


def test_zeros_stand_for_no_negative_prompt_at_any_length(sdxl):
    embeds = encode_sdxl(sdxl, ROPE * 20)
    assert embeds.negative is not None and embeds.negative.shape == embeds.positive.shape
    assert not embeds.negative.any()
    assert encode_sdxl(sdxl, "a", guided=False).negative is None


def test_the_pooled_embedding_without_projection_is_projected_to_the_other(sdxl):
    plain = encode_sdxl(sdxl, ["a red rope", "blue"], "x")
    quirk = encode_sdxl(sdxl, ["a red rope", "blue"], "x", pooled="unprojected")
    assert torch.equal(plain.positive, quirk.positive)
    assert plain.pooled is not None and quirk.pooled is not None
    projected = sdxl.text_encoder_2.text_projection(quirk.pooled)
    torch.testing.assert_close(projected, plain.pooled, rtol=1e-5, atol=1e-6)
    assert (quirk.pooled - plain.pooled).abs().max() > 0.1
    assert not sdxl.text_encoder_2.text_projection._forward_pre_hooks
    absent = encode_sdxl(sdxl, "a", pooled="unprojected")
    assert absent.negative is not None and absent.negative.any()


def test_the_vectors_of_a_learned_word_stay_together(tiny_sdxl):
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_sdxl, add_watermarker=False)
    learned(pipeline, 5)
    theirs = pipeline.encode_prompt("a <rope>", negative_prompt="x")
    ours = encode_sdxl(pipeline, "a <rope>", "x")
    for name, expected in zip(ARGUMENTS, theirs, strict=True):
        assert torch.equal(getattr(ours, name), expected), name
    word = pipeline.tokenizer.convert_tokens_to_ids(
        ["<rope>", *(f"<rope>_{i}" for i in range(1, 5))]
    )
    text = pipeline.maybe_convert_prompt("and " * 72 + "<rope> and", pipeline.tokenizer)
    pieces = token_chunks(pipeline.tokenizer, text)
    assert len(pieces) == 2
    assert list(pieces[1][1:6]) == word
    assert not set(word) & set(pieces[0])


def test_lora_scale_is_applied_and_taken_back(tiny_sdxl):
    from peft import LoraConfig

    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_sdxl, add_watermarker=False)
    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    pipeline.text_encoder.add_adapter(config)
    pipeline.text_encoder_2.add_adapter(config)
    before = encode_sdxl(pipeline, "a red rope").positive
    for scale in (0.5, 0.0):
        theirs = pipeline.encode_prompt("a red rope", lora_scale=scale)[0]
        assert torch.equal(encode_sdxl(pipeline, "a red rope", lora_scale=scale).positive, theirs)
        assert not torch.equal(theirs, before)
    assert torch.equal(encode_sdxl(pipeline, "a red rope").positive, before)


@pytest.mark.parametrize("prompt", ["rope " * 10_000, "x" * (75 * MAX_CHUNKS + 1)])
def test_a_prompt_that_is_too_long_is_refused_with_the_limit(sdxl, sd15, prompt):
    for encode, pipeline in ((encode_sdxl, sdxl), (encode_sd15, sd15)):
        with pytest.raises(InvalidRequest, match=r"1,200 tokens.*about 900 words"):
            encode(pipeline, prompt)
    assert len(token_chunks(sdxl.tokenizer, "x" * (75 * MAX_CHUNKS))) == MAX_CHUNKS


def test_as_many_negative_prompts_as_prompts(sdxl):
    with pytest.raises(InvalidRequest, match="2 prompts belong to 3"):
        encode_sdxl(sdxl, ["a", "b", "c"], ["x", "y"])


def test_a_checkpoint_without_the_first_encoder(tiny_sdxl):
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        tiny_sdxl, text_encoder=None, tokenizer=None, add_watermarker=False
    )
    theirs = pipeline.encode_prompt("a", negative_prompt="b")
    # diffusers pairs the only encoder with the first prompt.
    ours = encode_sdxl(pipeline, "a", "b")
    for name, expected in zip(ARGUMENTS, theirs, strict=True):
        assert torch.equal(getattr(ours, name), expected), name


def test_the_empty_piece_is_the_empty_prompt(sdxl):
    for tokenizer in (sdxl.tokenizer, sdxl.tokenizer_2):
        padded = tokenizer("", padding="max_length", max_length=77).input_ids
        assert list(empty_chunk(tokenizer)) == padded


def test_a_text_is_read_once_for_all_runs(sdxl):
    EMBEDDINGS.clear()  # other tests have had the empty piece read already
    calls = []
    hooks = [
        encoder.register_forward_hook(lambda module, *_: calls.append(module))
        for encoder in (sdxl.text_encoder, sdxl.text_encoder_2)
    ]
    first = encode_sdxl(sdxl, "said for the first time", "and this " * 30)
    assert len(calls) == 2 * (3 + len(token_chunks(sdxl.tokenizer, "and this " * 30)) - 1)
    calls.clear()
    again = encode_sdxl(sdxl, "said for the second time", "and this " * 30)
    assert len(calls) == 2
    for hook in hooks:
        hook.remove()
    assert first.negative is not None and again.negative is not None
    assert torch.equal(first.negative, again.negative)
