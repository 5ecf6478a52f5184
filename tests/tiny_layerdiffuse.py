"""LayerDiffuse's published files at toy width: their keys and number formats, random values.

``FILES`` maps each published file name to what it holds; ``write_layerdiffuse`` writes one. The
SDXL attention model is the same in its three forms (differences, Forge's factors, a LoRA), and
so are Forge's other SDXL files and their copies under diffusers' names. Values are small enough
to keep a toy network finite and large enough to change what it draws.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import torch
from ldm_keys import State, attentive_blocks, ldm_unet_key
from safetensors.torch import save_file
from tiny_checkpoints import tiny_transformer, tiny_unet, tiny_vae

Shapes = dict[str, tuple[int, ...]]
RANK = 4  # 256 in the published files
LADDER = (8, 8, 16, 16)  # 32, 64, 128, 256: the encoder's widths at H, H/2, H/4, H/8
DECODER = (8, 8, 16, 16, 16, 24, 24)  # 32, 32, 64, 128, 256, 512, 512
ATTENTIVE_LEVEL = 4  # the decoder's first level with attention
SD15_BLOCKS = (
    *(f"down_blocks.{block}.attentions.{layer}" for block in range(3) for layer in range(2)),
    *(f"up_blocks.{block}.attentions.{layer}" for block in range(1, 4) for layer in range(3)),
    "mid_block.attentions.0",
)


def drawn(shapes: Shapes, seed: int, gain: float, *, deltas: bool = False) -> State:
    """Normal values: ``gain / sqrt(fan_in)`` for matrices; norms near 1 unless ``deltas``."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            state[key] = noise * gain / math.sqrt(math.prod(shape[1:]))
        else:
            centre = 1.0 if key.endswith("weight") and not deltas else 0.0
            state[key] = centre + 0.1 * gain * noise
    return state


def halved(state: State, dtype: torch.dtype = torch.float16) -> State:
    """In the files' number format."""
    return {key: value.to(dtype).contiguous() for key, value in state.items()}


# ------------------------------------------------------------------------------------- SDXL UNet


@cache
def sdxl_shapes() -> Shapes:
    """Of the toy SDXL UNet."""
    return {key: tuple(value.shape) for key, value in tiny_unet("sdxl").state_dict().items()}


def forge_key(key: str) -> str:
    """Diffusers' key as Forge's SDXL files write it, without the ``::type::index`` behind it."""
    return f"diffusion_model.{ldm_unet_key(key, attentive=attentive_blocks(sdxl_shapes()))}"


def is_projection(key: str) -> bool:
    """One of an attention's four matrices."""
    ends = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight")
    return ".transformer_blocks." in key and key.endswith(ends)


@cache
def attention_factors() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """(up, down) of every attention projection, by diffusers' key."""
    found = {}
    for index, (key, shape) in enumerate(sdxl_shapes().items()):
        if is_projection(key):
            shapes = {"up": (shape[0], RANK), "down": (RANK, shape[1])}
            pair = halved(drawn(shapes, 100 + index, 0.6))
            found[key] = (pair["up"], pair["down"])
    return found


def sdxl_attention_deltas() -> State:
    """``ld_diffusers_sdxl_attn``: the products of the factors, under diffusers' names."""
    pairs = attention_factors().items()
    return halved({key: up.float() @ down.float() for key, (up, down) in pairs})


def sdxl_attention_forge() -> State:
    """``layer_xl_transparent_attn``: 0 is up, 1 is down."""
    state = {}
    for key, pair in attention_factors().items():
        for index, factor in enumerate(pair):
            state[f"{forge_key(key)}::lora::{index}"] = factor
    return state


def sdxl_attention_lora() -> State:
    """The copy that diffusers' ``load_lora_weights`` takes."""
    state = {}
    for key, (up, down) in attention_factors().items():
        module = f"unet.{key.removesuffix('.weight')}"
        state |= {f"{module}.lora_A.weight": down, f"{module}.lora_B.weight": up}
    return state


def sdxl_deltas(name: str) -> State:
    """Differences under diffusers' names: of the convolution model or a conditional one."""
    extra = {"fg2ble": 4, "bg2ble": 4, "fgble2bg": 8, "bgble2fg": 8}.get(name, 0)
    shapes = {key: shape for key, shape in sdxl_shapes().items() if _has_delta(name, key)}
    wide = shapes["conv_in.weight"]
    shapes["conv_in.weight"] = (wide[0], wide[1] + extra, *wide[2:])
    seed = 200 + ("conv", "fg2ble", "bg2ble", "fgble2bg", "bgble2fg").index(name)
    return halved(drawn(shapes, seed, 0.3, deltas=True))


def _has_delta(name: str, key: str) -> bool:
    if name == "conv":
        return not key.endswith(("to_q.weight", "to_k.weight", "to_v.weight"))
    if "embed" in key:
        return False
    # The published converter of fg2ble knows no transformer's key; that of the others does.
    return name != "fg2ble" or ".attentions." not in key


def sdxl_deltas_forge(name: str) -> State:
    """The same in Forge's layout."""
    return {f"{forge_key(key)}::diff::0": value for key, value in sdxl_deltas(name).items()}


