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
    "settled_ground",
    "picture_alpha",
    "recomposed",
)
_ROWS = 10  # of the curve
_COLUMNS = ("total", "thing", "ground", "seen_thing", "seen_ground")
_FAILURES = """\
- A word that it does not know is left out; a colour in which it has never seen a thing is tried and
  usually missed.
- Fine lines (whiskers, strings, lettering) come out soft or broken.
- Things do not know of each other: nothing is held, worn or cast in shadow.
- Made from text, plain grounds, gradients and glows still differ by a few levels from one square of
  32 pixels to the next, and stripes are faint.
- Here and there a square of 32 pixels of a thing is another of its squares, or another thing's, or
  stands beside it.
- In pictures, hidden parts of things are guessed, often from other things; of what hardly shows,
  not even the kind is found. Behind things the background is mottled, stripes and rays are only
  hinted at, and there may be a breath of rays where the ground is plain. Where two boxes share a
  place, a piece of one thing may go to the other.
- Pictures of other things than its own come apart worse: of dev drawings, which it has never seen,
  alpha was wrong by a tenth on average, with pieces of background at the edges. For any picture
  there are `flat` and `peel`."""
_CARD = """# studio: the built-in layer model

A small multi-layer diffusion transformer. It makes clip-art posters: a background and up to ten
things, each a layer with its own alpha. It knows {things} nouns and {grounds} kinds of background,
and **nothing beyond them**: another word is told and left out. It has learned {drawings} drawings
nearly by heart, so it is a memory of its clip art that composes, not an artist. Things are drawn at
128 x 128 pixels and the background at 256 x 256; larger canvases are enlarged. It also takes such
posters apart where boxes of the things are known, and fills holes of backgrounds.

## What it knows
Things: {nouns}.

Backgrounds: {kinds}. Colours go with {coloured}; the others have their own.

## How it is made
- RGBA autoencoder: squares of 8 x 8 pixels to {channels} values by a fitted projection, and a
  convolutional decoder, {codec_million:.1f} M parameters; {codec_step} steps.
- Transformer in ART's architecture (arXiv:2502.18364): {double} double-stream and {single}
  single-stream blocks, width {width}, {million:.1f} M parameters, with a table of {words} words;
  {step} steps of flow matching on MRT's three tasks (arXiv:2605.27235): text to layers, picture to
  layers (and plates), layers to layers. Of a picture, each layer is given two views of its own
  square, what is shown and a smooth fill without the things, with gates that let them pass.
- Errors of latents weigh what they cost in pixels, to the power 3/4.
- Data: drawings of openclipart (public domain) of the train split of `training/splits.py` alone,
  and backgrounds drawn by rule. Besides the named drawings {strangers} others without a name, in
  pictures to be taken apart. No reserved drawing, photograph or font. Captions are made from what
  was placed.
- Recipe: `python -m training.studio --out runs/studio`, scale `{scale}`, seed {seed}. The file is
  {megabytes:.1f} MB in half precision. {remark}

## Measured
On the exported file. Captions are the 30 of `training/studio_captions.py`, whose three things never
met in training; seeds 100 to 129, {steps} steps, guidance {guidance}, the best of three on them. A
thing counts as recognised if its layer is nearer to a drawing of its noun than to any other that
the model learned from.

| measure | value |
|---|---|
| autoencoder, {codec_drawings} dev drawings at 128 pixels: PSNR on grey | {psnr_mean:.2f} dB |
| the same, of the mean squared error | {psnr_of_mean:.2f} dB |
| mean absolute error of alpha | {alpha_error:.4f} |
| things of the captions recognised in their layer ({things_shown} things) | {recognised:.1%} |
| one caption, 256 x 256, four layers, median | {seconds:.1f} s |
| picture to layers, {posters} new posters in boxes, no words: recognised | {picture_things:.1%} |
| the same: PSNR of the background that the network makes | {picture_ground:.1f} dB |
| the same: PSNR of the background in the method's document | {settled_ground:.1f} dB |
| the same: mean absolute error of alpha in the boxes | {picture_alpha:.3f} |
| the same: largest error of the layers put together, of 255 | {recomposed} |
| plates with clear squares filled: PSNR of the background that the network makes | {plate:.1f} dB |

The 30 held-back captions, picture and layers; what was not recognised is framed red:

![Contact sheet](../../docs/images/studio_model/captions.jpg)

The first twelve of the posters taken apart. Nothing is chosen:

![Posters taken apart](../../docs/images/studio_model/posters.jpg)

## Curve
Means over the steps since the row before of the log; squared errors of tokens, weighed as above,
where 1 is what knowing nothing costs: of things and backgrounds made from text, with much noise,
and of those seen in a picture.

{curve}

## Known failures
{failures}

Captions of which a thing was not recognised, and the posters that came apart worst:

![Failures](../../docs/images/studio_model/failures.jpg)
"""


def card(run: Run, model: StudioModel, figures: Mapping[str, float], size: int) -> str:
    """Markdown; ``size`` is that of the file in bytes."""
    own, vocabulary = model.network.size, model.vocabulary
    known = len(run.stock.drawings)
    coloured = [kind for kind, takes in vocabulary.grounds.items() if takes]
    return _CARD.format(
        things=len(vocabulary.things),
        grounds=len(vocabulary.grounds),
        drawings=known,
        strangers=len(run.stock.pixels) - known,
        failures=_FAILURES,
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
    lines = ["| step | loss | things | backgrounds | things seen | backgrounds seen |"]
    lines.append("|---:|" + "---:|" * len(_COLUMNS))
    for step in picked:
        row = by_step[step]
        values = " | ".join(f"{float(row[name]):.3f}" for name in _COLUMNS)
        lines.append(f"| {step} | {values} |")
    return "\n".join(lines)


def _millions(network: object) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6  # type: ignore[attr-defined]
