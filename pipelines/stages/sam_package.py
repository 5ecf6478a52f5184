"""Segment Anything by the package of its authors, with the checkpoints that they published."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from layerstudio.color import U8
from layerstudio.errors import MismatchedWeights
from layerstudio.geometry import Extent
from layerstudio.models.checkpoint_kinds import kind_of
from layerstudio.models.checkpoints import load_strict, read_state
from layerstudio.models.tensor_file import shapes_of
from layerstudio.pipelines.base_models import find_model, only_file
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.bounded import bounded
from layerstudio.pipelines.stages.mask_network import Answers, Frame, Prompts
from layerstudio.pipelines.stages.placing import Place, place_for
from layerstudio.pipelines.stages.sam_package_attention import with_few_heads
from layerstudio.pipelines.stages.sam_package_size import built, is_sam, size_of

# Prompts asked at a time. The decoder copies the picture's features for each, 30 MB at full size,
# and the cores of a CPU are busy with a few.
BATCH_ON_CPU, BATCH_ON_GPU = 8, 64


class SamPackage:
    """A ``MaskNetwork``. The picture is encoded in the place's precision; what answers prompts is
    small, computes with positions, and stays in float32."""

    def __init__(self, network: Any, place: Place) -> None:
        self._network = network
        self._place = place
        self._side: int = network.image_encoder.img_size

    @classmethod
    def open(cls, name: str, runtime: Runtime) -> SamPackage:
        """Of a registry id, a file, a folder with one file, or a hub id.

        Raises ``MissingWeights``, ``UnreadableFile``, ``MismatchedWeights``, ``OutOfMemory``.
        """
        path = only_file(find_model(name, "segmenter"), ("*.pth", "*.pt", "*.safetensors"), "SAM")
        state = read_state(path)
        shapes = shapes_of(state)
        if not is_sam(shapes):
            raise MismatchedWeights(
                f"{path.name!r} is no checkpoint of the original Segment Anything.",
                advice=_what_instead(path, kind_of(shapes)),
            )
        place = place_for("SAM", sum(math.prod(shape) for shape in shapes.values()), runtime)
        network = built(size_of(shapes))
        with_few_heads(network.image_encoder)
        load_strict(network, {key: tensor.float() for key, tensor in state.items()}, "segmenter")
        network.requires_grad_(False).eval().to(place.device)
        network.image_encoder.to(place.dtype)
        return cls(network, place)

    def look(self, rgb: U8) -> _Look:
        """Encode a picture (h, w, 3): once for all that is asked about it."""
        extent = Extent.of(rgb)
        scale = self._side / extent.longest_side
        used = Extent(*(max(1, int(side * scale + 0.5)) for side in extent))
        resized = Image.fromarray(bounded(rgb)).resize(used, Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(resized)).movedim(-1, 0)[None].to(self._place.device)
        with torch.inference_mode():
            square = self._network.preprocess(pixels)
            features = self._network.image_encoder(square.to(self._place.dtype)).float()
        return _Look(self._network, features, Frame(extent, self._side, used))


class _Look:
    def __init__(self, network: Any, features: Tensor, frame: Frame) -> None:
        self._network = network
        self._features = features
        self.frame = frame
        self.batch = BATCH_ON_CPU if features.device.type == "cpu" else BATCH_ON_GPU

    def ask(self, prompts: Prompts, several: bool) -> Answers:
        network, frame = self._network, self.frame
        assert frame.used is not None
        stretch = [inner / outer for inner, outer in zip(frame.used, frame.extent, strict=True)]
        points = boxes = None
        if prompts.points is not None:
            points = (self._placed(prompts.points * stretch), self._placed(prompts.labels))
        if prompts.boxes is not None:
            boxes = self._placed(prompts.boxes * (stretch * 2))
        with torch.inference_mode():
            sparse, dense = network.prompt_encoder(points=points, boxes=boxes, masks=None)
            logits, scores = network.mask_decoder(
                image_embeddings=self._features,
                image_pe=network.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=several,
            )
        return Answers(logits.float().cpu(), scores.float().cpu())

    def _placed(self, values: Any) -> Tensor:
        kind = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float32
        return torch.from_numpy(np.asarray(values, kind)).to(self._features.device)


def _what_instead(path: Path, kind: str | None) -> str:
    if kind:
        return f"It looks like {kind}."
    return f"Give the .pth file as it was published; {path.name!r} has other tensors."
