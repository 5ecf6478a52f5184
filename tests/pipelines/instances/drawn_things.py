"""A picture of two things, one before the other."""

import cv2
import numpy as np


def things(width=93, height=71) -> np.ndarray:
    """(h, w, 3): a red disc before a yellow box, on a noisy blue ground."""
    rng = np.random.default_rng(4)
    pixels = np.full((height, width, 3), (60, 90, 150), np.uint8)
    cv2.rectangle(pixels, (12, 12), (44, 52), (240, 200, 40), -1)
    cv2.circle(pixels, (50, 40), 15, (200, 40, 40), -1)
    noise = rng.integers(-4, 5, pixels.shape)
    return np.clip(pixels.astype(int) + noise, 0, 255).astype(np.uint8)
