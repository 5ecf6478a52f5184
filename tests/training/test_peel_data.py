"""Examples of ``peel``: reproducible, true to their design, and without any reserved clip art."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from layerstudio.document import Layer, Role
from layerstudio.geometry import Bounds
from layerstudio.models.peel_network import PeelNetwork, PeelSize
from layerstudio.ops.peel_forward import STRIDE, FoldedNetwork
from layerstudio.ops.square_features import CELL, square_features
from training.assets import Assets
from training.designs import make_design
from training.loop import rate_share
from training.peel_data import KINDS, Examples, truth_of
from training.peel_loss import losses, tensors
from training.peel_run import Run, Settings
from training.peel_variation import crowded, headlined
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
    assert truth.owned[20, 22] and not truth.owned[5, 44] and not truth.owned[45, 3]
    across, down = truth.away[:, 15, 21]
    assert (21 + across, 15 + down) == pytest.approx((27, 22.5))  # columns 20 to 34, rows 12 to 33


def test_examples_depend_on_the_step_alone(assets):
    first, second = (Examples(3, assets, 256, 50) for _ in range(2))
    first.batch(0, 2)
    ours, theirs = first.batch(2, 3), second.batch(2, 3)
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(one.inputs, other.inputs) and np.array_equal(one.wanted, other.wanted)
    example = ours[0]
    side = 256 // CELL
    assert example.inputs.shape == (8, side, side)
    assert example.wanted.shape == (10, side, side) and example.weight.shape == (4, side, side)
    assert np.allclose(example.wanted[:4].sum(0)[example.weight[0] > 0], 1, atol=2e-3)


def test_mirrored_drawings_point_to_mirrored_middles(assets):
    """Wherever a window is cut and whichever way round, all squares of one drawing agree."""
    for step in range(4):
        for example in Examples(11, assets, 256, 50).batch(step, 4):
            owned = example.weight[3] > 0
            side = example.wanted.shape[1]
            rows, cols = np.indices((side, side))
            middles = np.stack([
                4 * cols[owned] + 1.5 + 128 * example.wanted[8][owned].astype(np.float32),
                4 * rows[owned] + 1.5 + 128 * example.wanted[9][owned].astype(np.float32),
            ])  # fmt: skip
            places = {tuple(place) for place in np.rint(middles.T / 6).astype(int)}
            assert len(places) <= 4 * 14  # a rounding apart, of at most 14 drawings


def test_harder_designs_hold_the_train_split_alone_and_what_they_held(assets):
    trained = set(assets.sprite_names("train"))
    asked = []

    class Watched(Assets):
        def sprite(self, name, side):
            asked.append(name)
            return super().sprite(name, side)

    watched = Watched(assets.sprites)
    for seed in range(6):
        design = make_design(seed, "train", assets=assets)
        layers, extent = list(design.document.layers), design.document.extent
        rng = np.random.default_rng(seed)
        more = crowded(layers, extent, watched, rng)
        assert [layer for layer in more if layer in layers] == layers
        added = [layer for layer in more if layer not in layers]
        assert all(layer.role in (Role.OBJECT, Role.SHADOW) for layer in added)
        for below, layer in itertools.pairwise(more):
            if below.name == "shadow":
                assert layer.name == "companion"
        titled = headlined(layers, extent, watched, rng)
        assert [layer.role for layer in titled if layer not in layers] == [Role.TEXT]
    assert asked and set(asked) <= trained


def test_features_tell_equal_neighbours_from_nearly_equal_ones():
    flat = np.full((12, 20, 3), 90, np.uint8)
    grained = flat + np.random.default_rng(0).integers(0, 2, flat.shape, dtype=np.uint8)
    assert square_features(flat)[4].min() == 1
    assert square_features(grained)[4].mean() < 0.5
    assert np.abs(square_features(flat)[:4] - square_features(grained)[:4]).max() < 0.02


def test_a_network_is_read_off_its_shapes_and_learns():
    size = PeelSize((8, 8, 12, 12), (1, 2, 1, 1), (1, 1, 2))
    torch.manual_seed(0)
    network = PeelNetwork(size)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert PeelSize.of(shapes) == size
    inputs = torch.rand(2, 8, STRIDE, 2 * STRIDE)
    wanted = torch.zeros(2, 10, STRIDE, 2 * STRIDE)
    wanted[:, 1] = 1
    batch = {"inputs": inputs, "wanted": wanted, "weight": torch.ones(2, 4, *inputs.shape[2:])}
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    seen = []
    for _ in range(12):
        found = losses(network(inputs), batch)["total"]
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        seen.append(float(found.detach()))
    assert seen[-1] < 0.6 * seen[0]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999), rows=st.integers(1, 3), cols=st.integers(1, 3))
def test_what_is_learned_runs_without_torch_as_with_it(seed, rows, cols):
    torch.manual_seed(seed)
    size = PeelSize((8, 12, 8, 12), (1, 2, 1, 1), (1, 1, 2))
    network = PeelNetwork(size)
    features = torch.randn(2, 8, rows * STRIDE, cols * STRIDE)
    network(3 * features + 1)  # so that its batch norms have seen something
    network.eval()
    state = {k: np.float32(v.numpy()) for k, v in network.state_dict().items()}
    with torch.inference_mode():
        wanted = network(features[:1])[0].numpy()
    found = FoldedNetwork.of(state)(features[0].numpy())
    assert np.abs(found - wanted).max() <= 1e-4 * max(1.0, np.abs(wanted).max())


def test_tensors_stack_examples(assets):
    batch = tensors(Examples(5, assets, 256, 50).batch(0, 2))
    assert {name: value.shape[0] for name, value in batch.items()} == dict.fromkeys(batch, 2)


def test_the_rate_rises_stays_and_falls():
    shares = [rate_share(step, 1000, 0.3) for step in (0, 50, 99, 500, 850, 999)]
    assert shares[0] < shares[1] < shares[2] == shares[3] == 1 > shares[4] > shares[5] > 0


def test_a_run_may_begin_with_the_weights_of_a_network_of_fewer_outputs(tmp_path):
    torch.manual_seed(3)
    state = PeelNetwork().state_dict()
    fewer = {k: v[:-8] if k.startswith("head.") else v for k, v in state.items()}
    save_file(fewer, tmp_path / "fewer.safetensors")
    chosen = Settings(
        out=str(tmp_path), start=str(tmp_path / "fewer.safetensors"), assets="pack", side=256
    )
    head = Run(chosen).average.head.weight
    assert torch.equal(head[:-8], state["head.weight"][:-8]) and not head[-8:].any()


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    def run(name, steps):
        chosen = Settings(
            out=str(tmp_path / name), steps=steps, batch=1, side=256, every=2, assets="pack"
        )
        made = Run(chosen)
        return made, list(made.train())

    assert run("a", 2)[1] == [2]
    resumed, steps = run("a", 4)
    assert steps == [4] and resumed.step == 4
    assert run("a", 4)[1] == []
