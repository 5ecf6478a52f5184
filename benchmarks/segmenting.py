"""Seconds and memory of the networks that find and outline objects, with random weights.

`python -m benchmarks.segmenting [--side 1024] [--only sam2] [--points 64]`

Each network is made at its published size, written in its published layout and read back by the
stage, in a process of its own, so that its peak of memory is its own. What a network sees is a
picture of noise; the time does not depend on it. Seconds of the processor are in brackets: where
other programs run, they are what counts. "everything" is reckoned from the processor's time of a
number of points, as how many are asked depends on the picture, and on all cores at once.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import measuring

STAGES = ("sam-vit-b", "sam2-tiny", "grounding-dino-tiny", "owlv2-base")
_GRID, _FIRST = 32 * 32, 16 * 16  # points of a picture at most, and at least
_GIB = 2**30

Seconds = tuple[float, float]  # on the wall, of the processor


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    if options.stage:
        print(json.dumps(measured(options.stage, options.side, options.points)))
        return
    threads = torch.get_num_threads()
    print(f"{measuring.machine(torch.device('cpu'))}, {threads} thread(s), float32\n")
    columns = (
        f"{options.side} x {options.side}", "read, s", "picture or search, s", "a point, s",
        "everything, s", "peak, GiB",
    )  # fmt: skip
    print(measuring.table(columns, []))
    for stage in STAGES:
        if options.only in stage:
            print("| " + " | ".join(_row(stage, _in_a_process(stage, options))) + " |", flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--points", type=int, default=32, help="asked to reckon everything from")
    parser.add_argument("--only", default="", help="stages whose id holds this")
    parser.add_argument("--stage", default="", help="one, in this process: figures as JSON")
    return parser.parse_args(arguments)


def measured(stage: str, side: int, points: int) -> dict[str, Any]:
    """Figures of one stage at its published size."""
    with tempfile.TemporaryDirectory() as folder:
        base = _WRITERS[stage](Path(folder))
        opened, reading = _timed(lambda: _opened(stage, str(base)))
        rgb = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
        figures: dict[str, Any] = {"read": reading}
        if stage in ("grounding-dino-tiny", "owlv2-base"):
            figures |= {"look": _search(opened, rgb)}
        else:
            figures |= _look_and_ask(opened, rgb, points)
    figures["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _GIB
    return figures


def _look_and_ask(stage: Any, rgb: np.ndarray, points: int) -> dict[str, Any]:
    from layerstudio.pipelines.stages.mask_network import Prompts

    look, looking = _timed(lambda: stage._network.look(rgb))
    places = np.random.default_rng(1).uniform(0, len(rgb), (points, 1, 2)).astype(np.float32)
    labels = np.ones((points, 1), np.int64)

    def ask() -> None:
        for start in range(0, points, look.batch):
            some = slice(start, start + look.batch)
            look.ask(Prompts(places[some], labels[some], None), several=True)

    _, (wall, processor) = _timed(ask)
    return {"look": looking, "point": (wall / points, processor / points)}


def _search(stage: Any, rgb: np.ndarray) -> Seconds:
    from layerstudio.progress import CancelToken

    prompts = ["a cat", "a dog", "a lamp"]
    return _timed(lambda: stage.detect(rgb, prompts, cancel=CancelToken()))[1]


def _opened(stage: str, base: str) -> Any:
    from layerstudio.pipelines.runtime import Runtime
    from layerstudio.pipelines.stages.table import stage_class

    return stage_class(stage).open(Runtime(device="cpu"), base)


def _timed(run: Callable[[], Any]) -> tuple[Any, Seconds]:
    wall, processor = time.perf_counter(), time.process_time()
    result = run()
    return result, (time.perf_counter() - wall, time.process_time() - processor)


def _in_a_process(stage: str, options: argparse.Namespace) -> dict[str, Any]:
    own = ["--stage", stage, "--side", str(options.side), "--points", str(options.points)]
    command = [sys.executable, "-m", "benchmarks.segmenting", *own]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _row(stage: str, figures: dict[str, Any]) -> tuple[str, ...]:
    point, every = "", ""
    if "point" in figures:
        point = _both(figures["point"], 2)
        free = figures["point"][1] / torch.get_num_threads()
        every = f"{_FIRST * free:.0f} to {_GRID * free:.0f}"
    read, look = (_both(figures[name], 1) for name in ("read", "look"))
    return stage, read, look, point, every, f"{figures['peak']:.1f}"


def _both(seconds: Seconds, digits: int) -> str:
    return f"{seconds[0]:.{digits}f} ({seconds[1]:.{digits}f})"


def _sam(folder: Path) -> Path:
    from segment_anything import sam_model_registry

    torch.save(sam_model_registry["vit_b"]().state_dict(), folder / "sam_vit_b_01ec64.pth")
    return folder / "sam_vit_b_01ec64.pth"


def _sam2(folder: Path) -> Path:
    from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model

    Sam2Model(Sam2Config()).save_pretrained(folder)
    Sam2ImageProcessor().save_pretrained(folder)
    return folder


def _grounding_dino(folder: Path) -> Path:
    """Swin-T as its backbone, BERT for its words; the words themselves do not count."""
    from transformers import (
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
    )

    config = GroundingDinoConfig()
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    GroundingDinoImageProcessor().save_pretrained(folder)
    _write_words(folder)
    return folder


def _owlv2(folder: Path) -> Path:
    from transformers import (
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessor,
        Owlv2VisionConfig,
    )

    vision = Owlv2VisionConfig(image_size=960, patch_size=16)
    config = Owlv2Config(vision_config=vision.to_dict())
    Owlv2ForObjectDetection(config).save_pretrained(folder)
    Owlv2ImageProcessor().save_pretrained(folder)
    _write_clip_words(folder)
    return folder


def _write_words(folder: Path) -> None:
    """A vocabulary of BERT's layout with its marks at their numbers, and letters."""
    from transformers import BertTokenizer

    words = [f"[unused{index}]" for index in range(1030)]
    words[0], words[100:104] = "[PAD]", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words[1012], words[1029] = ".", "?"
    letters = "abcdefghijklmnopqrstuvwxyz"
    words[200:226], words[300:326] = letters, [f"##{letter}" for letter in letters]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)


def _write_clip_words(folder: Path) -> None:
    """A vocabulary of CLIP's layout with every byte, alone and at a word's end."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    marks = {
        "bos_token": words[-2],
        "eos_token": words[-1],
        "unk_token": words[-1],
        "pad_token": "!",
    }
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 16, **marks}
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


_WRITERS: dict[str, Callable[[Path], Path]] = {
    "sam-vit-b": _sam,
    "sam2-tiny": _sam2,
    "grounding-dino-tiny": _grounding_dino,
    "owlv2-base": _owlv2,
}

if __name__ == "__main__":
    main()
