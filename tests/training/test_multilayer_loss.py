"""What is learned from a document: times, tasks, noise, and the loss against a hand computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from seeded import seed_module

from layerstudio.document import Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.multilayer_dit import Conditions, MultiLayerTransformer
from training.multilayer_batches import Batch, Items, drawn_time
from training.multilayer_codec import PatchCodec
from training.multilayer_data import Example, example_of
from training.multilayer_loss import flow_loss, noisy, packing_of
from training.multilayer_settings import Settings
from training.multilayer_tasks import TASKS, Task, clean_entries, shown_entries
from training.multilayer_text import HashedWords

NETWORK = {
    "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
    "joint_attention_dim": 64, "pooled_projection_dim": 64, "axes_dims_rope": [4, 6, 6],
    "max_layer_num": 12,
}  # fmt: skip
SHARED = {"network": NETWORK, "merge": 0.0, "batch": 1, "seed": 3}


class Drawn:
    """A few stacks of noise of different sizes."""

    size = 5

    def __init__(self) -> None:
        self._examples = [_stack(number) for number in range(self.size)]

    def example(self, number: int) -> Example:
        return self._examples[number]


def _stack(number: int) -> Example:
    rng = np.random.default_rng(number)
    canvas = Extent(48 + 16 * (number % 2), 32)
    boxes = [Bounds.full(canvas), *(Bounds(9 * k, 3 * k, 20, 18) for k in range(number % 4))]
    layers = []
    for k, box in enumerate(boxes):
        pixels = rng.integers(1, 256, (box.height, box.width, 4)).astype(np.uint8)
        pixels[..., 3] |= 255 if k == 0 else 1
        layers.append((Layer(f"layer {k}", box, pixels), f"caption {k}"))
    return example_of(canvas, layers, f"stack number {number}")


@pytest.fixture(scope="module")
def source() -> Drawn:
    return Drawn()


@pytest.fixture(scope="module")
def codec(source) -> PatchCodec:
    return PatchCodec.fitted(source.example(number) for number in range(source.size))


@pytest.fixture(scope="module")
def network() -> MultiLayerTransformer:
    made = MultiLayerTransformer(**NETWORK)
    seed_module(made, 1, 0.7)
    return made


def items(source, codec, **changes) -> Items:
    return Items(source, codec, HashedWords(), Settings(**{**SHARED, **changes}))


def only(task: Task) -> dict[str, float]:
    return {f"{name}_share": float(name == task) for name in TASKS} | {"caption_share": 0.0}


class TestItems:
    def test_a_position_is_always_the_same_document(self, source, codec):
        one, other = items(source, codec), items(source, codec)
        other.at(2)
        for position in (0, 7):
            first, second = one.at(position), other.at(position)
            assert torch.equal(first.noise, second.noise) and first.time == second.time
            assert torch.equal(first.clean, second.clean)
            assert first.task == second.task and first.regions == second.regions
        assert not torch.equal(one.at(0).noise[:6], one.at(source.size).noise[:6])

    def test_an_epoch_holds_every_example_once(self, source, codec):
        made = items(source, codec, drop=0.0, **only("text"))
        texts = [made.at(position).text.pooled for position in range(2 * source.size)]
        wanted = [HashedWords().read(f"stack number {k}").pooled for k in range(source.size)]
        orders = []
        for epoch in (texts[: source.size], texts[source.size :]):
            order = [next(k for k, w in enumerate(wanted) if torch.equal(w, t)) for t in epoch]
            assert sorted(order) == list(range(source.size))
            orders.append(order)
        assert orders[0] != orders[1]

    def test_prompts_are_dropped_at_their_rate(self, source, codec):
        made = items(source, codec, drop=0.25, **only("text"))
        empty = sum(not bool(made.at(k).text.pooled.any()) for k in range(400))
        assert 70 <= empty <= 130

    def test_a_single_layer_with_its_caption(self, source, codec):
        made = items(source, codec, drop=0.0, caption_share=1.0)
        for position in range(6):
            item = made.at(position)
            (layer,) = (k for k, box in enumerate(item.regions.boxes) if box)
            assert layer >= 1 and len(item.tokens) == item.regions.count
            assert torch.equal(item.text.pooled, HashedWords().read(f"caption {layer - 1}").pooled)

    def test_foregrounds_weigh_more_if_asked(self, source, codec):
        item = items(source, codec, foreground=3.0, **only("text")).at(0)
        layers = item.regions.ids[:, 0]
        assert set(item.weight[layers < 2].tolist()) == {1.0}
        assert set(item.weight[layers >= 2].tolist()) <= {3.0}


class TestTasks:
    def test_clean_entries_of_each(self):
        rng = np.random.default_rng(0)
        for count in range(3, 9):
            assert clean_entries("text", count, rng) == frozenset()
            assert clean_entries("picture", count, rng) == {0}
            seen = [clean_entries("layers", count, rng) for _ in range(60)]
            for given in seen:
                assert 0 not in given and 0 < len(given) < count - 1
            assert frozenset().union(*seen) == set(range(1, count))
            assert 0 < len(shown_entries("layers", count)) < count - 1
        assert clean_entries("layers", 2, rng) == frozenset()

    def test_clean_tokens_are_those_of_the_entries(self, source, codec):
        item = items(source, codec, **only("picture")).at(0)
        assert torch.equal(item.clean, item.regions.ids[:, 0] == 0)


class TestTimes:
    def test_inference_times_are_the_pipelines(self):
        rng = np.random.default_rng(0)
        drawn = {drawn_time("inference", 300, rng) for _ in range(800)}
        assert len(drawn) == 28 and max(drawn) == 1.0 and min(drawn) > 0

    def test_logit_normal_is_shifted_by_the_tokens(self):
        rng = np.random.default_rng(0)
        for tokens, shift in ((256, 0.5), (4096, 1.15)):
            drawn = [drawn_time("logit-normal", tokens, rng) for _ in range(4000)]
            # The median of an unshifted one is a half: e^s 0.5 / (1 + (e^s - 1) 0.5).
            assert np.median(drawn) == pytest.approx(1 / (1 + np.exp(-shift)), abs=0.02)


class TestLoss:
    @pytest.fixture(params=TASKS)
    def batch(self, request, source, codec) -> Batch:
        made = items(source, codec, foreground=2.0, **only(request.param))
        return Batch.of([made.at(position) for position in range(3)])

    def test_equals_the_sum_by_hand_document_by_document(self, network, batch):
        loss = flow_loss(network, packing_of(network, batch), batch)
        total, weight, start, start_text = 0.0, 0.0, 0, 0
        for k, count in enumerate(batch.counts):
            own = slice(start, start + count)
            words = slice(start_text, start_text + batch.text_lengths[k])
            start, start_text = own.stop, words.stop
            x0, noise, clean = batch.tokens[0, own], batch.noise[0, own], batch.clean[own]
            time = float(batch.times[k])
            mixed = (1 - time) * x0 + time * noise
            mixed[clean] = x0[clean]
            packing = network.pack([batch.regions[k]], [batch.text_lengths[k]]).with_clean(clean)
            velocity = network(
                mixed[None], packing,
                Conditions(batch.text[:, words], batch.pooled[k : k + 1], batch.times[k : k + 1],
                           torch.ones(1)),
            )[0]  # fmt: skip
            error = ((velocity - (noise - x0)) ** 2).mean(1)[~clean] * batch.weight[own][~clean]
            assert float(loss.by_document[k]) == pytest.approx(
                float(error.sum() / batch.weight[own][~clean].sum()), rel=1e-4
            )
            total += float(error.sum())
            weight += float(batch.weight[own][~clean].sum())
        assert float(loss.value) == pytest.approx(total / weight, rel=1e-4)

    def test_clean_tokens_see_no_noise_and_are_not_judged(self, network, batch):
        assert torch.equal(noisy(batch)[0, batch.clean], batch.tokens[0, batch.clean])
        packing = packing_of(network, batch)
        assert packing.has_clean == bool(batch.clean.any())
        before = float(flow_loss(network, packing, batch).value)
        batch.noise[0, batch.clean] += 5
        assert float(flow_loss(network, packing, batch).value) == before
        batch.noise[0, ~batch.clean] += 5
        assert float(flow_loss(network, packing, batch).value) != before


class TestHashedWords:
    def test_same_words_same_vectors_other_places_other_tokens(self):
        reader = HashedWords(16, longest=3)
        one, other = reader.read("red fish"), reader.read("Fish red")
        assert one.tokens.shape == (1, 2, 16) and one.pooled.shape == (1, 16)
        assert torch.allclose(one.pooled, other.pooled, atol=1e-6)
        assert not torch.allclose(one.tokens.flip(1), other.tokens)
        assert reader.read("a b c d e").tokens.shape == (1, 3, 16)
        assert not reader.read("").tokens.any() and reader.read("").tokens.shape == (1, 1, 16)
