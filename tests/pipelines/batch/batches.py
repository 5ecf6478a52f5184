"""Small pictures, and batches of them."""

import os
import time
from pathlib import Path

import numpy as np
from PIL import Image

from layerstudio.pipelines.batch.batch import Batch, Options
from layerstudio.pipelines.batch.planning import Asked
from layerstudio.pipelines.batch.worker import serve
from layerstudio.progress import CancelToken

FAST = {"read_text": False, "layers": 1}  # one layer: nothing is analysed


def write_pictures(folder: Path, count: int, width: int = 23, height: int = 17) -> list[Path]:
    """Pictures that differ in their colour."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"picture {number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        pixels = np.full((height, width, 3), (number * 7 % 256, 90, 200), np.uint8)
        pixels[3:9, 4:12] = (250, 240, number % 256)
        Image.fromarray(pixels).save(path)
    return paths


def run(asked: Asked, cancel: CancelToken | None = None, listener=None, **options):
    """The summary of one run, and its events; in this process unless workers are asked for."""
    options = {"workers": 0} | options
    events = []

    def listen(event):
        events.append(event)
        if listener is not None:
            listener(event)

    with Batch(asked, Options(**options), listen, cancel or CancelToken()) as batch:
        return batch.run(), events


def asked_for(*inputs, out: Path, **changes) -> Asked:
    return Asked(tuple(map(str, inputs)), str(out), **{"defaults": FAST, **changes})


def files_in(folder: Path) -> dict[str, bytes]:
    """What a user sees: results by their path, without the journal and the report."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".layerstudio" not in str(path) and "batch-report" not in path.name
    }


def dies_at_once(*_) -> None:
    """In the place of a worker process."""
    os._exit(3)


def starts_late(*arguments) -> None:
    time.sleep(5)
    serve(*arguments)
