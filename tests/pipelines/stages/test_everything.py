"""All objects of pictures whose objects are known, by a network that knows them too, and of others
by a real one."""

import numpy as np
import pytest
import torch
from tiny_segmenters import write_sam_package

from layerstudio.errors import Cancelled
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages import everything as module
from layerstudio.pipelines.stages.everything import crops_of, everything, without_specks
from layerstudio.pipelines.stages.mask_network import Answers, Frame
from layerstudio.pipelines.stages.point_grid import grid, is_first
from layerstudio.pipelines.stages.segment_sam import SamVitB
from layerstudio.progress import CancelToken, ignore_progress

CELLS = 64


class Oracle:
    """A ``MaskNetwork`` that answers a point by what is painted there, on a coarse grid: the
    thing, the thing and its neighbour (less surely), and noise that it is unsure of."""

    def __init__(self):
        self.looks, self.asked = 0, 0

    def look(self, rgb):
        self.looks += 1
        return Known(rgb, self)


class Known:
    batch = 50

    def __init__(self, rgb, oracle):
        self.rgb, self.oracle = rgb[..., 0], oracle
        self.frame = Frame(Extent.of(rgb))

    def ask(self, prompts, several):
        assert several
        self.oracle.asked += len(prompts.points)
        height, width = self.rgb.shape
        rows = ((np.arange(CELLS) + 0.5) * height / CELLS).astype(int)
        columns = ((np.arange(CELLS) + 0.5) * width / CELLS).astype(int)
        cells = self.rgb[rows][:, columns]
        logits, scores = [], []
        for x, y in prompts.points[:, 0].astype(int):
            value = self.rgb[y, x]
            thing, both = cells == value, (cells == value) | (cells == 200)
            masks = np.stack([thing, both, np.indices(thing.shape).sum(0) % 2 == 0])
            logits.append(torch.from_numpy(np.where(masks, 6.0, -6.0)).float())
            scores.append(torch.tensor([0.97, 0.9, 0.5]))
        return Answers(torch.stack(logits), torch.stack(scores))


