"""A soft disc of one texture on another, of any size, with the trimap of its edge."""

from typing import NamedTuple

import cv2
import numpy as np

from layerstudio.color import F32, U8, to_u8


class Scene(NamedTuple):
    rgb: U8
    trimap: F32
    alpha: F32
    front: F32


def disc(height: int, width: int, *, blur: float = 2.0, reach: int = 5, seed: int = 1) -> Scene:
    rng = np.random.default_rng(seed)
    shape = np.zeros((height, width), np.float32)
    radius = int(0.3 * min(height, width))
    cv2.circle(shape, (width // 2, height // 2), radius, 1.0, -1)
    alpha = cv2.GaussianBlur(shape, (0, 0), blur)
    texture = rng.random((height, width, 3), np.float32) * np.float32(0.06)
    front = texture + np.float32([0.8, 0.3, 0.1])
    back = texture + np.float32([0.1, 0.4, 0.7])
    share = alpha[..., None]
    kernel = np.ones((2 * reach + 1,) * 2, np.uint8)
    sure, possible = cv2.erode(shape, kernel), cv2.dilate(shape, kernel)
    trimap = np.where(sure > 0, 1, np.where(possible > 0, 0.5, 0)).astype(np.float32)
    return Scene(to_u8(share * front + (1 - share) * back), trimap, alpha, front)
