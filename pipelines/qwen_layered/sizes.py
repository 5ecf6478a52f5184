"""How large Qwen-Image-Layered is and what running it takes; needs no torch.

All numbers were counted: the published shapes on PyTorch's meta device, under
``memory.activation_peak``. ``benchmarks/qwen_layered.py`` counts them again. Values, not bytes:
those are values times the size of one.
"""

from __future__ import annotations

from layerstudio.geometry import Extent

TRANSFORMER = 20_430_407_232  # parameters
TEXT_ENCODER = 8_292_166_656
VAE = 126_897_716

_TOKEN_PIXELS = 16  # of a token's side
_TOKEN_VALUES = 46_100  # held per token at the peak of a pass, 45,257 to 46,092 counted
_TEXT_TOKENS = 512
_DECODE_VALUES = 1_731  # per pixel of a frame; encoding takes 970
_WORD_VALUES = 284_672  # per token of the text encoder, its logits and all hidden states kept
_WORDS = 2_100  # a picture of 1024 x 1024, the template, and 512 words of a caption


def tokens(working: Extent, layers: int) -> int:
    """Tokens in the transformer's sequence: the composite, the layers, the condition, the text."""
    frame = (working.width // _TOKEN_PIXELS) * (working.height // _TOKEN_PIXELS)
    return frame * (layers + 2) + _TEXT_TOKENS


def sample_values(working: Extent, layers: int) -> int:
    """Values that a pass of the transformer holds; both branches of guidance run in turn."""
    return tokens(working, layers) * _TOKEN_VALUES


def decode_values(width: int, height: int) -> int:
    """Values that the autoencoder holds while it decodes one frame."""
    return width * height * _DECODE_VALUES


def encode_values() -> int:
    """Values that the text encoder holds while it looks at a picture and writes a caption."""
    return _WORDS * _WORD_VALUES
