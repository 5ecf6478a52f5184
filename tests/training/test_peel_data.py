"""Examples of ``peel``: reproducible, true to their design, and without any reserved clip art."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from layerstudio.document import Layer, Role
from layerstudio.geometry import Bounds
from layerstudio.models.peel_network import CELL, STRIDE, PeelNetwork, PeelSize, network_input
from training.assets import Assets
from training.designs import make_design
from training.loop import rate_share
from training.peel_data import KINDS, Examples, truth_of
from training.peel_loss import losses, tensors
from training.peel_run import Run, Settings
from training.splits import split_of


@pytest.fixture(scope="module")
def assets() -> Assets:
    return Assets.bundled()


def layer(role, box, colour, alpha=255):
    pixels = np.full((box.height, box.width, 4), (*colour, alpha), np.uint8)
    return Layer(role.value, box, pixels, role=role)


def test_nothing_that_is_trained_on_is_reserved(assets):
    for names in (assets.sprite_names, assets.photograph_names, assets.font_names):
        assert names("train") and {split_of(name) for name in names("train")} == {"train"}
    reserved = {
        name.rsplit(".", 1)[0] for name in assets.sprites.names() if split_of(name) != "train"
    }
    for seed in range(6):
        placed = make_design(seed, "train", assets=assets).placed
        drawn = {line.removeprefix("object: ") for line in placed if line.startswith("object: ")}
        assert drawn and not drawn & reserved


def test_truth_names_the_topmost_layer_and_who_lies_above_where_two_touch():
    canvas = Bounds(0, 0, 61, 47)
    layers = [
        layer(Role.BACKGROUND, canvas, (9, 9, 9)),
        layer(Role.SHAPE, Bounds(40, 0, 21, 20), (80, 80, 200), alpha=120),
        layer(Role.OBJECT, Bounds(5, 10, 20, 30), (200, 0, 0)),
        layer(Role.SHADOW, Bounds(18, 8, 20, 30), (0, 0, 0), alpha=51),
        layer(Role.OBJECT, Bounds(20, 12, 15, 22), (0, 200, 0)),
        layer(Role.TEXT, Bounds(42, 4, 6, 6), (255, 255, 255)),
    ]
    truth = truth_of(layers, canvas)
    assert KINDS[truth.kind[20, 22]] == "object" and KINDS[truth.kind[5, 44]] == "text"
    assert truth.veil[5, 44] and truth.veil[15, 50] and not truth.veil[40, 50]
    assert truth.shadow[9, 30] == pytest.approx(0.2) and truth.shadow[20, 25] == 0
    assert truth.border[20, 20] and not truth.border[20, 34]
    assert truth.near[20, 18] and not truth.upper[20, 18] and truth.upper[20, 21]


def test_examples_depend_on_the_step_alone(assets):
    first, second = (Examples(3, assets, 256, 50) for _ in range(2))
    first.batch(0, 2)
    ours, theirs = first.batch(2, 3), second.batch(2, 3)
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(one.inputs, other.inputs) and np.array_equal(one.wanted, other.wanted)
    example = ours[0]
    side = 256 // CELL
    assert example.inputs.shape == example.wanted.shape == (8, side, side)
    assert np.allclose(example.wanted[:4].sum(0)[example.weight[0] > 0], 1, atol=2e-3)


def test_features_tell_equal_neighbours_from_nearly_equal_ones():
    flat = np.full((12, 20, 3), 90, np.uint8)
    grained = flat + np.random.default_rng(0).integers(0, 2, flat.shape, dtype=np.uint8)
    assert network_input(flat)[4].min() == 1
    assert network_input(grained)[4].mean() < 0.5
    assert np.abs(network_input(flat)[:4] - network_input(grained)[:4]).max() < 0.02


def test_a_network_is_read_off_its_shapes_and_learns():
    size = PeelSize((8, 8, 12, 12), (1, 2, 1, 1), (1, 1, 2))
    torch.manual_seed(0)
    network = PeelNetwork(size)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert PeelSize.of(shapes) == size
    inputs = torch.rand(2, 8, STRIDE, 2 * STRIDE)
    wanted = torch.zeros(2, 8, STRIDE, 2 * STRIDE)
    wanted[:, 1] = 1
    batch = {"inputs": inputs, "wanted": wanted, "weight": torch.ones(2, 3, *inputs.shape[2:])}
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    seen = []
    for _ in range(12):
        found = losses(network(inputs), batch)["total"]
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        seen.append(float(found.detach()))
    assert seen[-1] < 0.6 * seen[0]


def test_tensors_stack_examples(assets):
    batch = tensors(Examples(5, assets, 256, 50).batch(0, 2))
    assert {name: value.shape[0] for name, value in batch.items()} == dict.fromkeys(batch, 2)


def test_the_rate_rises_stays_and_falls():
    shares = [rate_share(step, 1000, 0.3) for step in (0, 50, 99, 500, 850, 999)]
    assert shares[0] < shares[1] < shares[2] == shares[3] == 1 > shares[4] > shares[5] > 0


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    def run(name, steps):
        settings = Settings(
            out=str(tmp_path / name), steps=steps, batch=1, side=256, every=2, assets="pack"
        )
        made = Run(settings)
        return made, list(made.train())

    assert run("a", 2)[1] == [2]
    resumed, steps = run("a", 4)
    assert steps == [4] and resumed.step == 4
    assert run("a", 4)[1] == []
