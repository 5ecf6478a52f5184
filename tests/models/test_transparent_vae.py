"""Encoding and decoding around a VAE, at toy width: batches, sizes, passes, bad latents."""

import itertools
from pathlib import Path

import pytest
import torch
from accelerate import cpu_offload
from diffusers import AutoencoderKL
from seeded import seeded_input
from tiny_checkpoints import Family, tiny_vae
from tiny_layerdiffuse import decoder_state, encoder_state, flux_transparent_vae
from torch import Tensor, nn

from layerstudio.errors import MismatchedWeights, NumericalFailure
from layerstudio.models.normalisation import normalised
from layerstudio.models.rgba_pictures import to_uint8
from layerstudio.models.transparent_passes import ORIENTATIONS, Augment, augmented, median
from layerstudio.models.transparent_vae import (
    TransparencyDecoder,
    TransparencyEncoder,
    decode_rgba,
    encode_rgba,
)
from layerstudio.pipelines.steps import truncated

Kit = tuple[AutoencoderKL, TransparencyEncoder, TransparencyDecoder]


def networks(family: Family) -> Kit:
    if family == "flux":
        states = (flux_transparent_vae(with_vae=True),) * 2
    else:
        states = (encoder_state(4, 1), decoder_state(4, 2))
    encoder = TransparencyEncoder.from_published(states[0], family=family)
    decoder = TransparencyDecoder.from_published(states[1], family=family)
    return tiny_vae(family), encoder, decoder


@pytest.fixture(scope="module")
def sdxl() -> Kit:
    return networks("sdxl")


def soft_pictures(batch: int, height: int, width: int) -> Tensor:
    coarse = seeded_input("pictures", (batch, 4, 5, 6), 1, uniform=True)
    rgba = nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    rgba[:, 3:] = (rgba[:, 3:] * 3 - 1).clamp(0, 1)
    return rgba


