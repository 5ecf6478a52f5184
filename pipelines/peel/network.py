"""Running the embedded network on a picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from layerstudio.color import F32, U8
from layerstudio.errors import MismatchedWeights, UnreadableFile
from layerstudio.ops.peel_forward import LOGITS, OUTPUTS, REACH, STRIDE, FoldedNetwork
from layerstudio.ops.square_features import CELL, square_features
from layerstudio.pipelines.peel.reading import Reading

_MOST_PIXELS = 4_000_000  # that are read; larger pictures are read smaller
_AGAIN = "Install LayerStudio again; the copy on this machine is damaged."


def read(path: Path, rgb: U8) -> Reading:
    """What the network in ``path`` says of ``rgb`` (h, w, 3). Always in float32 on the CPU, so that
    the same picture is read alike wherever a GPU may be.

    Raises ``MismatchedWeights`` and ``UnreadableFile``.
    """
    network = _loaded(path)
    height, width = rgb.shape[:2]
    scale = min(1.0, (_MOST_PIXELS / (height * width)) ** 0.5)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    wide = cv2.resize(_outputs(network, rgb).transpose(1, 2, 0), None, fx=CELL, fy=CELL)
    wide = wide[: rgb.shape[0], : rgb.shape[1]]
    if scale < 1:
        wide = cv2.resize(wide, (width, height))
    wide[..., LOGITS:] *= REACH / scale
    return Reading.of(np.ascontiguousarray(wide.transpose(2, 0, 1), np.float32))


def _outputs(network: FoldedNetwork, rgb: U8) -> F32:
    """(10, h / 4, w / 4), rounded up to whole paddings."""
    block = CELL * STRIDE
    height, width = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -height % block), (0, -width % block), (0, 0)), mode="edge")
    return network(square_features(np.ascontiguousarray(padded)))


@lru_cache(maxsize=1)
def _loaded(path: Path) -> FoldedNetwork:
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UnreadableFile(f"{path.name!r} cannot be read.", advice=_AGAIN) from error
    try:
        network = FoldedNetwork.of(
            {name: value.astype(np.float32) for name, value in state.items()}
        )
    except KeyError as error:
        raise MismatchedWeights(f"{path.name!r} lacks {error}.", advice=_AGAIN) from None
    if len(network.head.bias) != 4 * OUTPUTS:
        raise MismatchedWeights(f"{path.name!r} is of another version.", advice=_AGAIN)
    return network
