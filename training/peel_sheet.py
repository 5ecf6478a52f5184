"""A sheet of the designs that ``peel`` takes apart worst, for the network's card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from layerstudio.color import U8
from layerstudio.metrics import layerd
from layerstudio.ops.rasterise import layers_of
from layerstudio.pipelines.evaluation.contestants import MethodContestant
from layerstudio.pipelines.evaluation.flattening import flattened
from layerstudio.pipelines.evaluation.samples import Sample
from layerstudio.pipelines.evaluation.thumbs import contact_sheet
from layerstudio.progress import CancelToken, ignore_progress
from layerstudio.requests import DecomposeRequest
from training.assets import Assets
from training.designs import BACKGROUNDS, make_design

_FIRST = 51_000  # seed of the designs that are looked at
_CELL = 150  # pixels
_COLUMNS = 12
_QUALITY = 85


def worst(path: Path, assets: Assets, *, among: int = 24, shown: int = 5) -> list[float]:
    """Write a JPEG of the ``shown`` worst of so many dev designs, each with two rows: the picture
    and its true layers; the same and what was found. Returns their alpha IoU, the worst first."""
    method = MethodContestant("peel", DecomposeRequest(read_text=False, seed=0))
    scored = sorted(
        (_taken_apart(number, method, assets) for number in range(among)), key=lambda item: item[0]
    )[:shown]
    rows = [row[:_COLUMNS] for _, pair in scored for row in pair]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(rows, _CELL)).save(path, quality=_QUALITY)
    return [iou for iou, _ in scored]


def _taken_apart(
    number: int, method: MethodContestant, assets: Assets
) -> tuple[float, list[list[U8]]]:
    background = BACKGROUNDS[number % len(BACKGROUNDS)]
    design = make_design(_FIRST + number, "dev", background=background, assets=assets)
    truth, notes = flattened(design.document)
    sample = Sample(f"design {number}", design.picture, truth, is_composed=False, notes=notes)
    answer = method.answer(sample, progress=ignore_progress, cancel=CancelToken())
    found, true = layers_of(flattened(answer.document)[0]), layers_of(truth)
    pixels = np.asarray(design.picture.pixels, np.uint8)
    iou = layerd.evaluate(found, true).at(0).alpha_iou
    return iou, [[pixels, *true], [pixels, *found]]
