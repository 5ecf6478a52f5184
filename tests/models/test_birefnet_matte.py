"""Mattes of whole pictures: the published steps, and ours."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from tiny_mattes import tiny_birefnet
from torchvision import transforms

from layerstudio.geometry import Extent
from layerstudio.models.birefnet_matte import matte, mattes, restored, same_area

torch.set_num_threads(1)
MODEL = tiny_birefnet()


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Colours that change smoothly, with a hard-edged disc."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    rgb = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.circle(rgb, (width // 2, height // 2), min(height, width) // 3, (250, 40, 60), -1)
    return rgb


@pytest.mark.parametrize(("shape", "size"), [((75, 131), (64, 96)), ((40, 33), (64, 64))])
def test_parity_does_the_published_steps(shape, size):
    rgb = picture(*shape)
    steps = transforms.Compose(
        [
            transforms.Resize(size),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    with torch.no_grad():
        alpha = MODEL(steps(Image.fromarray(rgb))[None]).sigmoid()[0, 0].numpy()
    expected = cv2.resize(alpha, shape[::-1], interpolation=cv2.INTER_LINEAR)
    found = matte(MODEL, rgb, size=Extent(size[1], size[0]), parity=True)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)


def test_at_its_own_size_a_picture_is_not_resampled():
    rgb = picture(64, 96)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = torch.from_numpy((rgb / 255 - mean) / deviation).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = MODEL(x).sigmoid()[0, 0].numpy()
    assert np.abs(matte(MODEL, rgb, size=Extent(96, 64)) - expected).max() < 1e-5


@pytest.mark.parametrize("shape", [(50, 81), (200, 31), (1, 1), (3, 400)])
def test_any_size_comes_back_in_its_own(shape):
    alpha = matte(MODEL, picture(*shape), size=50)
    assert alpha.shape == shape and alpha.dtype == np.float32
    assert alpha.min() >= 0 and alpha.max() <= 1


def test_many_at_once_are_each_its_own():
    pictures = [picture(70, 50, 1), picture(31, 90, 2), picture(70, 50, 3)]
    together = mattes(MODEL, pictures, size=64, batch=2)
    assert [alpha.shape for alpha in together] == [(70, 50), (31, 90), (70, 50)]
    for alpha, rgb in zip(together, pictures, strict=True):
        assert np.abs(alpha - matte(MODEL, rgb, size=64)).max() < 1e-5


def test_the_better_way_is_close_to_the_published_one():
    rgb = picture(150, 110)
    ours, published = (matte(MODEL, rgb, size=64, parity=parity) for parity in (False, True))
    assert 0 < np.abs(ours - published).mean() < 0.01


@pytest.mark.parametrize("blur", [0, 1, 4])
def test_edges_are_nearer_to_the_truth_than_the_published_way(blur):
    """What a network that is never wrong says at a quarter of the size, enlarged."""
    truth = np.zeros((256, 320), np.uint8)
    cv2.circle(truth, (140, 120), 70, 255, -1, cv2.LINE_AA)
    cv2.line(truth, (10, 240), (300, 30), 255, 6, cv2.LINE_AA)
    truth = (cv2.GaussianBlur(truth, (0, 0), blur) if blur else truth).astype(np.float32) / 255
    small = cv2.resize(truth, (80, 64), interpolation=cv2.INTER_AREA)
    logits = torch.logit(torch.from_numpy(small).clamp(0.001, 0.999))[None, None]
    ours = restored(logits, Extent(320, 256))
    published = cv2.resize(logits.sigmoid()[0, 0].numpy(), (320, 256))
    assert np.abs(ours - truth).mean() < 0.95 * np.abs(published - truth).mean()


def test_large_pictures_are_averaged_in_steps():
    rgb = picture(1300, 1111)
    x = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
    small = F.interpolate(x, size=(64, 64), mode="bilinear", antialias=True).round().byte()
    direct = matte(MODEL, small[0].permute(1, 2, 0).numpy(), size=64)
    stepped = cv2.resize(matte(MODEL, rgb, size=64), (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(direct - stepped).mean() < 0.01


def test_half_precision_is_close():
    rgb = picture(64, 64)
    half = tiny_birefnet().to(torch.bfloat16)
    assert np.abs(matte(half, rgb, size=64) - matte(MODEL, rgb, size=64)).max() < 0.05


@pytest.mark.parametrize("extent", [Extent(4000, 3000), Extent(100, 1000), Extent(7, 7)])
def test_same_area_keeps_proportions(extent):
    working = same_area(extent, 1024)
    assert working.width % 32 == 0 and working.height % 32 == 0
    assert working.pixel_count == pytest.approx(1024**2, rel=0.06)
    ratio = working.width / working.height / (extent.width / extent.height)
    assert ratio == pytest.approx(1, abs=0.06)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gpu_gives_the_cpus_mattes(dtype):
    rgb = picture(150, 110)
    there = tiny_birefnet().to("cuda", dtype)
    assert np.abs(matte(there, rgb, size=128) - matte(MODEL, rgb, size=128)).max() < 0.05
