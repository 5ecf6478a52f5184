"""The embedded file of ``studio``, its contact sheet and its card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from layerstudio.color import to_u8
from layerstudio.composite import composite
from layerstudio.document import Role
from layerstudio.pipelines.studio.model import read, written
from training.studio_captions import HELD_BACK
from training.studio_card import card
from training.studio_quality import Shown, codec_quality, shown, task_quality
from training.studio_run import Run

_SEED = 100
_COLUMNS, _CELL, _SMALL, _LABEL = 3, 192, 64, 14  # of the contact sheet; pixels
_GREY = (128, 128, 128)


def export(
    run: Run, folder: Path, pictures: Path, captions: Sequence[str] = HELD_BACK, posters: int = 16
) -> Path:
    """Write ``studio.safetensors`` and ``studio.md`` into ``folder`` and the contact sheet into
    ``pictures``. All is measured on the file as it was written, in half precision."""
    for place in (folder, pictures):
        place.mkdir(parents=True, exist_ok=True)
    path = folder / "studio.safetensors"
    about = {"recipe": "training/studio.py", "step": str(run.network.step)}
    tensors, header = written(run.model(), about)
    save_file(tensors, path, metadata=header)
    model = read(path)
    made = shown(model, run.stock.drawings, captions, _SEED)
    sheet(made).save(pictures / "captions.jpg", quality=85)
    figures = {**codec_quality(model.codec, run.assets), **_of_captions(made)}
    figures |= task_quality(model, run.stock.drawings, count=posters, seed=_SEED)
    tensors, header = written(replace(run.model(), quality=figures), about)
    save_file(tensors, path, metadata=header)
    print(json.dumps(figures))
    (folder / "studio.md").write_text(card(run, model, figures, path.stat().st_size), "utf-8")
    return path


def sheet(made: Sequence[Shown]) -> Image.Image:
    """Each caption's picture, and beside it its layers by themselves; what was not recognised is
    framed."""
    width, height = _CELL + _SMALL, _CELL + _LABEL
    rows = -(-len(made) // _COLUMNS)
    page = Image.new("RGB", (_COLUMNS * (width + 6), rows * height), "white")
    draw = ImageDraw.Draw(page)
    for index, one in enumerate(made):
        left, top = index % _COLUMNS * (width + 6), index // _COLUMNS * height
        whole = to_u8(composite(one.document))[..., :3]
        page.paste(Image.fromarray(np.ascontiguousarray(whole)).resize((_CELL, _CELL)), (left, top))
        layers = [layer for layer in one.document.layers if layer.role is not Role.BACKGROUND]
        for place, (layer, hit) in enumerate(zip(layers, one.hits, strict=True)):
            x, y = left + _CELL, top + place * _SMALL
            own = Image.fromarray(layer.pixels, "RGBA")
            own.thumbnail((_SMALL - 4, _SMALL - 4))
            draw.rectangle((x, y, x + _SMALL - 1, y + _SMALL - 1), _GREY, None if hit else "red")
            page.paste(own, (x + 2, y + 2), own)
        draw.text((left + 2, top + _CELL + 1), one.caption[:60], "black")
    return page


def _of_captions(made: Sequence[Shown]) -> dict[str, float]:
    hits = [hit for one in made for hit in one.hits]
    return {
        "captions": len(made),
        "things": len(hits),
        "recognised": round(sum(hits) / max(1, len(hits)), 3),
        "seconds": round(float(np.median([one.seconds for one in made])), 2),
    }
