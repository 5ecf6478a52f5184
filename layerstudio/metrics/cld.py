"""CLD's protocol: layers compared one by one inside the boxes they were asked for.

Source: the evaluation published with "Controllable Layer Decomposition for Reversible Multi-Layer
Image Generation" (arXiv 2511.16249), whose values these are to 1e-6. FID is left out: it needs
Inception weights, and the published one is taken on that network's class scores, so that it
compares with no other FID.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from PIL import Image

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.metrics.sheets import Sheet, Stack, check_stacks
from layerstudio.metrics.similarity import SSIM_WINDOW, psnr, ssim

_GREY = np.float32(128)  # transparent pixels are shown on this
_MASK_ABOVE = 0.1  # alpha that counts as covered
_EPSILON = 1e-8  # added to the union


class LayerRow(NamedTuple):
    """One layer in its box: colour on grey (dB, and SSIM), and the overlap of the masks."""

    psnr: float
    ssim: float
    iou: float
    precision: float
    recall: float
    f1: float


class CldScore(NamedTuple):
    """A sample: its layers bottom to top, and the composite's PSNR (dB) and SSIM."""

    layers: tuple[LayerRow, ...]
    composite_psnr: float
    composite_ssim: float


class CldMeans(NamedTuple):
    """Means over all layers of all samples, and over all composites."""

    layer_psnr: float
    layer_ssim: float
    mask_iou: float
    mask_precision: float
    mask_recall: float
    mask_f1: float
    composite_psnr: float
    composite_ssim: float


def evaluate(
    predicted: Stack,
    truth: Stack,
    boxes: Sequence[Bounds],
    *,
    predicted_picture: U8 | None = None,
    truth_picture: U8 | None = None,
) -> CldScore:
    """Score ``predicted`` against ``truth``: (h, w, 4) uint8 layers of one size, bottom to top.

    ``boxes`` has the place of each true layer, the background's (the canvas) first. Layers are
    matched by index, and those beyond the shorter stack do not count. The pictures are (h, w, 4)
    and by default the flattened stacks. Equal pictures have an infinite PSNR. Raises
    ``InvalidRequest`` for stacks that do not fit together and for boxes below 7 x 7 pixels, the
    window of SSIM (the published command drops such samples).
    """
    check_stacks(predicted, truth)
    if len(boxes) != len(truth):
        raise InvalidRequest(f"{len(truth)} true layers need as many boxes, not {len(boxes)}.")
    shown = flattened(predicted) if predicted_picture is None else predicted_picture
    wanted = flattened(truth) if truth_picture is None else truth_picture
    check_stacks([shown, wanted])
    triples = zip(predicted, truth, boxes, strict=False)
    layers = tuple(_layer_row(_crop(p, box), _crop(t, box)) for p, t, box in triples)
    return CldScore(layers, *_colour_scores(shown, wanted))


def aggregate(scores: Sequence[CldScore]) -> CldMeans:
    """Means over samples; every layer weighs the same, so large stacks weigh more.

    Raises ``InvalidRequest`` where there is no sample.
    """
    if not scores:
        raise InvalidRequest("There are no scores to average.")
    layers = np.mean([row for score in scores for row in score.layers], axis=0)
    composites = np.mean([score[1:] for score in scores], axis=0)
    return CldMeans(*map(float, (*layers, *composites)))


def flattened(stack: Stack) -> U8:
    """(h, w, 4): the layers laid over each other, rounded to 8 bits after each, as Pillow does."""
    return reduce(Sheet.under, map(Sheet.of, stack)).pixels


def _crop(layer: U8, box: Bounds) -> U8:
    """The layer in the box; transparent black where the box leaves the canvas."""
    return np.asarray(Image.fromarray(layer).crop((box.x, box.y, box.right, box.bottom)))


def _layer_row(predicted: U8, truth: U8) -> LayerRow:
    return LayerRow(
        *_colour_scores(predicted, truth), *_mask_scores(_covered(predicted), _covered(truth))
    )


def _colour_scores(predicted: U8, truth: U8) -> tuple[float, float]:
    if min(truth.shape[:2]) < SSIM_WINDOW:
        raise InvalidRequest(
            f"SSIM needs {SSIM_WINDOW} x {SSIM_WINDOW} pixels or more, "
            f"and a box or picture is {truth.shape[1]} x {truth.shape[0]}."
        )
    shown, wanted = _on_grey(predicted), _on_grey(truth)
    return psnr(wanted, shown), ssim(wanted, shown)


def _on_grey(layer: U8) -> U8:
    """(h, w, 3): the layer over grey. The fraction is cut off, and a crop without a value above 1
    is taken for one in 0..1, as the published code does both."""
    rgba = layer.astype(np.float32)
    if rgba.max() <= 1:
        rgba *= np.float32(255)
    alpha = rgba[..., 3:] / np.float32(255)
    return (rgba[..., :3] * alpha + _GREY * (1 - alpha)).astype(np.uint8)


def _covered(layer: U8) -> np.ndarray:
    return layer[..., 3] / 255.0 > _MASK_ABOVE


def _mask_scores(predicted: np.ndarray, truth: np.ndarray) -> tuple[float, float, float, float]:
    """IoU, precision, recall and F1; each is 0 where its denominator is."""
    both = int(np.count_nonzero(predicted & truth))
    ours, theirs = int(np.count_nonzero(predicted)), int(np.count_nonzero(truth))
    precision = both / ours if ours else 0.0
    recall = both / theirs if theirs else 0.0
    f1 = 2 * both / (ours + theirs) if ours + theirs else 0.0
    return both / (ours + theirs - both + _EPSILON), precision, recall, f1
