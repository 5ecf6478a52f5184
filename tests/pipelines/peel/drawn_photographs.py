"""Pictures that stand for photographs, and what a network would say of what lies on them."""

from __future__ import annotations

import cv2
import numpy as np

from layerstudio.pipelines.peel.reading import Reading


def photograph(seed, shape):
    """Patches of light with edges, as leaves, with fine grain; (h, w, 3) in [0, 255]."""
    rng = np.random.default_rng(seed)
    image = np.full((*shape, 3), 120, np.float32)
    for _ in range(60):
        x, y, size = rng.integers(0, shape[1]), rng.integers(0, shape[0]), rng.integers(8, 60)
        patch = np.zeros(shape, np.float32)
        centre, axes = (int(x), int(y)), (int(size), int(size // 2))
        cv2.ellipse(patch, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
        patch = cv2.GaussianBlur(patch, (0, 0), float(rng.uniform(0.5, 6)))[..., None]
        image += 0.5 * patch * (np.float32(rng.uniform(40, 230, 3)) - image)
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.float32)


def reading(size, **maps):
    """0 but for ``maps``."""
    names = ("background", "shape", "text", "drawing", "veil", "shadow", "border", "upper")
    none = np.zeros(size, np.float32)
    seen = {name: maps.get(name, none) for name in names}
    return Reading(**seen, away=maps.get("away", np.zeros((2, *size), np.float32)))
