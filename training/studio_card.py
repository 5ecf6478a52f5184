"""The card of the embedded model of ``studio``, written from what was measured."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from layerstudio.pipelines.studio.model import StudioModel
from layerstudio.pipelines.studio.resolving import GUIDANCE, STEPS
from training.studio_run import Run

_MEASURED = (
    "psnr_mean",
    "psnr_of_mean",
    "alpha_error",
    "recognised",
    "seconds",
    "posters",
    "picture_things",
    "picture_ground",
    "plate",
)
_ROWS = 10  # of the curve
_CARD = """# studio: the built-in layer model

A small multi-layer diffusion transformer. It makes clip-art posters: a background and up to ten
things, each a layer with its own alpha. It knows {things} nouns and {grounds} kinds of background,
and **nothing beyond them**: another word is told and left out. It has learned {drawings} drawings
nearly by heart, so it is a memory of its clip art that composes, not an artist. Things are drawn at
128 x 128 pixels and the background at 256 x 256; larger canvases are enlarged.

## What it knows
Things: {nouns}.

Backgrounds: {kinds}. Colours go with {coloured}; the others have their own.

## How it is made
- RGBA autoencoder: squares of 8 x 8 pixels to {channels} values by a fitted projection, and a
  convolutional decoder, {codec_million:.1f} M parameters; {codec_step} steps.
- Transformer in ART's architecture (arXiv:2502.18364): {double} double-stream and {single}
  single-stream blocks, width {width}, {million:.1f} M parameters, with a table of {words} words;
  {step} steps of flow matching on three tasks by which tokens are clean (MRT, arXiv:2605.27235).
- Data: drawings of openclipart (public domain) of the train split of `training/splits.py` alone,
  and backgrounds drawn by rule. No reserved drawing, photograph or font. Captions are made from
  what was placed.
- Recipe: `python -m training.studio --out runs/studio`, scale `{scale}`, seed {seed}. The file is
  {megabytes:.1f} MB in half precision. {remark}

## Measured
On the exported file. Captions are the 30 of `training/studio_captions.py`, whose three things never
met in training; seeds 100 to 129, {steps} steps, guidance {guidance}. A thing counts as recognised
if its layer is nearer to a drawing of its noun than to any other that the model learned from.

| measure | value |
|---|---|
| autoencoder, {codec_drawings} dev drawings at 128 pixels: PSNR on grey | {psnr_mean:.2f} dB |
| the same, of the mean squared error | {psnr_of_mean:.2f} dB |
| mean absolute error of alpha | {alpha_error:.4f} |
| things of the captions recognised in their layer ({things_shown} things) | {recognised:.1%} |
| one caption, 256 x 256, four layers, median | {seconds:.1f} s |
| picture to layers, {posters} new posters, boxes given: things recognised | {picture_things:.1%} |
| the same: PSNR of the background | {picture_ground:.1f} dB |
| plates with clear squares filled: PSNR of the background | {plate:.1f} dB |

The 30 held-back captions, picture and layers; what was not recognised is framed red:

![Contact sheet](../../docs/images/studio_model/captions.jpg)

## Curve
Means over the steps since the row before of the log; squared errors of tokens with much noise, of
things and of backgrounds, where 1 is what knowing nothing costs.

{curve}

## Known failures
- A word that it does not know is left out; a colour in which it has never seen a thing is tried and
  usually missed.
- Fine lines (whiskers, strings, lettering) come out soft or broken.
- Things do not know of each other: nothing is held, worn or cast in shadow.
- Plain grounds and gradients are uneven, in squares of 32 pixels; of stripes, rays and glows hardly
  more than the colour comes out. Scenes and dots are better.
- Here and there a square of 32 pixels of a thing is another of its squares, or another thing's.
- Picture to layers and the filling of plates were a small part of the training: see the last rows
  of the table. Where things are hardly recognised, a note on the document says so. To take pictures
  apart there are `flat` and `peel`.
"""


def card(run: Run, model: StudioModel, figures: Mapping[str, float], size: int) -> str:
    """Markdown; ``size`` is that of the file in bytes."""
    own, vocabulary = model.network.size, model.vocabulary
    coloured = [kind for kind, takes in vocabulary.grounds.items() if takes]
    return _CARD.format(
        things=len(vocabulary.things),
        grounds=len(vocabulary.grounds),
        drawings=len(run.stock.drawings),
        nouns=", ".join(sorted(vocabulary.things)),
        kinds=", ".join(vocabulary.grounds),
        coloured=", ".join(coloured),
        channels=model.codec.channels,
        codec_million=_millions(model.codec),
        codec_step=run.codec.step,
        double=own.double_blocks,
        single=own.single_blocks,
        width=own.heads * own.head_dim,
        million=_millions(model.network),
        words=own.words,
        step=run.network.step,
        scale=run.settings.name,
        seed=run.settings.seed,
        remark=run.settings.remark,
        megabytes=size / 1e6,
        steps=STEPS,
        guidance=GUIDANCE,
        codec_drawings=int(figures["drawings"]),
        things_shown=int(figures["things"]),
        curve=_curve(run.folder / "studio.csv"),
        **{name: figures[name] for name in _MEASURED},
    )


def _curve(log: Path) -> str:
    """Some rows of the log as a table; a run that was resumed has some steps twice."""
    rows = list(csv.DictReader(log.open(encoding="utf-8")))
    by_step = {int(row["step"]): row for row in rows}
    steps = sorted(by_step)
    picked = sorted({*steps[:: max(1, len(steps) // _ROWS)], steps[-1]})
    lines = ["| step | loss | things | backgrounds |", "|---:|---:|---:|---:|"]
    for step in picked:
        row = by_step[step]
        values = " | ".join(f"{float(row[name]):.3f}" for name in ("total", "thing", "ground"))
        lines.append(f"| {step} | {values} |")
    return "\n".join(lines)


def _millions(network: object) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6  # type: ignore[attr-defined]
