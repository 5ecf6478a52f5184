"""The network of ``peel`` run without PyTorch: a convolution is one product of matrices.

What its batch norms have learned is folded into the convolutions before them, as is usual for
inference. ``models/peel_network.py`` is the same network, for training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from layerstudio.color import F32

LEVELS = 4
LOGITS = 8
OUTPUTS = LOGITS + 2
REACH = 128.0  # pixels: the unit of the last two outputs
STRIDE = 16  # squares: sides of the input are multiples of it
_EPSILON = 1e-5  # of a batch norm, as PyTorch adds it

State = Mapping[str, F32]


@dataclass(frozen=True, eq=False)
class _Convolution:
    """``weight`` (m, n * side * side), ``bias`` (m, 1)."""

    weight: F32
    bias: F32
    side: int

    @classmethod
    def of(cls, state: State, name: str, norm: str = "") -> _Convolution:
        """With the batch norm ``norm`` folded in, or its own bias."""
        weight = state[f"{name}.weight"]
        if norm:
            spread = np.sqrt(state[f"{norm}.running_var"] + np.float32(_EPSILON))
            gain = state[f"{norm}.weight"] / spread
            bias = state[f"{norm}.bias"] - gain * state[f"{norm}.running_mean"]
            weight = weight * gain[:, None, None, None]
        else:
            bias = state[f"{name}.bias"]
        flat = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
        return cls(
            np.ascontiguousarray(flat, np.float32),
            bias[:, None].astype(np.float32),
            weight.shape[2],
        )

    def __call__(self, x: F32, step: int = 1) -> F32:
        """(n, h, w) to (m, h / step, w / step)."""
        channels, height, width = x.shape
        height, width = height // step, width // step
        if self.side == 1:
            columns = x.reshape(channels, -1)
        else:
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
            parts = [
                padded[:, dy : dy + step * height : step, dx : dx + step * width : step]
                for dy in range(self.side)
                for dx in range(self.side)
            ]
            columns = np.concatenate(parts).reshape(-1, height * width)
        out = self.weight @ columns
        out += self.bias
        return out.reshape(-1, height, width)


@dataclass(frozen=True, eq=False)
class _Block:
    first: _Convolution
    second: _Convolution

    def __call__(self, x: F32) -> F32:
        return _positive(x + self.second(_positive(self.first(x))))


@dataclass(frozen=True, eq=False)
class FoldedNetwork:
    """Level 0 is at an eighth of the picture's size, each next one at half of that."""

    stem: _Convolution
    lower: tuple[_Convolution, ...]
    higher: tuple[_Convolution, ...]
    down: tuple[tuple[_Block, ...], ...]
    up: tuple[tuple[_Block, ...], ...]
    head: _Convolution

    @classmethod
    def of(cls, state: State) -> FoldedNetwork:
        """Of all the network's weights by name; raises ``KeyError`` where one is missing."""
        upper = range(LEVELS - 1)
        return cls(
            _Convolution.of(state, "stem.0", "stem.1"),
            tuple(_Convolution.of(state, f"lower.{n}.0", f"lower.{n}.1") for n in upper),
            tuple(_Convolution.of(state, f"higher.{n}") for n in upper),
            tuple(_blocks(state, f"down.{n}") for n in range(LEVELS)),
            tuple(_blocks(state, f"up.{n}") for n in upper),
            _Convolution.of(state, "head"),
        )

    def __call__(self, features: F32) -> F32:
        """(8, h, w) of ``square_features``, sides multiples of ``STRIDE``, to (10, h, w)."""
        x = _through(self.down[0], _positive(self.stem(_unshuffled(features))))
        kept = []
        for lower, blocks in zip(self.lower, self.down[1:], strict=True):
            kept.append(x)
            x = _through(blocks, _positive(lower(x, step=2)))
        for level in reversed(range(len(kept))):
            x = self.higher[level](x).repeat(2, axis=1).repeat(2, axis=2)
            x = _through(self.up[level], kept[level] + x)
        return _shuffled(self.head(x))


def _blocks(state: State, name: str) -> tuple[_Block, ...]:
    numbers = {key[len(name) + 1 :].split(".")[0] for key in state if key.startswith(f"{name}.")}
    return tuple(
        _Block(
            _Convolution.of(state, f"{name}.{n}.first", f"{name}.{n}.norm"),
            _Convolution.of(state, f"{name}.{n}.second", f"{name}.{n}.last"),
        )
        for n in sorted(numbers, key=int)
    )


def _through(blocks: tuple[_Block, ...], x: F32) -> F32:
    for block in blocks:
        x = block(x)
    return x


def _positive(x: F32) -> F32:
    return np.maximum(x, 0, out=x)


def _unshuffled(x: F32) -> F32:
    """(n, h, w) to (4 n, h / 2, w / 2): each square of 2 x 2 as channels."""
    channels, height, width = x.shape
    squares = x.reshape(channels, height // 2, 2, width // 2, 2).transpose(0, 2, 4, 1, 3)
    return squares.reshape(4 * channels, height // 2, width // 2)


def _shuffled(x: F32) -> F32:
    """The inverse of ``_unshuffled``."""
    channels, height, width = x.shape
    squares = x.reshape(channels // 4, 2, 2, height, width).transpose(0, 3, 1, 4, 2)
    return squares.reshape(channels // 4, 2 * height, 2 * width)
