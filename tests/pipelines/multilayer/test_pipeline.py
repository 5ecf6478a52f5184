"""The multi-layer pipeline end to end, on toy FLUX parts and small random networks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import cpu_offload
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from seeded import seed_module
from tiny_checkpoints import tiny_transformer

from layerstudio.composite import composite_pixels
from layerstudio.errors import Cancelled, InvalidRequest, NumericalFailure
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.multilayer_adapter import MultiLayerAdapter
from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from layerstudio.pipelines.multilayer.boxes import regions_of
from layerstudio.pipelines.multilayer.decoding import decode_layers
from layerstudio.pipelines.multilayer.pipeline import MultiLayerPipeline
from layerstudio.pipelines.steps import Canvas
from layerstudio.progress import CancelToken

SIZE = {"width": 100, "height": 72}
BOXES = [Bounds(10, 8, 40, 30), Bounds(60, 20, 40, 52)]
SHORT = {"num_inference_steps": 2, "max_sequence_length": 16}


def shared_config() -> dict:
    config = tiny_transformer().config
    names = (
        "in_channels", "num_layers", "num_single_layers", "attention_head_dim",
        "num_attention_heads", "joint_attention_dim", "pooled_projection_dim", "guidance_embeds",
        "axes_dims_rope",
    )  # fmt: skip
    return {name: config[name] for name in names}


@pytest.fixture(scope="module")
def pipeline(tiny_flux: Path) -> MultiLayerPipeline:
    transformer = MultiLayerTransformer(**shared_config(), max_layer_num=6)
    decoder = MultiLayerDecoder(64, 2)
    adapter = MultiLayerAdapter(**{**shared_config(), "num_layers": 1, "num_single_layers": 1})
    for seed, network in enumerate((transformer, decoder, adapter)):
        seed_module(network.eval(), seed, 0.7)
    made = MultiLayerPipeline.from_pretrained(
        tiny_flux, transformer=transformer, decoder=decoder, adapter=adapter
    )
    made.set_progress_bar_config(disable=True)
    return made


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(seed: int) -> torch.Tensor:
    return torch.rand(1, 4, SIZE["height"], SIZE["width"], generator=generator(seed))


def test_documents_have_the_size_and_boxes_that_were_asked_for(pipeline):
    made = pipeline(["a poster"], [BOXES], **SIZE, **SHORT, generators=generator(0))
    document = made.documents[0]
    assert document.extent == Extent(100, 72)
    background, *layers, composite = document.children
    assert background.role == "background" and background.bounds == Bounds(0, 0, 100, 72)
    assert not composite.visible
    for layer, box in zip(layers, BOXES, strict=True):
        # Boxes are widened to whole tokens, 16 pixels from an edge of the padded canvas.
        assert box.padded(16).clamped(document.extent).contains(layer.bounds)
    shown = composite_pixels(document)
    assert np.array_equal(np.asarray(made.images[0]), shown)
    assert shown[..., 3].min() == 255


def test_a_batch_is_its_documents_one_by_one(pipeline):
    requests = [("a cat", BOXES), ("two dogs", [Bounds(0, 0, 9, 9)]), ("sky", [])]
    together = pipeline(
        [prompt for prompt, _ in requests],
        [boxes for _, boxes in requests],
        **SIZE, **SHORT, generators=[generator(k) for k in range(3)],
        layer_prompts=[{2: "its head"}, {}, {1: "blue"}],
    )  # fmt: skip
    for k, (prompt, boxes) in enumerate(requests):
        own = [[{2: "its head"}], [{}], [{1: "blue"}]][k]
        alone = pipeline(
            [prompt], [boxes], **SIZE, **SHORT, generators=generator(k), layer_prompts=own
        )
        pair = zip(together.documents[k].layers, alone.documents[0].layers, strict=True)
        for one, other in pair:
            assert one.bounds == other.bounds
            difference = one.pixels.astype(int) - other.pixels.astype(int)
            assert np.abs(difference).max() <= 1


def test_a_picture_is_read_through_the_adapter(pipeline):
    results = [
        pipeline(
            [""], [BOXES], **SIZE, **SHORT, generators=generator(0), images=[picture(seed)],
            adapter_scale=scale, output_type="latent",
        ).latents
        for seed, scale in ((1, 0.9), (2, 0.9), (2, 0.0))
    ]  # fmt: skip
    assert (results[0] - results[1]).abs().max() > 0.01
    plain = pipeline(
        [""], [BOXES], **SIZE, **SHORT, generators=generator(0), output_type="latent"
    ).latents
    assert (results[2] - plain).abs().max() < 1e-4


def test_given_layers_come_back_as_they_were_encoded(pipeline):
    given = {1: picture(1), 3: picture(3)}
    made = [
        pipeline(["a poster"], [BOXES], **SIZE, **SHORT, generators=generator(seed), given=[given])
        for seed in (0, 1)
    ]
    canvas = 5 * 7  # tokens of 112 x 80 pixels
    first, second = (item.latents[0] for item in made)
    first_box = slice(2 * canvas, 2 * canvas + 4 * 3)  # 56 x 42 pixels from (6, 4) of the padding
    assert torch.equal(first[canvas : 2 * canvas], second[canvas : 2 * canvas])
    assert torch.equal(first[first_box.stop :], second[first_box.stop :])
    assert not torch.equal(first[first_box], second[first_box])
    one, other = (item.documents[0].children for item in made)
    assert np.array_equal(one[0].pixels, other[0].pixels)
    assert not np.array_equal(one[1].pixels, other[1].pixels)


def test_colours_of_the_vae_are_another_choice(pipeline):
    made = [
        pipeline(["a"], [BOXES], **SIZE, **SHORT, generators=generator(0), colour=colour)
        for colour in ("decoder", "vae")
    ]
    first, second = (item.documents[0].children[1].pixels for item in made)
    assert np.array_equal(first[..., 3], second[..., 3])
    assert not np.array_equal(first, second)


def test_saved_pipeline_makes_the_same(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "saved")
    loaded = MultiLayerPipeline.from_pretrained(tmp_path / "saved")
    made = [
        item(["a"], [BOXES], **SIZE, **SHORT, generators=generator(0), output_type="latent")
        for item in (pipeline, loaded)
    ]
    assert torch.equal(made[0].latents, made[1].latents)


def test_parts_of_a_flux_pipeline_are_taken_over(pipeline, tiny_flux):
    flux = FluxPipeline.from_pretrained(tiny_flux)
    own = {"transformer": pipeline.transformer, "decoder": pipeline.decoder}
    made = MultiLayerPipeline.from_pipe(flux, **own)
    assert made.vae is flux.vae and made.text_encoder_2 is flux.text_encoder_2
    assert made.transformer is pipeline.transformer


@pytest.mark.parametrize(
    ("boxes", "changes", "sentence"),
    [
        ([Bounds(200, 0, 5, 5)], {}, "Box 1, .* holds no pixel"),
        ([Bounds(0, 0, 5, 5), Bounds(9, 9, 0, 4)], {}, "Box 2, .* holds no pixel"),
        ([Bounds(0, 0, 5, 5)] * 5, {}, "5 boxes are more than the 4"),
        ([], {"width": 0}, "width must be"),
        ([], {"num_inference_steps": 0}, "number of steps"),
        ([], {"layer_prompts": [{2: "x"}]}, "no layer 2"),
        ([], {"given": [{}, {}]}, "1 prompts with 2 sets of given"),
        ([], {"generators": [generator(0)] * 2}, "2 generators for 1"),
    ],
)
def test_mistakes_are_told_before_anything_is_sampled(pipeline, boxes, changes, sentence):
    with pytest.raises(InvalidRequest, match=sentence):
        pipeline(["a"], [boxes], **{**SIZE, **SHORT, **changes})


def test_cancelled_in_the_middle(pipeline):
    token = CancelToken()
    seen = []

    def cancel_at_first(progress):
        seen.append(progress.fraction)
        token.cancel()

    with pytest.raises(Cancelled):
        pipeline(["a"], [BOXES], **SIZE, **SHORT, progress=cancel_at_first, cancel=token)
    assert len(seen) == 1


def test_nan_is_a_sentence(pipeline):
    bias = pipeline.transformer.proj_out.bias
    before = bias.detach().clone()
    bias.data.fill_(float("nan"))
    try:
        with pytest.raises(NumericalFailure, match="not numbers"):
            pipeline(["a"], [BOXES], **SIZE, **SHORT)
    finally:
        bias.data.copy_(before)


def test_the_decoder_works_when_its_weights_come_layer_by_layer(pipeline, tmp_path):
    """Sequential offloading, here to the CPU: between passes every weight is on meta."""
    pipeline.decoder.save_pretrained(tmp_path)
    offloaded = MultiLayerDecoder.from_pretrained(tmp_path)
    cpu_offload(offloaded, execution_device=torch.device("cpu"))
    assert offloaded.decoder.fc_in.weight.is_meta
    canvas = Canvas.of(100, 72, 16)
    regions = regions_of(BOXES, canvas, 4)
    tokens = torch.randn(regions.count, 64, generator=generator(0))
    pair = (
        decode_layers(pipeline.vae, decoder, tokens, regions)
        for decoder in (pipeline.decoder, offloaded)
    )
    for one, other in zip(*pair, strict=True):
        assert torch.equal(one.rgba, other.rgba)


def test_the_decoder_stays_in_float32_when_the_rest_does_not(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    wanted = {"default": torch.bfloat16, "decoder": torch.float32}
    half = MultiLayerPipeline.from_pretrained(tmp_path, dtype=wanted)
    assert half.transformer.dtype == torch.bfloat16 and half.decoder.dtype == torch.float32
    document = half(["a cat"], [BOXES], **SIZE, **SHORT, generators=generator(0)).documents[0]
    assert len(document.children) == 4
