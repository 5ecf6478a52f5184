"""GGUF files of the transformer: what is in them, and what diffusers leaves to do after reading."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.quantizers.gguf.utils import GGUFLinear, GGUFParameter, dequantize_gguf_tensor
from torch import nn

from layerstudio.errors import UnreadableFile
from layerstudio.models.tensor_file import FETCH_AGAIN


def gguf_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by key, without reading a tensor. The format counts axes from the fastest.

    Raises ``UnreadableFile`` for a file that is cut short or of another format.
    """
    from gguf import GGUFReader

    try:
        tensors = GGUFReader(path).tensors
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise UnreadableFile(
            f"{path.name!r} is truncated or is not a GGUF file.", advice=FETCH_AGAIN
        ) from error
    return {
        tensor.name: tuple(int(side) for side in reversed(tensor.shape.tolist()))
        for tensor in tensors
    }


def settle_gguf(network: nn.Module, dtype: torch.dtype) -> None:
    """Bring everything but matrices into ``dtype``.

    Diffusers undoes the packing where a matrix multiplies; embeddings and norms that a file stores
    packed, as bfloat16 is there, would be looked up as bytes.
    """
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            is_packed = isinstance(parameter, GGUFParameter)
            if is_packed and isinstance(module, GGUFLinear) and name == "weight":
                continue
            plain = dequantize_gguf_tensor(parameter) if is_packed else parameter.data
            setattr(module, name, nn.Parameter(plain.to(dtype), requires_grad=False))
