"""What a linear layer computes, whatever it is wrapped in."""

from __future__ import annotations

from contextlib import ExitStack
from copy import deepcopy

import torch
from accelerate.utils import align_module_device
from torch import Tensor, nn


@torch.no_grad()
def linear_map(layer: nn.Module, device: torch.device) -> tuple[Tensor, Tensor]:
    """The weight (out, in) and bias (zeros without one) of a linear layer, fp32 on ``device``.

    A layer that carries LoRA or another adapter answers with what is switched on now: its map is
    read off its answers to the unit vectors, in fp32. Weights that are offloaded are fetched.
    """
    with ExitStack() as aligned:
        for part in layer.modules():
            aligned.enter_context(align_module_device(part))
        if type(layer) is nn.Linear:  # a subclass may hold its weight in another form
            weight = layer.weight.to(device, torch.float32, copy=True)
            bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias
            return weight, bias.to(device, torch.float32, copy=True)
        probe = deepcopy(layer).to(device, torch.float32)
    features_in = int(layer.in_features)  # pyright: ignore[reportArgumentType]
    bias = probe(torch.zeros(1, features_in, device=device))
    weight = probe(torch.eye(features_in, device=device)) - bias
    return weight.T, bias[0]
