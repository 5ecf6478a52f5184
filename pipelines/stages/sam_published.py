"""Segment Anything, SAM 2 and the part of SAM 3 that answers points, by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import (
    Sam2ImageProcessor,
    Sam2Model,
    SamImageProcessor,
    SamModel,
)

from layerstudio.color import U8
from layerstudio.geometry import Extent
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.bounded import bounded
from layerstudio.pipelines.stages.mask_network import Answers, Frame, Prompts
from layerstudio.pipelines.stages.placing import Place, place_for
from layerstudio.pipelines.stages.published import (
    load_network,
    load_processor,
    parameters_in,
    published_folder,
)
from layerstudio.pipelines.stages.sam_package import BATCH_ON_CPU, BATCH_ON_GPU

_WHAT = "segmenter"


class PublishedSam:
    """A ``MaskNetwork`` of transformers. The picture is encoded in the place's precision; what
    answers prompts is small, computes with positions, and stays in float32.

    ``padded`` says that pictures keep their proportions in the corner of a square (SAM), else they
    are stretched to it (SAM 2, SAM 3).
    """

    def __init__(self, network: Any, pictures: Any, place: Place, *, padded: bool) -> None:
        self.network = network
        self._pictures = pictures
        self._place = place
        self._padded = padded
        self._side = _side_of(network.config.prompt_encoder_config.image_size)
        self.dtype = place.dtype
        network.to(place.device)
        for part in _encoding(network):
            part.to(place.dtype)

    @classmethod
    def open_sam(cls, name: str, runtime: Runtime) -> PublishedSam:
        """Of a registry id, a folder or a hub id; errors as of ``published_folder``."""
        folder = published_folder(name, {"sam"}, _WHAT)
        place = place_for("SAM", parameters_in(folder), runtime)
        network = load_network(SamModel, folder, _WHAT)
        side = _side_of(network.config.vision_config.image_size)
        pictures = load_processor(
            SamImageProcessor, folder, _WHAT,
            size={"longest_edge": side}, pad_size={"height": side, "width": side},
        )  # fmt: skip
        return cls(network, pictures, place, padded=True)

    @classmethod
    def open_sam2(cls, name: str, runtime: Runtime) -> PublishedSam:
        """Likewise; the published folders also hold what follows objects through films."""
        folder = published_folder(name, {"sam2", "sam2_video"}, _WHAT)
        place = place_for("SAM 2", parameters_in(folder), runtime)
        network = load_network(Sam2Model, folder, _WHAT)
        side = _side_of(network.config.prompt_encoder_config.image_size)
        square = {"height": side, "width": side}
        pictures = load_processor(Sam2ImageProcessor, folder, _WHAT, size=square)
        return cls(network, pictures, place, padded=False)

    def look(self, rgb: U8) -> Look:
        """Encode a picture (h, w, 3): once for all that is asked about it."""
        extent = Extent.of(rgb)
        seen = self._pictures(images=bounded(rgb, self._side), return_tensors="pt")
        pixels = seen["pixel_values"].to(self._place.device, self.dtype)
        if self._padded:
            with torch.inference_mode():
                features = self.network.get_image_embeddings(pixels)
            height, width = (int(side) for side in seen["reshaped_input_sizes"][0])
            used = Extent(width, height)
            return Look(self.network, features.float(), Frame(extent, self._side, used), used)
        square = Extent(self._side, self._side)
        return Look(self.network, self._levels(pixels), Frame(extent), square)

    def _levels(self, pixels: Tensor) -> list[Tensor]:
        """The picture's features (1, c, h, w), from fine to coarse, the last marked as of a
        picture that nothing was seen before.

        Not the library's ``get_image_embeddings``: SAM 3 has a level more than is used, and that
        one gets the mark there (transformers 5.23), as it is the last.
        """
        network = self.network
        sizes = network.backbone_feature_sizes
        with torch.inference_mode():
            maps = network.get_image_features(pixels, return_dict=True).fpn_hidden_states
            levels = [level.float() for level in maps[: len(sizes)]]  # (h * w, 1, c)
            levels[-1] = levels[-1] + network.no_memory_embedding
        return [
            level.permute(1, 2, 0).reshape(1, -1, *size)
            for level, size in zip(levels, sizes, strict=True)
        ]


class Look:
    """A picture that one of these networks has seen; ``inside`` is its size as the network sees
    it, in which prompts are given to it."""

    def __init__(self, network: Any, features: Any, frame: Frame, inside: Extent) -> None:
        self._network = network
        self._features = features
        self._stretch = [inner / outer for inner, outer in zip(inside, frame.extent, strict=True)]
        self.frame = frame
        self.batch = BATCH_ON_CPU if network.device.type == "cpu" else BATCH_ON_GPU

    def ask(self, prompts: Prompts, several: bool) -> Answers:
        given: dict[str, Tensor] = {}
        if prompts.points is not None and prompts.labels is not None:
            given["input_points"] = self._placed(prompts.points * self._stretch)
            given["input_labels"] = torch.from_numpy(prompts.labels)[None].to(self._network.device)
        if prompts.boxes is not None:
            given["input_boxes"] = self._placed(prompts.boxes * (self._stretch * 2))
        with torch.inference_mode():
            outputs = self._network(
                image_embeddings=self._features, multimask_output=several, **given
            )
        return Answers(outputs.pred_masks[0].float().cpu(), outputs.iou_scores[0].float().cpu())

    def _placed(self, places: Any) -> Tensor:
        values = torch.from_numpy(np.asarray(places, np.float32))
        return values[None].to(self._network.device)


def _encoding(network: Any) -> Sequence[Any]:
    """The parts that a picture goes through before anything is asked about it."""
    decoder = network.mask_decoder
    levels = [getattr(decoder, name) for name in ("conv_s0", "conv_s1") if hasattr(decoder, name)]
    return [network.vision_encoder, *levels]


def _side_of(size: Any) -> int:
    """Of the square that a network works on, which configurations write in two ways."""
    return int(size if isinstance(size, int) else max(size))
