"""Running the embedded network on a picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch

from layerstudio.color import F32, U8
from layerstudio.models.checkpoints import load_strict, read_state
from layerstudio.models.peel_network import CELL, STRIDE, PeelNetwork, PeelSize, network_input
from layerstudio.pipelines.peel.reading import Reading

_MOST_PIXELS = 4_000_000  # that are read; larger pictures are read smaller


def read(path: Path, rgb: U8) -> Reading:
    """What the network in ``path`` says of ``rgb`` (h, w, 3). Always in float32 on the CPU, so that
    the same picture is read alike wherever a GPU may be.

    Raises ``MismatchedWeights`` and ``UnreadableFile``.
    """
    return read_with(_loaded(path), rgb)


def read_with(network: PeelNetwork, rgb: U8) -> Reading:
    height, width = rgb.shape[:2]
    scale = min(1.0, (_MOST_PIXELS / (height * width)) ** 0.5)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    logits = _logits(network, rgb)
    wide = cv2.resize(logits.transpose(1, 2, 0), None, fx=CELL, fy=CELL)
    wide = wide[: rgb.shape[0], : rgb.shape[1]]
    if scale < 1:
        wide = cv2.resize(wide, (width, height))
    return Reading.of(np.ascontiguousarray(wide.transpose(2, 0, 1), np.float32))


def _logits(network: PeelNetwork, rgb: U8) -> F32:
    """(8, h / 4, w / 4), rounded up to whole paddings."""
    block = CELL * STRIDE
    height, width = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -height % block), (0, -width % block), (0, 0)), mode="edge")
    inputs = torch.from_numpy(network_input(np.ascontiguousarray(padded))[None])
    with torch.inference_mode():
        logits = network(inputs.contiguous(memory_format=torch.channels_last))
    return logits[0].contiguous().numpy()


@lru_cache(maxsize=1)
def _loaded(path: Path) -> PeelNetwork:
    state = read_state(path)
    size = PeelSize.of({name: tuple(value.shape) for name, value in state.items()})
    network = PeelNetwork(size)
    load_strict(network, state, "peel")
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
