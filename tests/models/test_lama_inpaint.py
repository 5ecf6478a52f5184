"""Holes of pictures of any size: the published way, and in boxes of their own."""

import cv2
import numpy as np
import pytest
import torch
from tiny_mattes import tiny_lama

from layerstudio.models.lama_inpaint import inpaint

torch.set_num_threads(1)
MODEL = tiny_lama()


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def with_holes(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    for x, y, w, h in boxes:
        mask[y : y + h, x : x + w] = 200
    return mask


def test_parity_does_the_published_steps():
    rgb, mask = picture(45, 70), with_holes(45, 70, (20, 10, 30, 20), (0, 40, 8, 5))
    wide = ((0, 48 - 45), (0, 72 - 70))
    image = np.pad(rgb.transpose(2, 0, 1).astype("float32") / 255, ((0, 0), *wide), "symmetric")
    hole = np.pad(mask.astype("float32") / 255, wide, mode="symmetric")[None]
    image, hole = torch.from_numpy(image)[None], (torch.from_numpy(hole)[None] > 0) * 1
    with torch.no_grad():
        blended = hole * MODEL(image, hole.float()) + (1 - hole) * image
    published = np.clip(blended[0].permute(1, 2, 0).numpy() * 255, 0, 255).astype("uint8")
    assert np.array_equal(inpaint(MODEL, rgb, mask, parity=True), published[:45, :70])


@pytest.mark.parametrize("shape", [(45, 70), (200, 31), (3, 5), (1, 1)])
def test_what_is_outside_stays_and_what_is_inside_changes(shape):
    rgb = picture(*shape)
    mask = with_holes(*shape, (0, 0, shape[1] // 2 + 1, shape[0] // 2 + 1))
    result = inpaint(MODEL, rgb, mask)
    assert result.shape == rgb.shape and result.dtype == np.uint8
    assert np.array_equal(result[mask == 0], rgb[mask == 0])
    assert not np.array_equal(result[mask > 0], rgb[mask > 0])


def test_one_box_is_the_whole_picture_rounded():
    """Context that reaches the edges: the published way but for the rounding."""
    rgb, mask = picture(48, 72), with_holes(48, 72, (20, 10, 30, 20))
    ours = inpaint(MODEL, rgb, mask).astype(int)
    published = inpaint(MODEL, rgb, mask, parity=True).astype(int)
    assert set(np.unique((ours - published)[mask > 0])) <= {0, 1}


def test_nothing_to_fill_and_nothing_to_go_by():
    rgb = picture(30, 40)
    same = inpaint(MODEL, rgb, np.zeros((30, 40), bool))
    assert np.array_equal(same, rgb) and same is not rgb
    assert inpaint(MODEL, rgb, np.ones((30, 40), bool)).shape == rgb.shape


@pytest.mark.parametrize("largest", [1024**2, 40**2])
def test_what_a_hole_hides_does_not_show(largest):
    """Worked smaller too: the colours of a hole must not seep into the shrunk picture."""
    rgb, mask = picture(90, 130), with_holes(90, 130, (31, 17, 57, 40))
    other = np.where(mask[..., None] > 0, 255 - rgb, rgb)
    found = inpaint(MODEL, rgb, mask, largest=largest)
    assert np.array_equal(found, inpaint(MODEL, other, mask, largest=largest))


def test_no_more_is_worked_at_once_than_allowed(monkeypatch):
    seen = []
    hook = MODEL.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[2:]))
    rgb = picture(400, 600)
    mask = with_holes(400, 600, (100, 100, 250, 200), (560, 20, 9, 9))
    inpaint(MODEL, rgb, mask, largest=120**2)
    hook.remove()
    assert len(seen) == 2
    assert max(h * w for h, w in seen) <= (120 + 8) ** 2
