"""The method ``peel``: exact, repeatable, and ``flat`` where its network cannot run."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import layerstudio
from layerstudio import Cancelled, CancelToken
from layerstudio.document import Provenance, Role
from layerstudio.picture import Picture
from layerstudio.pipelines.peel import method, method_auto
from layerstudio.pipelines.peel.guide import NetworkGuide
from layerstudio.pipelines.peel.method import PeelMethod
from layerstudio.pipelines.peel.method_auto import AutoMethod
from layerstudio.progress import ignore_progress
from layerstudio.requests import DecomposeRequest
from layerstudio.weights.embedded import embedded

SHAPE = (187, 301)
SLIDE = Path(__file__).parents[3] / "examples" / "slide.jpg"


def picture():
    """A card, a word and a disc on noise that stands for a photograph."""
    rng = np.random.default_rng(4)
    soft = cv2.GaussianBlur(rng.normal(120, 90, (*SHAPE, 3)), (0, 0), 7)
    rgb = np.clip(120 + 4 * (soft - 120) + rng.normal(0, 3, soft.shape), 0, 255).astype(np.uint8)
    cv2.rectangle(rgb, (20, 24), (170, 150), (250, 250, 250), -1)
    cv2.circle(rgb, (240, 90), 40, (215, 40, 40), -1, cv2.LINE_AA)
    cv2.putText(
        rgb, "Harbour", (32, 95), cv2.FONT_HERSHEY_DUPLEX, 1.0, (20, 30, 90), 2, cv2.LINE_AA
    )
    return rgb


def run(pixels, **options):
    request = DecomposeRequest(method="peel", read_text=False, seed=0, **options)
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    return PeelMethod().run(
        request, Picture(rgba, lossy=False), progress=ignore_progress, cancel=CancelToken()
    )


def test_the_embedded_network_is_small():
    assert embedded("peel").stat().st_size <= 20 * 2**20


def test_documents_recompose_exactly_and_repeat():
    first, second = (run(picture()) for _ in range(2))
    assert len(first.layers) == len(second.layers) > 2
    for one, other in zip(first.layers, second.layers, strict=True):
        assert one.bounds == other.bounds and np.array_equal(one.pixels, other.pixels)
    made = layerstudio.decompose(picture(), method="peel", read_text=False)
    assert float(made.metadata["recomposition_max_error"]) * 255 <= 1e-3
    assert isinstance(made.layers[0].provenance, Provenance)
    assert made.layers[0].provenance.method == "peel"


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (33, 64), (65, 130)])
def test_any_size_is_read(shape):
    rng = np.random.default_rng(1)
    document = run(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
    assert document.extent == (shape[1], shape[0])


def test_without_torch_the_rules_work_alone_and_say_so(monkeypatch):
    monkeypatch.setattr(method, "find_spec", lambda name: None)
    document = run(picture())
    assert len(document.layers) > 1
    assert any("PyTorch" in note for note in document.notes)


def test_auto_says_nothing_where_torch_is_missing(monkeypatch):
    monkeypatch.setattr(method_auto, "find_spec", lambda name: None)
    made = layerstudio.decompose(picture(), read_text=False)
    assert len(made.layers) > 1 and not made.notes
    assert isinstance(made.layers[0].provenance, Provenance)
    assert made.layers[0].provenance.method == "auto"


@pytest.mark.parametrize(("most", "is_guided"), [(1.0, True), (-1.0, False)])
def test_auto_is_guided_where_the_network_knows_the_picture(monkeypatch, most, is_guided):
    monkeypatch.setattr(method_auto, "_MOST_DOUBT", most)
    guide, notes = AutoMethod().guide(picture(), None, ignore_progress, CancelToken())
    assert (guide is not None) == is_guided and notes == []


def test_what_stands_on_a_translucent_panel_is_a_layer_whatever_the_network_says(monkeypatch):
    monkeypatch.setattr(NetworkGuide, "is_drawn", lambda self, drawing: False)
    made = layerstudio.decompose(SLIDE, method="peel", read_text=False)
    drawn = [layer.bounds for layer in made.layers if layer.role is Role.OBJECT]
    assert sum(bounds.x < 780 and bounds.right < 780 for bounds in drawn) >= 3  # the bullets


def test_a_cancelled_run_stops_before_the_network_is_read():
    cancel = CancelToken()
    cancel.cancel()
    rgba = np.zeros((9, 9, 4), np.uint8)
    with pytest.raises(Cancelled):
        PeelMethod().guide(rgba[..., :3], None, ignore_progress, cancel)
