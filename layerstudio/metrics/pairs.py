"""How unlike two flattened layers are; each pair is compared once."""

from __future__ import annotations

import cv2
import numpy as np

from layerstudio.color import F32
from layerstudio.geometry import Bounds
from layerstudio.metrics.sheets import Sheet

# LayerD's published evaluation divides by the support's size plus this.
_EPSILON = 1e-8


class PairScores:
    """The measures of LayerD's protocol on pairs of sheets, each computed once and remembered."""

    def __init__(self) -> None:
        self._rgb_l1: dict[tuple[Sheet, Sheet], float] = {}
        self._alpha_iou: dict[tuple[Sheet, Sheet], float] = {}
        self._weighted_l1: dict[tuple[Sheet, Sheet], float] = {}
        self._premul_l1: dict[tuple[Sheet, Sheet], float] = {}

    def rgb_l1(self, predicted: Sheet, truth: Sheet) -> float:
        """Mean |difference| of straight colour, in [0, 1], over the pixels where ``truth`` has
        alpha > 0. They all weigh the same, however transparent either layer is."""
        key = (predicted, truth)
        if key not in self._rgb_l1:
            self._rgb_l1[key] = _rgb_l1(predicted, truth)
        return self._rgb_l1[key]

    def alpha_iou(self, one: Sheet, other: Sheet) -> float:
        """sum(min) / sum(max) of two alphas, in [0, 1]; 0 where both are empty."""
        key = (one, other)
        if key not in self._alpha_iou:
            self._alpha_iou[key] = self._alpha_iou[other, one] = _alpha_iou(one, other)
        return self._alpha_iou[key]

    def cost(self, predicted: Sheet, truth: Sheet) -> float:
        """(RGB L1 + 1 - alpha IoU) / 2, in [0, 1]."""
        return (self.rgb_l1(predicted, truth) + (1 - self.alpha_iou(predicted, truth))) / 2

    def weighted_l1(self, predicted: Sheet, truth: Sheet) -> float:
        """Mean |difference| of straight colour, in [0, 1], weighted by the alpha of ``truth``: what
        LayerD's paper describes, where its code weighs all of the support alike."""
        key = (predicted, truth)
        if key not in self._weighted_l1:
            self._weighted_l1[key] = _weighted_l1(predicted, truth)
        return self._weighted_l1[key]

    def premul_l1(self, one: Sheet, other: Sheet) -> float:
        """sum |difference| of premultiplied colour / sum of the larger alpha, in [0, 1].

        Colour counts as far as it shows, in either layer; the divisor is that of alpha IoU.
        """
        key = (one, other)
        if key not in self._premul_l1:
            self._premul_l1[key] = self._premul_l1[other, one] = _premul_l1(one, other)
        return self._premul_l1[key]


def _rgb_l1(predicted: Sheet, truth: Sheet) -> float:
    if truth.bounds.is_empty:
        return 0.0
    colours = cv2.bitwise_and(predicted.crop(truth.bounds), truth.support)
    levels = cv2.norm(colours, truth.supported, cv2.NORM_L1)
    return levels / (3 * 255) / (truth.support_size + _EPSILON)


def _alpha_iou(one: Sheet, other: Sheet) -> float:
    common = one.bounds.intersection(other.bounds)
    smaller = 0
    if not common.is_empty:
        crops = (sheet.alpha[common.relative_to(sheet.bounds).slices] for sheet in (one, other))
        smaller = int(cv2.sumElems(cv2.min(*crops))[0])
    larger = one.alpha_sum + other.alpha_sum - smaller
    return smaller / larger if larger else 0.0


def _weighted_l1(predicted: Sheet, truth: Sheet) -> float:
    if not truth.alpha_sum:
        return 0.0
    levels = cv2.absdiff(predicted.crop(truth.bounds), truth.crop(truth.bounds))[..., :3]
    means = levels.sum(axis=-1, dtype=np.float32) / 3
    return float((means * truth.alpha).sum(dtype=np.float64)) / 255 / truth.alpha_sum


def _premul_l1(one: Sheet, other: Sheet) -> float:
    bounds = one.bounds.union(other.bounds)
    if bounds.is_empty:
        return 0.0
    colours, others = _premul(one, bounds), _premul(other, bounds)
    difference = cv2.absdiff(colours[..., :3], others[..., :3]).sum(dtype=np.float64) / 3
    larger = np.maximum(colours[..., 3], others[..., 3]).sum(dtype=np.float64)
    return float(difference / larger)


def _premul(sheet: Sheet, bounds: Bounds) -> F32:
    """The part at ``bounds``, (h, w, 4) premultiplied in [0, 1]."""
    premul = sheet.crop(bounds) * np.float32(1 / 255)
    premul[..., :3] *= premul[..., 3:]
    return premul
