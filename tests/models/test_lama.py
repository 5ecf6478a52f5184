"""LaMa against the published generator, under weights drawn from their names."""

import pytest
import torch
from seeded import listed_shapes, parity_tensors
from tiny_mattes import tiny_lama

from layerstudio.errors import MismatchedWeights
from layerstudio.models.lama import BIG_LAMA, Lama, LamaSize

torch.set_num_threads(1)
TOLERANCE = 1e-5  # measured: 1e-7


def test_keys_and_shapes_are_the_published_ones():
    expected = listed_shapes("lama_big")
    with torch.device("meta"):
        network = Lama()
    assert {k: tuple(t.shape) for k, t in network.state_dict().items()} == expected
    assert LamaSize.of(expected) == BIG_LAMA


def test_prediction_is_the_published_one():
    tensors = parity_tensors("lama_small")
    picture, mask = tensors["image"], tensors["mask"]
    with torch.inference_mode():
        made = tiny_lama()(picture, mask)
    assert (made - tensors["predicted"]).abs().max() < TOLERANCE
    whole = mask * made + (1 - mask) * picture
    assert (whole - tensors["inpainted"]).abs().max() < TOLERANCE


def test_pictures_of_a_batch_are_strangers():
    generator = torch.Generator().manual_seed(2)
    pictures = torch.rand(3, 3, 24, 40, generator=generator)
    masks = (torch.rand(3, 1, 24, 40, generator=generator) > 0.6).float()
    network = tiny_lama()
    with torch.inference_mode():
        together = network(pictures, masks)
        alone = torch.cat([network(pictures[i : i + 1], masks[i : i + 1]) for i in range(3)])
    assert together.shape == (3, 3, 24, 40)
    assert (together - alone).abs().max() < 1e-6


def test_what_a_hole_hides_is_not_seen():
    generator = torch.Generator().manual_seed(3)
    picture, other = torch.rand(2, 1, 3, 32, 32, generator=generator)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:20, 4:28] = 1
    other = mask * other + (1 - mask) * picture
    network = tiny_lama()
    with torch.inference_mode():
        assert torch.equal(network(picture, mask), network(other, mask))


@pytest.mark.parametrize("prefix", ["", "generator.", "model.generator.", "module.generator."])
def test_generator_is_found_among_other_networks(prefix):
    state = {prefix + key: tensor for key, tensor in tiny_lama().state_dict().items()}
    if prefix:
        state["discriminator.model0.0.weight"] = torch.ones(2)
    network = Lama.from_published(state)
    expected = tiny_lama().state_dict()
    assert all(torch.equal(tensor, expected[k]) for k, tensor in network.state_dict().items())
    assert network.size == tiny_lama().size and not network.training


def test_half_precision_transforms_any_size():
    """Half precision has Fourier transforms of powers of two only; 3 x 5 features have none."""
    picture, mask = torch.rand(1, 3, 24, 40), torch.zeros(1, 1, 24, 40)
    network = tiny_lama()
    with torch.inference_mode():
        expected = network(picture, mask)
        found = tiny_lama().to(torch.bfloat16)(picture.bfloat16(), mask.bfloat16())
    assert (found.float() - expected).abs().max() < 0.05


def test_what_is_no_lama_is_named():
    state = tiny_lama().state_dict()
    del state["model.6.conv2.ffc.convg2g.fu.bn.weight"]
    with pytest.raises(MismatchedWeights, match=r"LaMa.*fu\.bn\.weight is missing"):
        Lama.from_published(state)
    with pytest.raises(MismatchedWeights, match=r"model\.1\.ffc\.convl2l\.weight is missing"):
        Lama.from_published({"weight": torch.zeros(3)})