# ------------------------------------------------------------------------- encoder and decoder


def encoder_shapes(channels: int) -> Shapes:
    """Nine convolutions at the even places of one sequence."""
    a, b, c, d = LADDER
    pairs = ((4, a), (a, a), (a, b), (b, b), (b, c), (c, c), (c, d), (d, d), (d, channels))
    shapes: Shapes = {}
    for index, (inner, outer) in enumerate(pairs):
        shapes |= _conv(f"blocks.{2 * index}", inner, outer)
    return shapes


def encoder_state(channels: int, seed: int) -> State:
    """The last convolution is small, because its answer is multiplied by 300."""
    state = drawn(encoder_shapes(channels), seed, 1.2)
    return {key: v / 300 if key.startswith("blocks.16.") else v for key, v in state.items()}


def decoder_shapes(channels: int) -> Shapes:
    """A UNet of seven levels, the latent joining before the fourth."""
    shapes = _conv("conv_in", 3, DECODER[0])
    shapes |= _conv("latent_conv_in", channels, DECODER[2], 1)
    for level, width in enumerate(DECODER):
        shapes |= _down(level, DECODER[max(level - 1, 0)], width)
        shapes |= _up(level)
    for index in range(2):
        shapes |= _resnet(f"mid_block.resnets.{index}", DECODER[-1], DECODER[-1])
    shapes |= _attention("mid_block.attentions.0", DECODER[-1])
    return shapes | _norm("conv_norm_out", DECODER[0]) | _conv("conv_out", DECODER[0], 4)


def decoder_state(channels: int, seed: int) -> State:
    """Its answers lie around one half, so that clipping leaves something to compare."""
    state = drawn(decoder_shapes(channels), seed, 0.8)
    state["conv_out.weight"] *= 0.25
    state["conv_out.bias"][:] = 0.5
    return state


