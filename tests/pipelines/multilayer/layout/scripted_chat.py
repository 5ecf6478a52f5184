"""Real chat models of transformers at toy size, one of them with weights that recite a script.

The reciting one is a Llama whose attention and MLP add nothing: a token's embedding is its own
axis, and the head maps each axis to the token that follows. The chat template opens the model's
turns with a mark of their number, so that its second turn can differ from its first.
"""

from itertools import pairwise
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END = "<|end|>"
TURNS = tuple(f"<|turn{number}|>" for number in range(4))
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}<|turn{{ messages | length // 2 }}|>{% endif %}"
)
WITHOUT_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
)
PIECE = 24  # characters of a script that are one token
CONTEXT = 16_384
_CERTAIN = 40.0  # a logit that leaves sampling no choice


def write_chat_model(folder: Path, *scripts: str, template: str | None = TEMPLATE) -> Path:
    """A model that says the first script in its first turn, the last in all later ones.

    Without scripts its weights are random: it answers nonsense.
    """
    letters = sorted(ByteLevel.alphabet())
    pieces = [_pieces(script) for script in scripts]
    words = [*letters, END, *TURNS, *(piece for part in pieces for piece in part)]
    assert len(set(words)) == len(words), "scripts repeat themselves: each token has one successor"
    vocabulary = {word: number for number, word in enumerate(words)}
    _tokenizer(letters, words, template).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=-(-len(words) // 8) * 8 if scripts else 16,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=CONTEXT,
        bos_token_id=None,
        eos_token_id=vocabulary[END],
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    if scripts:
        _teach(model, pieces, vocabulary)
    model.save_pretrained(folder)
    return folder


def _pieces(script: str) -> list[str]:
    return [script[start : start + PIECE] for start in range(0, len(script), PIECE)]


def _tokenizer(
    letters: list[str], words: list[str], template: str | None
) -> PreTrainedTokenizerFast:
    inner = Tokenizer(BPE(vocab={letter: k for k, letter in enumerate(letters)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([END, *TURNS])
    inner.add_tokens(words[len(letters) + 1 + len(TURNS) :])
    assert inner.get_vocab_size() == len(words)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=END, chat_template=template)


def _teach(model: LlamaForCausalLM, pieces: list[list[str]], vocabulary: dict[str, int]) -> None:
    """The weights of the table that follows each token by the next of its script."""
    size = model.config.hidden_size
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(len(vocabulary), size))
        head = model.lm_head.weight.zero_()
        for number, turn in enumerate(TURNS):
            script = [turn, *pieces[min(max(number - 1, 0), len(pieces) - 1)], END]
            for one, following in pairwise(script):
                # RMSNorm turns an axis of length 1 into one of the square root of the width.
                head[vocabulary[following], vocabulary[one]] = _CERTAIN / size**0.5
