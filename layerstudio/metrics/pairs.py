"""How unlike two flattened layers are; each pair is compared once."""

from __future__ import annotations

import cv2

from layerstudio.metrics.sheets import Sheet

# LayerD's published evaluation divides by the support's size plus this.
_EPSILON = 1e-8


class PairScores:
    """The measures of LayerD's protocol on pairs of sheets, each computed once and remembered."""

    def __init__(self) -> None:
        self._rgb_l1: dict[tuple[Sheet, Sheet], float] = {}
        self._alpha_iou: dict[tuple[Sheet, Sheet], float] = {}

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
