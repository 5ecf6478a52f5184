"""Weights and inputs that anyone can draw again from a name, a shape and a seed.

The parity fixtures hold inputs and outputs of published networks whose weights were drawn by this
rule; so none of the weights needs to be stored. Each tensor comes from numpy's PCG64 seeded by
``[seed, crc32(name)]``, in float32; its spread follows from what the name says it is.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

PARITY = Path(__file__).parent / "fixtures" / "parity"

Shapes = Mapping[str, Sequence[int]]


def generator_of(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def seeded_tensor(key: str, shape: Sequence[int], seed: int, gain: float = 1.0) -> torch.Tensor:
    """The parameter or buffer ``key``, float32 (counters of batches: int64 zeros)."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(tuple(shape), dtype=torch.long)
    drawn = generator_of(key, seed).standard_normal(tuple(shape), dtype=np.float32)
    if key.endswith("running_var"):
        drawn = 1 + 0.1 * np.abs(drawn)
    elif key.endswith("weight") and len(shape) == 1:  # the scale of a norm
        drawn = 1 + 0.1 * drawn
    elif len(shape) <= 1:  # a bias, or a running mean
        drawn = 0.05 * drawn
    else:
        fan_in = int(np.prod(shape[1:]))
        drawn = drawn * (gain / np.sqrt(fan_in))
    return torch.from_numpy(np.asarray(drawn, np.float32))


def seeded_state(shapes: Shapes, seed: int, gain: float = 1.0) -> dict[str, torch.Tensor]:
    return {key: seeded_tensor(key, shape, seed, gain) for key, shape in shapes.items()}


def seed_module(module: torch.nn.Module, seed: int, gain: float = 1.0) -> None:
    """Give ``module`` the weights that its own keys and shapes stand for."""
    shapes = {key: tensor.shape for key, tensor in module.state_dict().items()}
    module.load_state_dict(seeded_state(shapes, seed, gain))


def seeded_input(
    name: str, shape: Sequence[int], seed: int, *, uniform: bool = False
) -> torch.Tensor:
    """An input called ``name``: standard normal, or uniform in [0, 1)."""
    generator = generator_of(name, seed)
    draw = generator.random if uniform else generator.standard_normal
    return torch.from_numpy(np.asarray(draw(tuple(shape), dtype=np.float32)))


def listed_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of a published checkpoint, from ``NAME.keys.json``."""
    listing = json.loads((PARITY / f"{name}.keys.json").read_text())
    return {key: tuple(shape) for key, shape in listing["keys"].items()}


def parity_tensors(name: str) -> dict[str, torch.Tensor]:
    """Inputs and outputs of a published network, from ``NAME.io.safetensors``."""
    return load_file(PARITY / f"{name}.io.safetensors")


def parity_settings(name: str) -> dict:
    return json.loads((PARITY / f"{name}.json").read_text())