def _conv(name: str, inner: int, outer: int, size: int = 3) -> Shapes:
    return {f"{name}.weight": (outer, inner, size, size), f"{name}.bias": (outer,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _linear(name: str, inner: int, outer: int) -> Shapes:
    return {f"{name}.weight": (outer, inner), f"{name}.bias": (outer,)}


def _resnet(name: str, inner: int, outer: int) -> Shapes:
    shapes = _norm(f"{name}.norm1", inner) | _conv(f"{name}.conv1", inner, outer)
    shapes |= _norm(f"{name}.norm2", outer) | _conv(f"{name}.conv2", outer, outer)
    return shapes | (_conv(f"{name}.conv_shortcut", inner, outer, 1) if inner != outer else {})


def _attention(name: str, width: int) -> Shapes:
    shapes = _norm(f"{name}.group_norm", width)
    for part in ("to_q", "to_k", "to_v", "to_out.0"):
        shapes |= _linear(f"{name}.{part}", width, width)
    return shapes


def _down(level: int, inner: int, outer: int) -> Shapes:
    name, shapes = f"down_blocks.{level}", {}
    for layer in range(2):
        shapes |= _resnet(f"{name}.resnets.{layer}", outer if layer else inner, outer)
        if level >= ATTENTIVE_LEVEL:
            shapes |= _attention(f"{name}.attentions.{layer}", outer)
    return shapes | (_conv(f"{name}.downsamplers.0.conv", outer, outer) if level < 6 else {})


def _up(index: int) -> Shapes:
    name, shapes = f"up_blocks.{index}", {}
    widths = DECODER[::-1]
    before, outer, after = widths[max(index - 1, 0)], widths[index], widths[min(index + 1, 6)]
    for layer in range(3):
        inner = (before if layer == 0 else outer) + (after if layer == 2 else outer)
        shapes |= _resnet(f"{name}.resnets.{layer}", inner, outer)
        if index <= 6 - ATTENTIVE_LEVEL:
            shapes |= _attention(f"{name}.attentions.{layer}", outer)
    return shapes | (_conv(f"{name}.upsamplers.0.conv", outer, outer) if index < 6 else {})


# -------------------------------------------------------------------------------------- SD 1.5


def sharing_shapes(frames: int, *, control: bool) -> Shapes:
    """The 32 units in the order of the original UNet's blocks, each pair self then cross."""
    shapes: Shapes = {}
    for index, (width, context) in enumerate(_attention_widths()):
        name = f"hookers.layers.{index}"
        for part, inner in (("q", width), ("k", context), ("v", context), ("out", width)):
            for frame in range(frames):
                shapes[f"{name}.to_{part}_lora.{frame}.down.weight"] = (RANK, inner)
                shapes[f"{name}.to_{part}_lora.{frame}.up.weight"] = (width, RANK)
        for part in "iqkvo":
            shapes |= _linear(f"{name}.temporal_{part}", width, width)
        shapes |= _norm(f"{name}.temporal_n", width)
        for frame in range(frames if control else 0):
            shapes |= _conv(f"{name}.control_convs.{frame}.0", LADDER[3], LADDER[3])
            shapes |= _conv(f"{name}.control_convs.{frame}.2", LADDER[3], width, 1)
    return shapes | (control_shapes() if control else {})


def control_shapes() -> Shapes:
    """The encoder of the given picture: the ladder for three channels, then three halvings."""
    ladder = {f"kwargs_encoder.blocks_0.{k[7:]}": v for k, v in encoder_shapes(1).items()}
    shapes = {key: value for key, value in ladder.items() if ".16." not in key}
    shapes |= _conv("kwargs_encoder.blocks_0.0", 3, LADDER[0])
    for level in range(1, 4):
        for place in (0, 2):
            shapes |= _conv(f"kwargs_encoder.blocks_{level}.{place}", LADDER[3], LADDER[3])
    return shapes


def _attention_widths() -> Iterator[tuple[int, int]]:
    unet = tiny_unet("sd15")
    for block in SD15_BLOCKS:
        for part in ("attn1", "attn2"):
            unit = unet.get_submodule(f"{block}.transformer_blocks.0.{part}")
            yield unit.to_q.out_features, unit.to_k.in_features


def sharing_state(frames: int, *, control: bool, seed: int) -> State:
    """The temporal answer is kept small beside the attention's own."""
    return halved(drawn(sharing_shapes(frames, control=control), seed, 0.5))


# ---------------------------------------------------------------------------------------- FLUX


def flux_lora() -> State:
    """Diffusers' LoRA of every attention projection, single and double blocks."""
    shapes: Shapes = {}
    for key, value in tiny_transformer().state_dict().items():
        if ".attn." in key and key.endswith(".weight") and value.ndim == 2:
            module = f"transformer.{key.removesuffix('.weight')}"
            shapes[f"{module}.lora_A.weight"] = (RANK, value.shape[1])
            shapes[f"{module}.lora_B.weight"] = (value.shape[0], RANK)
    return halved(drawn(shapes, 400, 0.6), torch.bfloat16)


def flux_transparent_vae(*, with_vae: bool = False) -> State:
    """Encoder and decoder for 16 channels; ``with_vae`` adds FLUX's own, as ``sd_vae.*``."""
    parts = {"encoder": encoder_state(16, 401), "decoder": decoder_state(16, 402)}
    if with_vae:
        parts["sd_vae"] = tiny_vae("flux").state_dict()
    return {f"{part}.{key}": value for part, state in parts.items() for key, value in state.items()}


# --------------------------------------------------------------------------------------- files

FILES: dict[str, Callable[[], State]] = {
    "ld_diffusers_sdxl_attn.safetensors": sdxl_attention_deltas,
    "ld_diffusers_sdxl_vae_transparent_encoder.safetensors": lambda: halved(encoder_state(4, 301)),
    "ld_diffusers_sdxl_vae_transparent_decoder.safetensors": lambda: halved(decoder_state(4, 302)),
    "layer_xl_transparent_attn.safetensors": sdxl_attention_forge,
    "layer_xl_transparent_conv.safetensors": lambda: sdxl_deltas_forge("conv"),
    "layer_xl_fg2ble.safetensors": lambda: sdxl_deltas_forge("fg2ble"),
    "layer_xl_bg2ble.safetensors": lambda: sdxl_deltas_forge("bg2ble"),
    "layer_xl_fgble2bg.safetensors": lambda: sdxl_deltas_forge("fgble2bg"),
    "layer_xl_bgble2fg.safetensors": lambda: sdxl_deltas_forge("bgble2fg"),
    "vae_transparent_encoder.safetensors": lambda: halved(encoder_state(4, 301)),
    "vae_transparent_decoder.safetensors": lambda: halved(decoder_state(4, 302)),
    "diffuser_layer_xl_transparent_attn.safetensors": sdxl_attention_lora,
    "diffuser_layer_xl_transparent_conv.safetensors": lambda: sdxl_deltas("conv"),
    "diffuser_layer_xl_fg2ble.safetensors": lambda: sdxl_deltas("fg2ble"),
    "diffuser_layer_xl_bg2ble.safetensors": lambda: sdxl_deltas("bg2ble"),
    "diffuser_layer_xl_fgble2bg.safetensors": lambda: sdxl_deltas("fgble2bg"),
    "diffuser_layer_xl_bgble2fg.safetensors": lambda: sdxl_deltas("bgble2fg"),
    "layer_sd15_transparent_attn.safetensors": lambda: sharing_state(1, control=False, seed=311),
    "layer_sd15_joint.safetensors": lambda: sharing_state(3, control=False, seed=312),
    "layer_sd15_fg2bg.safetensors": lambda: sharing_state(2, control=True, seed=313),
    "layer_sd15_bg2fg.safetensors": lambda: sharing_state(2, control=True, seed=314),
    "layer_sd15_vae_transparent_encoder.safetensors": lambda: halved(encoder_state(4, 303)),
    "layer_sd15_vae_transparent_decoder.safetensors": lambda: halved(decoder_state(4, 304)),
    "layerlora.safetensors": flux_lora,
    "TransparentVAE.pth": flux_transparent_vae,
}


def write_layerdiffuse(folder: Path, name: str) -> Path:
    """The published file of that name, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path, state = folder / name, FILES[name]()
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    return path
