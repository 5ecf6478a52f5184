"""ViTMatte by transformers, on pictures of any size."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from transformers import VitMatteForImageMatting, VitMatteImageProcessor

from layerstudio.color import F32, U8
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.open_tiles import joined, tiles_around
from layerstudio.pipelines.stages.placing import Place, place_for
from layerstudio.pipelines.stages.published import (
    load_network,
    load_processor,
    parameters_in,
    published_folder,
)
from layerstudio.pipelines.stages.trimaps import is_foreground, is_unknown
from layerstudio.progress import CancelToken

_WHAT = "matting network"
# Attention is over all of a tile, and written out: 64 x 64 tokens take 400 MB for six heads.
_SIDE = 1024
_CONTEXT = 96  # pixels; it was trained on pieces of 512
_STEP = 32
_OPEN, _FRONT = 128, 255  # the levels of published trimaps


class PublishedVitMatte:
    def __init__(self, network: Any, pictures: Any, place: Place) -> None:
        self._network = network.to(place.device)
        self._pictures = pictures
        self._place = place

    @classmethod
    def open(cls, name: str, runtime: Runtime) -> Self:
        folder = published_folder(name, {"vitmatte"}, _WHAT)
        place = place_for("ViTMatte", parameters_in(folder), runtime)
        network = load_network(VitMatteForImageMatting, folder, _WHAT, dtype=place.dtype)
        middle = [0.5, 0.5, 0.5]
        pictures = load_processor(
            VitMatteImageProcessor, folder, _WHAT,
            image_mean=middle, image_std=middle, size_divisor=_STEP,
        )  # fmt: skip
        return cls(network, pictures, place)

    def alpha(self, rgb: U8, trimap: F32, cancel: CancelToken) -> F32:
        """(h, w), meaningful where the trimap is open."""
        extent = Extent.of(rgb)
        tiles = tiles_around(is_unknown(trimap), side=_SIDE, context=_CONTEXT)

        def work(box: Bounds) -> F32:
            cancel.check()
            wide = _widened(box, extent)
            found = self._seen(rgb[wide.slices], trimap[wide.slices])
            return found[box.relative_to(wide).slices]

        return joined(tiles, extent, work)

    def _seen(self, rgb: U8, trimap: F32) -> F32:
        # Levels, not shares: the processor divides whatever it is given by 255.
        levels = np.where(is_unknown(trimap), _OPEN, np.where(is_foreground(trimap), _FRONT, 0))
        inputs = self._pictures(
            images=np.ascontiguousarray(rgb),
            trimaps=levels.astype(np.uint8),
            input_data_format="channels_last",  # else guessed, wrongly for three rows
            return_tensors="pt",
        )
        pixels = inputs["pixel_values"].to(self._place.device, self._place.dtype)
        with torch.inference_mode():
            found = self._network(pixel_values=pixels).alphas
        height, width = trimap.shape
        return found[0, 0, :height, :width].float().cpu().numpy()


def _widened(box: Bounds, extent: Extent) -> Bounds:
    """``box`` grown to sides of whole tokens where the picture has room: what the processor fills
    up with is grey that is said to be background."""
    left, width = _side(box.x, box.width, extent.width)
    top, height = _side(box.y, box.height, extent.height)
    return Bounds(left, top, width, height)


def _side(start: int, length: int, whole: int) -> tuple[int, int]:
    wanted = -(-length // _STEP) * _STEP
    if wanted > whole:
        return start, length
    return min(start, whole - wanted), wanted