@pytest.mark.parametrize("family", ["sdxl", "flux"])
@pytest.mark.parametrize(("height", "width"), [(64, 192), (200, 136)])
def test_round_trip_of_a_batch(family: Family, height: int, width: int) -> None:
    vae, encoder, decoder = networks(family)
    bottom, right = -height % 64, -width % 64
    pictures = soft_pictures(3, height, width)
    padded = nn.functional.pad(pictures, (0, right, 0, bottom), mode="replicate")
    latents = encode_rgba(vae, encoder, padded)
    channels = 16 if family == "flux" else 4
    assert latents.shape == (3, channels, (height + bottom) // 8, (width + right) // 8)
    decoded = decode_rgba(vae, decoder, latents, augment=2)[..., :height, :width]
    assert decoded.shape == (3, 4, height, width) and decoded.dtype == torch.float32
    assert decoded.min() >= 0 and decoded.max() <= 1
    # Each picture of the batch is what it would be alone.
    for index in range(3):
        alone = decode_rgba(vae, decoder, latents[index : index + 1], augment=2)
        assert torch.equal(alone[..., :height, :width], decoded[index : index + 1])
        assert torch.allclose(
            encode_rgba(vae, encoder, padded[index : index + 1]),
            latents[index : index + 1],
            atol=1e-4,
        )


def test_alpha_is_in_the_latents_only_with_the_offset(sdxl: Kit) -> None:
    vae, encoder, _ = sdxl
    pictures = soft_pictures(1, 64, 64)
    # On grey both look the same: half the contrast at full alpha, full contrast at half.
    faint = torch.cat([pictures[:, :3] * 0.5 + 0.25, torch.ones(1, 1, 64, 64)], 1)
    clear = torch.cat([pictures[:, :3], torch.full((1, 1, 64, 64), 0.5)], 1)
    with_offset = [encode_rgba(vae, encoder, p) for p in (faint, clear)]
    assert (with_offset[0] - with_offset[1]).abs().max() > 0.02
    plain = [
        encode_rgba(vae, encoder, p, use_offset=False, generator=torch.Generator().manual_seed(1))
        for p in (faint, clear)
    ]
    assert torch.allclose(*plain, atol=1e-3)


@pytest.mark.parametrize("augment", [8, 4, 2, 1])
@pytest.mark.parametrize("side", [64, 128])
def test_batched_passes_equal_single_ones(sdxl: Kit, augment: Augment, side: int) -> None:
    decoder = sdxl[2]
    pixels = seeded_input("pixels", (1, 3, 64, side), 1, uniform=True)
    latents = seeded_input("latents", (1, 4, 8, side // 8), 2)
    with torch.no_grad():
        plain = [
            o.undo(decoder(o.apply(pixels).contiguous(), o.apply(latents).contiguous()).clamp(0, 1))
            for o in ORIENTATIONS[augment]
        ]
        # Two passes are averaged, where the lower median would be the smaller one.
        stack = torch.stack(plain)
        expected = stack.mean(0) if augment == 2 else stack.median(0).values
        counts: list[int] = []
        for at_once in (1, 3, 8):
            ours = augmented(decoder, pixels, latents, augment, at_once=at_once, done=counts.append)
            assert (ours - expected).abs().max() < 1e-5
    assert sum(counts) == 3 * augment


def test_orientations_are_the_eight_of_the_square_and_undone() -> None:
    x = seeded_input("x", (1, 2, 3, 5), 1)
    seen = {tuple(o.apply(x).flatten().tolist()) for o in ORIENTATIONS[8]}
    assert len(seen) == 8
    assert all(torch.equal(o.undo(o.apply(x)), x) for o in ORIENTATIONS[8])


def test_lower_median_of_every_order() -> None:
    for count in (4, 8):
        for order in itertools.islice(itertools.permutations(range(count)), 0, None, 97):
            found = median([torch.tensor([float(v)]) for v in order])
            assert found == count // 2 - 1, order
    assert median([torch.tensor([0.0]), torch.tensor([1.0])]) == 0.5


@pytest.mark.parametrize("activate", [True, False])
@pytest.mark.parametrize("in_place", [True, False])
def test_channels_last_normalisation_is_the_plain_one(activate: bool, in_place: bool) -> None:
    norm = nn.GroupNorm(4, 24)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    # Far from zero, where a sum of squares in float32 loses its digits.
    x = seeded_input("x", (2, 24, 120, 77), 1) + 20
    expected = norm.double()(x.double())
    expected = nn.functional.silu(expected) if activate else expected
    norm.float()
    given = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        result = normalised(norm, given, activate=activate, in_place=in_place)
    assert (result - expected).abs().max() < 2e-5
    assert (result.data_ptr() == given.data_ptr()) == in_place
    trained = normalised(norm, given.clone().requires_grad_(), activate=activate)
    assert trained.requires_grad


def test_progress_and_cancelling(sdxl: Kit) -> None:
    vae, _, decoder = sdxl
    latents = seeded_input("latents", (2, 4, 8, 24), 2)
    told: list[float] = []
    decode_rgba(vae, decoder, latents, augment=4, tile=128, progress=told.append)
    assert told == sorted(told) and told[-1] == 1
    assert len(told) == 2 * 2 * (1 + 4)  # pictures, tiles, the VAE and each pass

    class Stopped(Exception):
        pass

    def stop_after_three() -> None:
        calls.append(None)
        if len(calls) > 3:
            raise Stopped

    calls: list[None] = []
    with pytest.raises(Stopped):
        decode_rgba(vae, decoder, latents, augment=8, check=stop_after_three)
    assert len(calls) == 4


def test_layers_offloaded_one_by_one_decode_the_same(sdxl: Kit) -> None:
    latents = seeded_input("latents", (1, 4, 8, 16), 2)
    expected = decode_rgba(sdxl[0], sdxl[2], latents, augment=1)
    vae, _, decoder = networks("sdxl")
    for network in (vae, decoder):
        cpu_offload(network, torch.device("cpu"))
        assert any(parameter.is_meta for parameter in network.parameters())
    assert (decode_rgba(vae, decoder, latents, augment=1) - expected).abs().max() < 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize("augment", [8, 1])
def test_a_gpu_decodes_the_same(augment: Augment) -> None:
    vae, _, decoder = networks("sdxl")
    latents = seeded_input("latents", (2, 4, 8, 16), 2)
    expected = decode_rgba(vae, decoder, latents, augment=augment)
    for network in (vae, decoder):
        nn.Module.to(network, "cuda")
    rgba = decode_rgba(vae, decoder, latents, augment=augment)
    assert rgba.is_cuda
    assert (rgba.cpu() - expected).abs().max() < 5e-3  # convolutions in TF32


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none(sdxl: Kit, bad: float) -> None:
    vae, encoder, decoder = sdxl
    latents = torch.zeros(1, 4, 8, 8)
    latents[0, 2, 3, 4] = bad
    with pytest.raises(NumericalFailure, match="latents"):
        decode_rgba(vae, decoder, latents)
    with pytest.raises(NumericalFailure, match="picture"):
        encode_rgba(vae, encoder, torch.full((1, 4, 64, 64), bad))


def test_half_precision_stays_near_and_float16_vae_is_lifted(sdxl: Kit) -> None:
    vae, _, decoder = sdxl
    latents = seeded_input("latents", (1, 4, 8, 16), 2)
    exact = decode_rgba(vae, decoder, latents, augment=1)
    for dtype, tolerance in ((torch.bfloat16, 0.1), (torch.float16, 0.02)):
        half_vae = networks("sdxl")[0].to(dtype=dtype)
        half_decoder = networks("sdxl")[2].to(dtype=dtype)
        rgba = decode_rgba(half_vae, half_decoder, latents.to(dtype), augment=1)
        assert rgba.dtype == torch.float32
        assert (rgba - exact).abs().max() < tolerance
        assert half_vae.dtype == dtype


def test_saved_and_loaded_as_diffusers_does(sdxl: Kit, tmp_path: Path) -> None:
    for network in sdxl[1:]:
        network.save_pretrained(tmp_path)
        again = type(network).from_pretrained(tmp_path)
        assert again.config["channel_order"] == "argb"
        for key, value in network.state_dict().items():
            assert torch.equal(again.state_dict()[key], value)


@pytest.mark.parametrize("network", [TransparencyEncoder, TransparencyDecoder])
def test_wrong_files_are_named_for_what_they_are(
    network: type[TransparencyEncoder] | type[TransparencyDecoder],
) -> None:
    other = decoder_state(4, 2) if network is TransparencyEncoder else encoder_state(4, 1)
    with pytest.raises(MismatchedWeights) as caught:
        network.from_published(other, family="sdxl")
    assert "is missing" in caught.value.message and "It looks like" in caught.value.advice
    cut = dict(itertools.islice(decoder_state(4, 2).items(), 20))
    with pytest.raises(MismatchedWeights):
        network.from_published(cut, family="sdxl")


def test_bytes_round_or_truncate() -> None:
    pictures = torch.tensor([0.0, 0.5, 0.9999, 1.0]).reshape(1, 1, 1, 4)
    assert to_uint8(pictures).ravel().tolist() == [0, 128, 255, 255]
    assert to_uint8(truncated(pictures)).ravel().tolist() == [0, 127, 254, 255]
