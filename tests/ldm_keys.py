"""From diffusers' names of a network's tensors to those of the original, single-file checkpoints.

The inverse of what loaders do, written out independently, for writing test files in the old
layouts. Two resnets per UNet level, as in SD 1.5 and SDXL.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

State = dict[str, Tensor]
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
OPEN_CLIP = {
    "encoder.layers": "transformer.resblocks",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn": "attn",
    "final_layer_norm": "ln_final",
    "embeddings.token_embedding": "token_embedding",
    "embeddings.position_embedding.weight": "positional_embedding",
}


def ldm_unet_key(key: str, *, attentive: frozenset[str]) -> str:
    """``down_blocks.1.resnets.0.norm1.weight`` becomes ``input_blocks.4.0.in_layers.0.weight``.

    ``attentive`` names the blocks with transformers ("up_blocks.1"): behind one an upsampler is
    the third module of its input block, else the second.
    """
    module, _, kind = key.rpartition(".")
    if module in UNET_ENDS:
        return f"{UNET_ENDS[module]}.{kind}"
    side, rest = key.split("_block", 1)
    if side == "mid":
        _, part, layer, rest = rest.split(".", 3)
        return f"middle_block.{2 * int(layer) if part == 'resnets' else 1}.{_inner(part, rest)}"
    _, block, part, layer, rest = rest.split(".", 4)
    if part == "downsamplers":
        return f"input_blocks.{3 * (int(block) + 1)}.0.{rest.replace('conv', 'op')}"
    if part == "upsamplers":
        place = 2 if f"up_blocks.{block}" in attentive else 1
        return f"output_blocks.{3 * int(block) + 2}.{place}.{rest}"
    index = 3 * int(block) + int(layer) + (1 if side == "down" else 0)
    name = "input_blocks" if side == "down" else "output_blocks"
    return f"{name}.{index}.{0 if part == 'resnets' else 1}.{_inner(part, rest)}"


def _inner(part: str, rest: str) -> str:
    if part != "resnets":
        return rest
    module, kind = rest.split(".")
    return f"{RESNET[module]}.{kind}"


def attentive_blocks(keys: Mapping[str, object]) -> frozenset[str]:
    """The blocks of a UNet that hold transformers, from its keys."""
    found = (re.match(r"((?:down|up)_blocks\.\d+)\.attentions\.", key) for key in keys)
    return frozenset(match.group(1) for match in found if match)


def ldm_unet(state: State) -> State:
    """A whole UNet, or a part of one that holds at least one tensor of each attentive block."""
    attentive = attentive_blocks(state)
    return {ldm_unet_key(key, attentive=attentive): value for key, value in state.items()}


def ldm_vae(state: State) -> State:
    """An AutoencoderKL of four levels; its attention projections become 1 x 1 convolutions."""
    return dict(_ldm_vae_item(key, value) for key, value in state.items())


def _ldm_vae_item(key: str, value: Tensor) -> tuple[str, Tensor]:
    key = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    key = re.sub(
        r"down_blocks\.(\d)\.(resnets|downsamplers\.0)",
        lambda m: f"down.{m[1]}.{'block' if m[2] == 'resnets' else 'downsample'}",
        key,
    )
    key = re.sub(
        r"up_blocks\.(\d)\.(resnets|upsamplers\.0)",
        lambda m: f"up.{3 - int(m[1])}.{'block' if m[2] == 'resnets' else 'upsample'}",
        key,
    )
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    if "mid_block.attentions.0." not in key:
        return key, value
    front, rest = key.split("mid_block.attentions.0.")
    module, _, kind = rest.rpartition(".")
    value = value[:, :, None, None] if value.ndim == 2 else value
    return f"{front}mid.attn_1.{VAE_ATTENTION[module]}.{kind}", value


def open_clip(state: State) -> State:
    """A CLIPTextModelWithProjection; queries, keys and values in one matrix as open_clip has."""
    packed: State = {}
    for key, value in state.items():
        key = key.removeprefix("text_model.")
        if key == "text_projection.weight":
            packed["text_projection"] = value.T
            continue
        for name, old in OPEN_CLIP.items():
            key = key.replace(name, old)
        packed[key] = value
    for key in [key for key in packed if key.endswith("attn.q_proj.weight")]:
        front = key.removesuffix("q_proj.weight")
        for kind in ("weight", "bias"):
            parts = [packed.pop(f"{front}{name}_proj.{kind}") for name in "qkv"]
            packed[f"{front}in_proj_{kind}"] = torch.cat(parts)
    return packed
