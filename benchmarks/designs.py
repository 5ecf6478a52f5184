"""Score a method on designs whose layers are known: ``make bench``.

    python benchmarks/designs.py [--method flat] [--seeds 0:200] [--jobs 2]
        [--worst 10 FOLDER] [--record]

The designs are the dev split's: none of the reserved clip art is in them. They are drawn from
Debian's openclipart-svg where it is installed, else from the bundled pack; scores of the two do
not compare, so the table says which it was.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import cache, partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # training/ is not installed

import cv2

from benchmarks.scoring import Score, decomposed, design_of, scored, table
from benchmarks.sheets import save_sheet
from layerstudio.errors import LayerStudioError
from layerstudio.pipelines.methods import DEFAULT_DECOMPOSE, method_ids
from training.assets import Assets
from training.splits import SPLITS, Split

RESULTS = Path(__file__).parent / "RESULTS.md"
_ASSETS = {"best": Assets.best, "pack": Assets.bundled}


def main() -> None:
    options = _options()
    try:
        assets = _assets(options.assets)
        print(f"Clip art from {assets.sprites.title}, split {options.split}.", flush=True)
        scores = list(_scores(options))
    except LayerStudioError as error:
        sys.exit(str(error))
    text = table(scores)
    print(text)
    if options.worst:
        count, folder = int(options.worst[0]), Path(options.worst[1])
        _save_worst(scores, count, folder, options)
    if options.record:
        _record(text, options, assets)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Score a method on designs of known layers.")
    parser.add_argument("--method", choices=method_ids(), default=DEFAULT_DECOMPOSE)
    parser.add_argument("--seeds", type=_seeds, default=range(200), metavar="A:B")
    parser.add_argument("--split", choices=SPLITS, default="dev")
    parser.add_argument(
        "--assets",
        choices=tuple(_ASSETS),
        default="best",
        help="best: openclipart-svg where installed; pack: only what is bundled",
    )
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument(
        "--worst",
        nargs=2,
        metavar=("N", "FOLDER"),
        help="draw the N designs of lowest alpha IoU into FOLDER",
    )
    parser.add_argument("--each", action="store_true", help="print a line for each design")
    parser.add_argument("--record", action="store_true", help=f"append to {RESULTS.name}")
    return parser.parse_args()


def _seeds(text: str) -> range:
    """``"100"`` is 0 to 99, ``"40:60"`` is 40 to 59."""
    first, _, last = text.rpartition(":")
    try:
        seeds = range(int(first or 0), int(last))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not A:B") from None
    if not seeds or seeds.start < 0:
        raise argparse.ArgumentTypeError(f"{text!r} holds no seed")
    return seeds


def _scores(options: argparse.Namespace) -> Iterator[Score]:
    one = partial(_score, options.method, options.split, options.assets)
    if options.jobs <= 1:
        yield from _shown(map(one, options.seeds), len(options.seeds), options.each)
        return
    with ProcessPoolExecutor(options.jobs, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from _shown(pool.map(one, options.seeds), len(options.seeds), options.each)


def _score(method: str, split: Split, assets: str, seed: int) -> Score:
    return scored(seed, design_of(seed, split, _assets(assets)), partial(decomposed, method))


@cache
def _assets(which: str) -> Assets:
    return _ASSETS[which]()


def _shown(scores: Iterator[Score], total: int, each: bool) -> Iterator[Score]:
    """The same scores, with a count on a terminal, or a line for each."""
    for done, score in enumerate(scores, 1):
        if each:
            row = score.layerd.at(0)
            kind = f"{score.background:10} {'jpeg' if score.jpeg else 'png ':4}"
            values = f"IoU {row.alpha_iou:.4f} L1 {row.rgb_l1:.4f} error {score.max_error:.2f}"
            layers = f"layers {score.layers} ({score.true_layers})"
            print(f"{score.seed:5} {kind} {values} {layers} {score.seconds:.2f} s", flush=True)
        elif sys.stderr.isatty():
            print(f"\r{done}/{total}", end="\n" if done == total else "", file=sys.stderr)
        yield score


def _save_worst(
    scores: Sequence[Score], count: int, folder: Path, options: argparse.Namespace
) -> None:
    ranked = sorted(scores, key=lambda score: score.layerd.at(0).alpha_iou)
    for rank, score in enumerate(ranked[:count]):
        design = design_of(score.seed, options.split, _assets(options.assets))
        name = f"{rank:02}_{score.background}_{score.seed}_{score.layerd.at(0).alpha_iou:.3f}.png"
        save_sheet(folder / name, design, decomposed(options.method, design.picture))
    print(f"The worst are drawn in {folder}.")


def _record(text: str, options: argparse.Namespace, assets: Assets) -> None:
    seeds = f"{options.seeds.start} to {options.seeds.stop - 1}"
    title = f"## Designs, {options.split}, method `{options.method}`, {date.today()}"
    how = (
        f"`benchmarks/designs.py`, LayerD protocol; seeds {seeds}, clip art from "
        f"{assets.sprites.title}; {_machine()}, {options.jobs} processes."
    )
    if not RESULTS.exists():
        RESULTS.write_text("# Results, oldest first\n", encoding="utf-8")
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(f"\n{title}\n\n{how}\n\n{text}\n")


def _machine() -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").split("\n")
        cpu = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), cpu)
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