def scene(width, height):
    """Ground 0, a large thing, a smaller one, and one of 200 that touches none."""
    rgb = np.zeros((height, width, 3), np.uint8)
    places = {
        60: Bounds(width // 10, height // 8, width // 3, height // 2),
        120: Bounds(width // 2, height // 4, width // 4, height // 3),
        200: Bounds(width * 5 // 8, height * 3 // 4, width // 5, height // 6),
    }
    for value, box in places.items():
        rgb[box.slices] = value
    return rgb, places


def iou(found, box, extent):
    truth = np.zeros(extent.shape, bool)
    truth[box.slices] = True
    mask = found.on_canvas(extent)
    return (mask & truth).sum() / (mask | truth).sum()


@pytest.mark.parametrize(("width", "height"), [(331, 207), (120, 333), (640, 640)])
def test_each_thing_comes_once_the_largest_first(width, height):
    rgb, places = scene(width, height)
    found = everything(Oracle(), rgb, progress=ignore_progress, cancel=CancelToken())
    # The ground, and three things; not the pairs, whose parts the network is surer of.
    assert [one.area for one in found] == sorted((one.area for one in found), reverse=True)
    assert len(found) == 4
    extent = Extent.of(rgb)
    for box in places.values():
        assert max(iou(one, box, extent) for one in found) > 0.85


def test_a_large_picture_is_looked_at_in_crops_too(monkeypatch):
    monkeypatch.setattr(module, "CROPPED_FROM", 300)
    rgb, places = scene(401, 315)
    tiny = Bounds(30, 290, 7, 9)  # no point of the whole picture's grid need hit it
    rgb[tiny.slices] = 250
    oracle = Oracle()
    found = everything(oracle, rgb, progress=ignore_progress, cancel=CancelToken())
    assert oracle.looks == 5
    extent = Extent.of(rgb)
    for box in places.values():
        assert sum(iou(one, box, extent) > 0.8 for one in found) == 1
    # Nothing ends at a crop's inner edge: what one cuts off is left to the others.
    edges = {edge for crop in crops_of(extent)[1:] for edge in (crop.x, crop.right)}
    inner = edges - {0, extent.width}
    assert not any(one.bounds.x in inner or one.bounds.right in inner for one in found)


def test_many_masks_are_thinned_on_the_way(monkeypatch):
    rgb, _ = scene(200, 150)
    expected = everything(Oracle(), rgb, progress=ignore_progress, cancel=CancelToken())
    monkeypatch.setattr(module, "_MOST", 60)
    found = everything(Oracle(), rgb, progress=ignore_progress, cancel=CancelToken())
    assert [one.bounds for one in found] == [one.bounds for one in expected]


def test_crops_cover_the_picture_and_small_ones_need_none():
    assert crops_of(Extent(2048, 100)) == (Bounds(0, 0, 2048, 100),)
    extent = Extent(5001, 3007)
    whole, *crops = crops_of(extent)
    assert whole == Bounds.full(extent)
    covered = np.zeros(extent.shape, bool)
    for crop in crops:
        covered[crop.slices] = True
    assert len(crops) == 4
    assert covered.all()


def test_a_grid_has_no_more_points_than_pixels_and_stays_inside():
    points = grid(Extent(7, 500), 32)
    assert points.shape == (32, 7, 2)
    assert points.min() > 0
    assert (points < (7, 500)).all()
    assert is_first(points).sum() == 16 * 3
    assert is_first(grid(Extent(1, 1), 32)).all()


def test_points_are_skipped_only_between_points_on_one_thing():
    """A bird in the sky lies between the points asked first, and the sky has a hole there."""
    rgb = np.full((640, 640, 3), 30, np.uint8)
    bird = Bounds(362, 282, 20, 20)
    rgb[bird.slices] = 250
    lattice = grid(Extent.of(rgb), 32)
    on_bird = rgb[lattice[..., 1].astype(int), lattice[..., 0].astype(int), 0] == 250
    assert on_bird.any()
    assert not (on_bird & is_first(lattice)).any()
    oracle = Oracle()
    found = everything(oracle, rgb, progress=ignore_progress, cancel=CancelToken())
    assert len(found) == 2
    assert iou(found[1], bird, Extent.of(rgb)) > 0.5  # as fine as its grid
    assert 256 <= oracle.asked < 280


def test_specks_and_holes_go_the_largest_island_stays():
    mask = np.zeros((40, 50), bool)
    mask[5:30, 5:35] = True
    mask[10:12, 10:12] = False  # a hole of 4
    mask[15:25, 15:25] = False  # a hole of 100
    mask[35, 45] = True  # a speck
    cleaned = without_specks(mask, 20)
    assert cleaned[10:12, 10:12].all()
    assert not cleaned[15:25, 15:25].any()
    assert not cleaned[35, 45]
    alone = np.zeros((9, 9), bool)
    alone[4, 4] = True
    assert (without_specks(alone, 20) == alone).all()
    notched = np.ones((6, 6), bool)
    notched[0, 0] = False  # open to the outside: no hole
    assert (without_specks(notched, 20) == notched).all()


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory, one_thread):
    folder = write_sam_package(tmp_path_factory.mktemp("sam"))
    return SamVitB.open(Runtime(device="cpu"), str(folder / "checkpoints"))


class TestByARealNetwork:
    def test_progress_rises_and_cancel_stops_between_batches(self, segmenter, monkeypatch):
        monkeypatch.setattr(module, "SURE", -9.0)
        monkeypatch.setattr(module, "POINTS", 6)
        monkeypatch.setattr(module, "STABLE", 0.2)
        rgb = np.random.default_rng(3).integers(0, 255, (37, 61, 3), np.uint8)
        heard = []
        found = segmenter.everything(rgb, progress=heard.append, cancel=CancelToken())
        shares = [report.fraction for report in heard]
        assert found
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert 3 <= len(shares) <= 7  # 9 and then at most 27 points in batches of 8, and the end
        again = segmenter.everything(rgb, progress=ignore_progress, cancel=CancelToken())
        assert [one.bounds for one in again] == [one.bounds for one in found]
        assert all((a.mask == b.mask).all() for a, b in zip(again, found, strict=True))

        cancel, heard = CancelToken(), []

        def stopping(report):
            heard.append(report)
            cancel.cancel()

        with pytest.raises(Cancelled):
            segmenter.everything(rgb, progress=stopping, cancel=cancel)
        assert len(heard) == 1
