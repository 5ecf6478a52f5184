"""Depth Anything and DPT by transformers, on pictures of any size and proportions."""

from __future__ import annotations

from typing import Any, Self

import cv2
import numpy as np
import torch
from transformers import (
    DepthAnythingForDepthEstimation,
    DPTForDepthEstimation,
    DPTImageProcessor,
)

from layerstudio.color import F32, U8
from layerstudio.errors import NumericalFailure
from layerstudio.geometry import Extent
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.bounded import bounded
from layerstudio.pipelines.stages.placing import Place, place_for
from layerstudio.pipelines.stages.published import (
    load_network,
    load_processor,
    parameters_in,
    published_folder,
)
from layerstudio.progress import CancelToken

_WHAT = "depth network"
_KINDS = {"depth_anything": DepthAnythingForDepthEstimation, "dpt": DPTForDepthEstimation}
# Side that the networks were trained at, what sides are multiples of, and how colours are centred.
_TRAINED = {
    "depth_anything": (518, 14, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "dpt": (384, 32, [0.5] * 3, [0.5] * 3),
}
# The coarsest level is fused with nothing, so its first unit never runs; published files leave
# it out, or hold it untrained.
_IDLE = ("neck.fusion_stage.layers.0.residual_layer1.", "dpt.pooler.")
_LONGEST = 4  # shorter sides: a panorama beyond it is squeezed, not worked at any length


class PublishedDepth:
    def __init__(self, network: Any, pictures: Any, place: Place) -> None:
        self._network = network.to(place.device)
        self._pictures = pictures
        self._place = place
        # Metric checkpoints tell distance; all others tell its inverse, as wanted here.
        is_metric = getattr(network.config, "depth_estimation_type", "relative") == "metric"
        self._sign = -1.0 if is_metric else 1.0

    @classmethod
    def open(cls, name: str, family: str, runtime: Runtime) -> Self:
        folder = published_folder(name, {family}, _WHAT)
        place = place_for(_WHAT.capitalize(), parameters_in(folder), runtime)
        network = load_network(_KINDS[family], folder, _WHAT, dtype=place.dtype, idle=_IDLE)
        side, multiple, mean, deviation = _TRAINED[family]
        pictures = load_processor(
            DPTImageProcessor, folder, _WHAT,
            size={"height": side, "width": side}, ensure_multiple_of=multiple,
            keep_aspect_ratio=True, image_mean=mean, image_std=deviation,
        )  # fmt: skip
        return cls(network, pictures, place)

    def nearness(self, rgb: U8, cancel: CancelToken) -> F32:
        """(h, w), larger is nearer."""
        cancel.check()
        seen = _squeezed(bounded(rgb))
        # Told, not guessed: a picture three pixels high looks like three channels.
        given = self._pictures(images=seen, input_data_format="channels_last", return_tensors="pt")
        pixels = given["pixel_values"]
        with torch.inference_mode():
            found = self._network(pixels.to(self._place.device, self._place.dtype))
        depth = found.predicted_depth[0].float().cpu().numpy()
        cancel.check()
        if not np.isfinite(depth).all():
            raise NumericalFailure(
                "The depth holds values that are not numbers.",
                advice="Run it in float32 (--dtype float32).",
            )
        size = tuple(Extent.of(rgb))
        enlarged = cv2.resize(self._sign * depth, size, interpolation=cv2.INTER_CUBIC)
        return np.asarray(enlarged, np.float32)


def _squeezed(rgb: U8) -> U8:
    """``rgb`` with its longer side at most ``_LONGEST`` times the shorter."""
    width, height = Extent.of(rgb)
    most = _LONGEST * min(width, height)
    if max(width, height) <= most:
        return rgb
    size = (min(width, most), min(height, most))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
