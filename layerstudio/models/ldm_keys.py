"""The UNet's tensors under their first names (latent-diffusion's), and under diffusers' names.

Both families, SD 1.5 and SDXL, have two residual layers per block; the arithmetic follows from
how latent-diffusion numbers its blocks: one list down, one list up, samplers counted as layers.
"""

from __future__ import annotations

import re

_DOWN_STRIDE = 3  # two residual layers and a downsampler
_UP_STRIDE = 3  # one more residual layer than on the way down

_TOP = {
    "input_blocks.0.0": "conv_in",
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
}
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.(\d+)\.(.+)")


def diffusers_key(ldm_key: str) -> str | None:
    """``input_blocks.4.1.norm.weight`` to ``down_blocks.1.attentions.0.norm.weight``.

    The prefixes ``model.diffusion_model.`` and ``diffusion_model.`` are taken off first. None
    where the name is not one of such a UNet.
    """
    key = ldm_key.removeprefix("model.").removeprefix("diffusion_model.")
    for old, new in _TOP.items():
        if key.startswith(f"{old}."):
            return f"{new}.{_inside_block(key[len(old) + 1 :])}"
    found = _BLOCK.fullmatch(key)
    if found is None:
        return None
    side, number, part, rest = found[1], int(found[2]), int(found[3]), found[4]
    if side == "input":
        return _down_key(number - 1, part, rest)
    return _up_key(number, part, rest)


def _down_key(number: int, part: int, rest: str) -> str:
    block, layer = divmod(number, _DOWN_STRIDE)
    if rest.startswith("op."):
        return f"down_blocks.{block}.downsamplers.0.conv.{rest[3:]}"
    return f"down_blocks.{block}.{_kind(part)}.{layer}.{_inside_block(rest)}"


def _up_key(number: int, part: int, rest: str) -> str:
    block, layer = divmod(number, _UP_STRIDE)
    if rest.startswith("conv."):
        return f"up_blocks.{block}.upsamplers.0.{rest}"
    return f"up_blocks.{block}.{_kind(part)}.{layer}.{_inside_block(rest)}"


def _kind(part: int) -> str:
    return "resnets" if part == 0 else "attentions"


def _inside_block(rest: str) -> str:
    """Residual layers have other names inside; attention blocks and single layers have not."""
    for old, new in _RESNET.items():
        if rest.startswith(f"{old}."):
            return f"{new}.{rest[len(old) + 1 :]}"
    return rest
