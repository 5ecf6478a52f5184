"""The method ``peel``: exact, repeatable, and ``flat`` where its network cannot run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import layerstudio
from layerstudio import Cancelled, CancelToken
from layerstudio.document import Provenance, Role
from layerstudio.errors import MismatchedWeights, UnreadableFile
from layerstudio.picture import Picture
from layerstudio.pipelines.peel import method_auto
from layerstudio.pipelines.peel.guide import NetworkGuide
from layerstudio.pipelines.peel.method import PeelMethod
from layerstudio.pipelines.peel.method_auto import AutoMethod
from layerstudio.pipelines.peel.network import read
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


def test_the_default_needs_no_torch():
    """Not even where it is installed, since importing it takes seconds."""
    program = (
        "import sys, numpy, layerstudio\n"
        "made = layerstudio.decompose(numpy.full((40, 61, 3), 200, numpy.uint8), read_text=False)\n"
        "assert made.layers[0].provenance.method == 'auto' and not made.notes\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.parametrize("damage", ["missing", "cut short", "another version", "not all"])
def test_a_damaged_network_says_what_to_do(tmp_path, damage):
    path = tmp_path / "peel.safetensors"
    state = load_file(embedded("peel"))
    if damage == "not all":
        del state["head.bias"]
    if damage == "another version":
        state = {k: v[:32] if k.startswith("head.") else v for k, v in state.items()}
    if damage != "missing":
        save_file(state, path)
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises((UnreadableFile, MismatchedWeights)) as caught:
        read(path, picture())
    assert "peel.safetensors" in str(caught.value) and "Install LayerStudio again" in str(
        caught.value
    )


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
