"""An embedding is made once per text and state of its encoders, and never confused."""

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from layerstudio.pipelines.embedding_cache import EmbeddingCache


class Encoder(nn.Module):
    """Counts how often it is asked."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.linear = nn.Linear(4, 6)
        self.calls = 0

    def forward(self, words: str) -> tuple[torch.Tensor, torch.Tensor]:
        self.calls += 1
        codes = torch.tensor([[float(ord(c)) for c in words.ljust(4)[:4]]])
        return self.linear(codes), codes


def ask(cache: EmbeddingCache, encoder: Encoder, words: str) -> tuple[torch.Tensor, ...]:
    return cache.get([encoder], words, lambda: encoder(words), device="cpu")


def test_the_same_words_are_encoded_once():
    cache, encoder = EmbeddingCache(), Encoder()
    first, again = ask(cache, encoder, "ugly"), ask(cache, encoder, "ugly")
    assert encoder.calls == 1
    for a, b, direct in zip(first, again, encoder("ugly"), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, direct)
        assert not a.requires_grad
    first[0].zero_()  # what a caller does to its own copy changes nobody else's
    assert torch.equal(ask(cache, encoder, "ugly")[0], again[0])


def test_the_least_recently_used_goes():
    cache, encoder = EmbeddingCache(capacity=2), Encoder()
    for words in ("a", "b", "a", "c"):
        ask(cache, encoder, words)
    assert (len(cache), encoder.calls) == (2, 3)
    ask(cache, encoder, "a")
    assert encoder.calls == 3
    ask(cache, encoder, "b")
    assert encoder.calls == 4
    cache.clear()
    assert len(cache) == 0


def test_another_encoder_is_another_even_at_the_same_address():
    cache = EmbeddingCache()
    for seed in range(4):  # CPython tends to give the next one the address of the last
        encoder = Encoder(seed)
        found = ask(cache, encoder, "word")[0]
        assert torch.equal(found, encoder("word")[0])
        del encoder


def merge_in_place(encoder: Encoder) -> None:
    with torch.no_grad():
        encoder.linear.weight.add_(1)


def load_other_weights(encoder: Encoder) -> None:
    encoder.load_state_dict(Encoder(9).state_dict())


def add_adapter(encoder: Encoder) -> None:
    config = LoraConfig(r=2, target_modules=["linear"], init_lora_weights=False)
    inject_adapter_in_model(config, encoder)


def add_adapter_and_weaken_it(encoder: Encoder) -> None:
    add_adapter(encoder)
    cache = EmbeddingCache()
    strong = ask(cache, encoder, "word")[0]
    encoder.linear.scale_layer(0.5)
    assert not torch.equal(ask(cache, encoder, "word")[0], strong)
    encoder.linear.enable_adapters(False)
    weight = encoder.linear.base_layer
    assert torch.equal(ask(cache, encoder, "word")[0], weight(encoder("word")[1]))


@pytest.mark.parametrize(
    "change", [merge_in_place, load_other_weights, add_adapter, add_adapter_and_weaken_it]
)
def test_an_encoder_that_changed_is_asked_again(change):
    cache, encoder = EmbeddingCache(), Encoder()
    before = ask(cache, encoder, "word")[0]
    change(encoder)
    after = ask(cache, encoder, "word")[0]
    assert torch.equal(after, encoder("word")[0])
    assert change is add_adapter_and_weaken_it or not torch.equal(after, before)


def test_precision_counts():
    cache, encoder = EmbeddingCache(), Encoder()
    ask(cache, encoder, "word")
    encoder.double()
    found = cache.get([encoder], "word", lambda: (encoder.linear.weight,), device="cpu")
    assert found[0].dtype == torch.float64
