"""The benchmark runs, at toy size, and what it takes for the published way is the published way."""

import pytest
import torch
from seeded import listed_shapes, parity_settings, parity_tensors, seeded_state

from benchmarks import multilayer
from benchmarks.multilayer_cases import FLUX_SHAPE, Boxes, Shape, work
from benchmarks.published_multilayer import PublishedDecoder
from layerstudio.geometry import Bounds

FLUX_FLOPS = 418e12  # of ART's pass over 16,400 image tokens, with 512 of text


@pytest.fixture
def in_this_process(monkeypatch, one_thread) -> None:
    def here(job: str, **options) -> dict[str, float]:
        """What a toy takes may be less than the kernel tells apart."""
        return {key: value or 1.0 for key, value in multilayer.JOBS[job](**options).items()}

    monkeypatch.setattr(multilayer, "own_process", here)
    monkeypatch.setattr(multilayer, "TEN", Boxes(10, 6, 6, side=16))
    monkeypatch.setattr(multilayer, "FIFTY", Boxes(50, 6, 4, side=16))
    monkeypatch.setattr(multilayer, "TWENTY", Boxes(18, 6, 4, side=16))
    monkeypatch.setattr(multilayer, "SAME_AREA", (Boxes(2, 8, 8, side=16), Boxes(4, 8, 4, side=16)))


def difference(row: list[str]) -> float:
    return float(row[-1].rpartition("differ by ")[2])


def test_boxes_are_faster_than_whole_canvases(in_this_process):
    rows = {row[0]: row for row in multilayer.boxes_against_canvases(True, 1)}
    assert len(rows) == 12
    for name, row in rows.items():
        if name.startswith("work"):
            assert float(row[3].removesuffix(" times")) > 1


def test_kept_tokens_equal_whole_canvases_inside_boxes_and_hold_less(in_this_process):
    row = multilayer.embedding_and_projection(True)
    assert difference(row) < 1e-5
    kept, whole = (float(cell.removesuffix(" MB").replace(",", "")) for cell in row[1:3])
    assert whole / kept > 6


def test_four_documents_of_3_to_20_boxes_equal_one_by_one(one_thread):
    assert difference(multilayer.batch(quick=True)) < 1e-5


def test_decoder_equals_the_published_way(in_this_process):
    seconds, _ = multilayer.decoder(True)
    assert difference(seconds) < 1e-5


@torch.inference_mode()
def test_the_published_way_is_the_published_networks(one_thread):
    tensors = parity_tensors("art_transp_vae_small")
    boxes = parity_settings("art_transp_vae_small")["boxes"]
    tokens = [box and Bounds.from_edges(*(value // 8 for value in box)) for box in boxes]
    network = PublishedDecoder(seeded_state(listed_shapes("art_transp_vae_small"), 33))
    rgba = network(tensors["z"], tokens)
    assert (rgba[:, :3] - tensors["rgb"]).abs().max() < 1e-5
    assert (rgba[:, 3:] - tensors["alpha"]).abs().max() < 1e-5


def test_work_is_counted_as_for_the_published_network():
    assert work(FLUX_SHAPE, 16_400) == pytest.approx(FLUX_FLOPS, rel=0.05)


def test_same_area_is_the_same_number_of_tokens():
    assert len({case.regions.count for case in multilayer.SAME_AREA}) == 1


def test_the_gpu_part_runs(in_this_process):
    rows = list(multilayer.gpu_rows(multilayer.CPU, 1, Shape()))
    assert len(rows) == 4 and all(row[0].endswith(", sdpa") for row in rows)


def test_same_area_reports_the_spread(in_this_process):
    row = multilayer.same_area(False, 1)
    assert row[0].startswith("2, 4 layers") and row[-1].endswith("% apart")
