"""Train ``studio``, the small multi-layer model that comes with the package, and export it.

On a CPU, in the background, an hour or two of one core:

    nice python -m training.studio --out runs/studio

On a GPU, larger, in bfloat16, minutes:

    python -m training.studio --out runs/studio-large --scale large --device cuda

The same command resumes an interrupted run and, when it is done, exports the file, its card and its
contact sheet; ``--export`` does that from the last checkpoint without training.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from layerstudio.errors import LayerStudioError
from training.studio_export import export
from training.studio_run import SCALES, Run, Settings

_ROOT = Path(__file__).resolve().parents[1]
EMBEDDED = _ROOT / "weights" / "embedded"
PICTURES = _ROOT / "docs" / "images" / "studio_model"


def main() -> None:
    options = _options()
    if options.threads:
        torch.set_num_threads(options.threads)
    scale = SCALES[options.scale]
    if options.steps:
        scale = replace(scale, network=replace(scale.network, steps=options.steps))
    settings = Settings(
        out=options.out, name=options.scale, scale=scale, seed=options.seed,
        device=options.device, assets=options.assets,
        remark=options.remark,
    )  # fmt: skip
    try:
        run = Run(settings)
        if not options.export:
            for done in run.train():
                print(done, flush=True)
        export(run, EMBEDDED, PICTURES)
    except LayerStudioError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped; the same command goes on from the last checkpoint.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train and export the model of 'studio'.")
    parser.add_argument("--out", required=True, help="the run's folder")
    parser.add_argument("--scale", choices=tuple(SCALES), default="small")
    parser.add_argument("--steps", type=int, default=0, help="of the transformer; 0: the scale's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--assets", default="best", metavar="best|pack|FILE.zip")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0 leaves it to torch")
    parser.add_argument("--remark", default="", help="what the card says of the run besides")
    parser.add_argument("--export", action="store_true", help="export only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
