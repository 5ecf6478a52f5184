"""How large the networks of each family are and how much running them takes; needs no torch.

All numbers were counted, none guessed: the published shapes built on PyTorch's meta device and run
there under ``memory.activation_peak``; ``tests/models/test_sizes.py`` counts them again. An
activation is linear in the positions that a network works on, because no backend of ours writes
attention scores out: values = per_position * (positions + text tokens). Bytes are values times
the size of one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Family = Literal["sdxl", "sd15", "flux"]
LATENT_SCALE = 8  # pixels of a latent's side: three halvings in every one of these autoencoders


@dataclass(frozen=True)
class Network:
    """``largest_layer`` is what sequential offloading keeps on a device; both in parameters."""

    parameters: int
    largest_layer: int


@dataclass(frozen=True)
class FamilySizes:
    """A family's networks, and values held at the peak of a run of each.

    ``encode_values`` is per prompt, ``denoise_values`` per position of the denoiser and picture of
    the batch. A position is ``pixels_per_position`` pixels wide and high; ``text_positions`` are
    those of the prompt where it goes through the denoiser along with the picture. A float16 run
    decodes in float32 where ``is_vae_upcast``, as the autoencoder's config asks. ``held_…`` are the
    bytes that these networks take up already, and that therefore are not free but theirs.
    """

    encoders: tuple[Network, ...]
    denoiser: Network
    vae: Network
    encode_values: int
    denoise_values: int
    pixels_per_position: int = LATENT_SCALE
    text_positions: int = 0
    half: Literal["float16", "bfloat16"] = "float16"
    is_vae_upcast: bool = False
    held_in_memory: int = 0
    held_on_device: int = 0


_CLIP_L = Network(123_060_480, 37_945_344)
_CLIP_G = Network(694_659_840, 63_242_240)
_T5_XXL = Network(4_762_310_656, 131_596_288)
_VAE_4 = Network(83_653_863, 2_359_808)
_VAE_16 = Network(83_819_683, 2_359_808)

FAMILIES: dict[Family, FamilySizes] = {
    "sdxl": FamilySizes(
        encoders=(_CLIP_L, _CLIP_G),
        denoiser=Network(2_567_463_684, 29_492_480),
        vae=_VAE_4,
        encode_values=4_139_828,
        denoise_values=5_084,
        is_vae_upcast=True,  # its activations leave fp16's range
    ),
    "sd15": FamilySizes(
        encoders=(_CLIP_L,),
        denoiser=Network(859_520_964, 29_492_480),
        vae=_VAE_4,
        encode_values=1_537_844,
        denoise_values=8_339,
        is_vae_upcast=True,  # its config leaves `force_upcast` at diffusers' default
    ),
    "flux": FamilySizes(
        encoders=(_CLIP_L, _T5_XXL),
        denoiser=Network(11_901_408_320, 56_641_536),
        vae=_VAE_16,
        encode_values=50_331_648,
        denoise_values=54_165,
        pixels_per_position=16,  # 2 x 2 latents are one token
        text_positions=512,
        half="bfloat16",  # FLUX and T5 leave fp16's range
    ),
}

# FLUX with a vector per layer. Where prompts of single layers share the sequence, or layers are
# given, each token is modulated by itself, which takes a fifth more than where all are alike.
MULTILAYER = replace(
    FAMILIES["flux"], denoiser=Network(11_901_568_064, 56_641_536), denoise_values=61_542
)
MULTILAYER_DECODER = Network(85_265_920, 2_362_368)
MULTILAYER_DECODER_VALUES = 7_836  # per latent pixel inside boxes

# Per latent pixel and frame: SD 1.5's maps of a condition, one for each attention, made once.
CONDITION_VALUES = 5_640

TRANSPARENCY_DECODER = Network(104_104_804, 4_719_104)
# Per pixel of the picture: the autoencoder's decoder, its encoder takes less (643), and one pass
# of LayerDiffuse's transparency decoder.
VAE_VALUES = 769
TRANSPARENCY_VALUES = 292


def denoise_values(
    sizes: FamilySizes, width: int, height: int, batch: int, tokens: int | None = None
) -> int:
    """Values that one step of sampling holds for ``batch`` pictures, guidance's second included.

    ``tokens`` replaces the canvas's positions where only those inside boxes are computed.
    """
    side = sizes.pixels_per_position
    canvas = -(-width // side) * -(-height // side)
    positions = (tokens or canvas) + sizes.text_positions
    return batch * positions * sizes.denoise_values


def vae_values(width: int, height: int, batch: int, tile: int | None = None) -> int:
    """Values that decoding holds at once.

    In tiles (``tile`` pixels a side, overlapping by a quarter as diffusers' do) it is one tile's
    and all the decoded ones, three channels of (4/3)² times the canvas, beside the canvas itself.
    """
    canvas = width * height * batch
    if tile is None:
        return canvas * VAE_VALUES
    area = min(tile, width) * min(tile, height) * batch
    return area * VAE_VALUES + 3 * canvas + 3 * canvas * 16 // 9


def layer_decoder_values(tokens: int) -> int:
    """Values that the multi-layer transparency decoder holds; a token is 2 x 2 latent pixels."""
    return 4 * tokens * MULTILAYER_DECODER_VALUES


def transparency_values(width: int, height: int, at_once: int, tile: int | None = None) -> int:
    """Values that the transparency decoder holds for ``at_once`` passes in one batch."""
    area = width * height if tile is None else min(tile, width) * min(tile, height)
    return area * at_once * TRANSPARENCY_VALUES
