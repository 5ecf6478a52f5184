"""Train ``peel``, the small network that guides the default decomposition, and export it.

On two cores, in the background, about three hours:

    nice python -m training.peel --out runs/peel --steps 27000

On a GPU, about ten minutes:

    python -m training.peel --out runs/peel --device cuda --steps 30000 --batch 32 --lanes 14

The same command resumes an interrupted run; ``--export`` writes the weights and the card's figures
of the last checkpoint without training. Examples are drawn on the fly by ``training.designs`` from
the train split alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from layerstudio.errors import LayerStudioError
from training.peel_export import export, quality
from training.peel_run import Run, Settings

_ROOT = Path(__file__).resolve().parents[1]
EMBEDDED = _ROOT / "weights" / "embedded"
PICTURES = _ROOT / "docs" / "images" / "peel"
_LOOKS = 8  # rows of the log between two looks at the quality


def main() -> None:
    options = _options()
    given = {name: value for name, value in vars(options).items() if name != "export"}
    if options.threads:
        torch.set_num_threads(options.threads)
    given.pop("threads")
    try:
        run = Run(Settings(**given))
        if not options.export:
            for step in run.train():
                if step % (_LOOKS * options.every) == 0:
                    print(step, quality(run.average, count=2, assets=options.assets), flush=True)
        export(run, EMBEDDED, PICTURES)
    except LayerStudioError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped; the same command goes on from the last checkpoint.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train and export the network of 'peel'.")
    parser.add_argument("--out", required=True, help="the run's folder")
    for name in ("steps", "batch", "side", "seed", "lanes", "pool", "every"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings, name))
    for name in ("rate", "decay"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Settings, name))
    parser.add_argument("--start", default="", metavar="FILE", help="weights to begin with")
    parser.add_argument("--device", default=Settings.device)
    parser.add_argument("--assets", default=Settings.assets, metavar="best|pack|FILE.zip")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0 leaves it to torch")
    parser.add_argument("--remark", default="", help="what the card says of the run besides")
    parser.add_argument("--export", action="store_true", help="export only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
