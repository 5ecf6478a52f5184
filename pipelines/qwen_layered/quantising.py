"""Networks made smaller after they were read: weights in float8 or in 4 bits.

Both happen module by module on the CPU, where tensors that are mapped from their file cost nothing
until they are used, so that a network is never in memory twice.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from diffusers.hooks.layerwise_casting import apply_layerwise_casting
from torch import nn

# What stays in full, a hundredth of the transformer: what every token passes through once, where
# errors are seen most, and the text encoder's eye, words and their scores.
_KEPT = (
    "norm", "pos_embed", "proj_out", "img_in", "txt_in", "time_text_embed", "visual", "embed",
    "lm_head",
)  # fmt: skip
_LEAST = 32  # inputs of a matrix worth quantising: half a block of 64


def to_float8(network: nn.Module, dtype: torch.dtype) -> None:
    """Hold the weights in float8 (e4m3) and cast each layer to ``dtype`` while it works.

    Without scales, as published float8 files of this family are. Of bfloat16's 7 bits after the
    point 3 are left, and fewer for numbers below 1/64.
    """
    apply_layerwise_casting(
        network,
        storage_dtype=torch.float8_e4m3fn,
        compute_dtype=dtype,
        skip_modules_pattern=_KEPT,
    )
    _cast_rest(network, dtype)


def to_4bit(network: nn.Module, dtype: torch.dtype) -> None:
    """Matrices as NF4 in blocks of 64 (Dettmers et al. 2023, arXiv:2305.14314), the rest and the
    arithmetic in ``dtype``."""
    for name, module in list(network.named_modules()):
        for child_name, child in list(module.named_children()):
            path = f"{name}.{child_name}"
            if type(child) is nn.Linear and child.in_features >= _LEAST and not _is_kept(path):
                setattr(module, child_name, _quantised(child, dtype))
                del child
    _cast_rest(network, dtype)


def _is_kept(path: str) -> bool:
    return any(re.search(pattern, path) for pattern in _KEPT)


def _cast_rest(network: nn.Module, dtype: torch.dtype) -> None:
    """Everything that was not made smaller."""
    for tensor in [*network.parameters(), *network.buffers()]:
        if tensor.is_floating_point() and tensor.dtype != torch.float8_e4m3fn:
            tensor.data = tensor.data.to(dtype)


def _quantised(linear: nn.Linear, dtype: torch.dtype) -> Any:
    from bitsandbytes.nn import modules

    bitsandbytes: Any = modules  # whose annotations are not those of its own arguments
    small = bitsandbytes.Linear4bit(
        linear.in_features,
        linear.out_features,
        bias=linear.bias is not None,
        compute_dtype=dtype,
        quant_type="nf4",
        compress_statistics=False,
        device="meta",
    )
    weight = linear.weight.data.to(dtype)
    small.weight = bitsandbytes.Params4bit(
        weight, requires_grad=False, quant_type="nf4", compress_statistics=False, module=small
    ).to("cpu")
    small.bias = linear.bias
    return small
