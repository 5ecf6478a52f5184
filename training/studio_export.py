"""The embedded file of ``studio``, its pictures and its card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from layerstudio.pipelines.studio.model import read, written
from training.studio_apart import apart_quality, badness, taken_apart
from training.studio_captions import HELD_BACK
from training.studio_card import card
from training.studio_quality import Shown, codec_quality, shown
from training.studio_run import Run
from training.studio_sheets import caption_sheet, failure_sheet, poster_sheet

_SEED = 100
_SHOWN, _WORST = 12, 6  # posters taken apart, of the sheet and of that of failures


def export(
    run: Run, folder: Path, pictures: Path, captions: Sequence[str] = HELD_BACK, posters: int = 32
) -> Path:
    """Write ``studio.safetensors`` and ``studio.md`` into ``folder`` and the sheets into
    ``pictures``. All is measured on the file as it was written, in half precision."""
    for place in (folder, pictures):
        place.mkdir(parents=True, exist_ok=True)
    path = folder / "studio.safetensors"
    about = {"recipe": "training/studio.py", "step": str(run.network.step)}
    tensors, header = written(run.model(), about)
    save_file(tensors, path, metadata=header)
    model, drawings = read(path), run.stock.drawings
    made = shown(model, drawings, captions, _SEED)
    apart = taken_apart(model, drawings, count=posters, seed=_SEED)
    figures = {**codec_quality(model.codec, run.assets), **_of_captions(made)}
    figures |= apart_quality(apart, drawings)
    caption_sheet(made).save(pictures / "captions.jpg", quality=85)
    poster_sheet(apart[:_SHOWN], 2).save(pictures / "posters.jpg", quality=85)
    worst = sorted(apart, key=lambda one: badness(one, drawings))[-_WORST:]
    missed = [one for one in made if not all(one.hits)]
    failure_sheet(missed, worst).save(pictures / "failures.jpg", quality=85)
    tensors, header = written(replace(run.model(), quality=figures), about)
    save_file(tensors, path, metadata=header)
    print(json.dumps(figures))
    (folder / "studio.md").write_text(card(run, model, figures, path.stat().st_size), "utf-8")
    return path


def _of_captions(made: Sequence[Shown]) -> dict[str, float]:
    hits = [hit for one in made for hit in one.hits]
    return {
        "captions": len(made),
        "things": len(hits),
        "recognised": round(sum(hits) / max(1, len(hits)), 3),
        "seconds": round(float(np.median([one.seconds for one in made])), 2),
    }
