"""PSNR and SSIM of two 8-bit pictures."""

from __future__ import annotations

import math

import cv2
import numpy as np

from layerstudio.color import U8

SSIM_WINDOW = 7  # scikit-image's default side, in pixels
_PEAK = 255.0
# Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity",
# section III.C: K1 = 0.01, K2 = 0.03, C = (K L)^2.
_C1 = (0.01 * _PEAK) ** 2
_C2 = (0.03 * _PEAK) ** 2


def psnr(one: U8, other: U8) -> float:
    """Peak signal-to-noise ratio in dB over all values; infinite for equal pictures."""
    return psnr_of_mse(cv2.norm(one, other, cv2.NORM_L2SQR) / one.size)


def psnr_of_mse(mse: float) -> float:
    """10 log10(255^2 / mse), ``mse`` in squared 8-bit levels."""
    return 10 * math.log10(_PEAK**2 / mse) if mse > 0 else math.inf


def ssim(one: U8, other: U8) -> float:
    """Mean structural similarity, in [-1, 1], of (h, w, channels) pictures at least 7 pixels wide
    and high: square windows of 7, sample covariance, only windows wholly inside, the mean over
    channels. Wang et al. 2004, equation 13, as scikit-image's ``structural_similarity`` has it."""
    assert min(one.shape[:2]) >= SSIM_WINDOW, one.shape
    channels = zip(cv2.split(one), cv2.split(other), strict=True)
    return float(np.mean([_channel_ssim(*pair) for pair in channels]))


def _channel_ssim(one: np.ndarray, other: np.ndarray) -> float:
    if np.array_equal(one, other):  # then the formula is exactly 1 everywhere
        return 1.0
    x, y = one.astype(np.float64), other.astype(np.float64)
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    count = SSIM_WINDOW**2
    unbiased = count / (count - 1)
    var_x = unbiased * (_window_mean(x * x) - mean_x**2)
    var_y = unbiased * (_window_mean(y * y) - mean_y**2)
    covariance = unbiased * (_window_mean(x * y) - mean_x * mean_y)
    alike = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return float(np.mean(alike / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2))))


def _window_mean(values: np.ndarray) -> np.ndarray:
    """Means of the windows that lie wholly inside."""
    side, margin = SSIM_WINDOW, SSIM_WINDOW // 2
    sums = cv2.boxFilter(values, cv2.CV_64F, (side, side), normalize=False)
    return sums[margin:-margin, margin:-margin] / side**2
