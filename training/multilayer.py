"""Train the multi-layer transformer: text to layers, a picture to layers, layers to layers.

A toy run from nothing, minutes on a CPU, which learns eight designs by heart:

    python -m training.multilayer --config training/multilayer_toy.json --out runs/toy

A LoRA on FLUX.1-dev with drawn designs, on every GPU of the machine:

    accelerate launch -m training.multilayer --base FLUX.1-dev --out runs/lora --precision bf16

The same command resumes an interrupted run exactly where its last checkpoint was. Metrics go to
``log.csv`` and ``samples.csv`` in the run's folder, and to TensorBoard where it is installed.
"""

from __future__ import annotations

import sys

from layerstudio.errors import LayerStudioError
from training.multilayer_run import Run
from training.multilayer_settings import parse_settings


def main() -> None:
    try:
        Run(parse_settings()).train()
    except LayerStudioError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped; the same command goes on from the last checkpoint.")


if __name__ == "__main__":
    main()
