"""Score a method on designs whose layers are known, and keep the table.

    python benchmarks/designs.py [--method flat] [--seeds 0:200] [--jobs 2]
        [--worst 10 FOLDER] [--record]

``layerstudio bench`` scores the same and writes a report; this script is for the tables in
RESULTS.md. The designs are the dev split's: none of the reserved clip art is in them. They are
drawn from Debian's openclipart-svg where it is installed, else from the bundled pack; scores of the
two do not compare, so the table says which it was.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # training/ is not installed

from PIL import Image

from benchmarks.design_samples import ASSETS, Designs
from layerstudio.errors import LayerStudioError
from layerstudio.ops.rasterise import layers_of
from layerstudio.pipelines.evaluation.contestants import MethodContestant
from layerstudio.pipelines.evaluation.flattening import flattened
from layerstudio.pipelines.evaluation.markdown import markdown_table
from layerstudio.pipelines.evaluation.plan import Plan, Record
from layerstudio.pipelines.evaluation.report import Report, machine, report_of
from layerstudio.pipelines.evaluation.running import run
from layerstudio.pipelines.evaluation.scores import Outcome
from layerstudio.pipelines.evaluation.tables import tag_tables
from layerstudio.pipelines.evaluation.thumbs import contact_sheet
from layerstudio.pipelines.methods import DEFAULT_DECOMPOSE, method_ids
from layerstudio.progress import CancelToken, ignore_progress
from layerstudio.requests import DecomposeRequest
from training.splits import SPLITS

RESULTS = Path(__file__).parent / "RESULTS.md"
_CELL = 300  # pixels of a picture in a sheet


def main() -> None:
    options = _options()
    try:
        plan = _plan(options)
        print(f"{plan.dataset.title}.", flush=True)
        report = report_of(plan, _records(plan, options))
        text = table(report)
        print(text)
        if options.worst:
            _save_worst(plan, report, int(options.worst[0]), Path(options.worst[1]))
        if options.record:
            _record(text, options, plan)
    except LayerStudioError as error:
        sys.exit(str(error))
    if report.failed:
        sys.exit(f"{len(report.failed)} failed, the first: {report.failed[0].error}")


def table(report: Report) -> str:
    """Markdown: a row per kind of background, per kind of file, and for all designs."""
    tables = tag_tables(report.by_tag(), report.summaries())
    return "\n\n".join(map(markdown_table, tables))


def save_sheet(plan: Plan, name: str, path: Path) -> None:
    """Write a PNG of two rows: the picture and its true layers; the same for what was found."""
    sample = plan.dataset.load(name)
    answer = plan.contestants[0].answer(sample, progress=ignore_progress, cancel=CancelToken())
    found, _ = flattened(answer.document)
    rows = [[sample.picture.pixels, *layers_of(made)] for made in (sample.truth, found)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(rows, _CELL)).save(path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Score a method on designs of known layers.")
    parser.add_argument("--method", choices=method_ids(), default=DEFAULT_DECOMPOSE)
    parser.add_argument("--seeds", type=_seeds, default=range(200), metavar="A:B")
    parser.add_argument("--split", choices=SPLITS, default="dev")
    parser.add_argument(
        "--assets",
        choices=ASSETS,
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


def _plan(options: argparse.Namespace) -> Plan:
    """Without reading text, which is not scored."""
    request = DecomposeRequest(read_text=False, seed=0)
    dataset = Designs(options.seeds, options.split, options.assets)
    return Plan(dataset, (MethodContestant(options.method, request),))


def _records(plan: Plan, options: argparse.Namespace) -> Iterator[Record]:
    """All records, with a count on a terminal, or a line for each."""
    total = len(plan.dataset.names)
    for done, batch in enumerate(run(plan, jobs=options.jobs), 1):
        if options.each:
            for outcome in batch:
                if isinstance(outcome, Outcome):
                    print(_line(outcome), flush=True)
        elif sys.stderr.isatty():
            print(f"\r{done}/{total}", end="\n" if done == total else "", file=sys.stderr)
        yield from batch


def _line(outcome: Outcome) -> str:
    scores = outcome.scores
    if scores is None:
        return f"{outcome.sample:12} {outcome.error}"
    row = scores.layerd.at(0)
    kind = " ".join(f"{tag:10}" for tag in outcome.tags[:2])
    values = f"IoU {row.alpha_iou:.4f} L1 {row.rgb_l1:.4f}"
    error = f"error {255 * scores.recomposition.max_error:.2f}"
    layers = f"layers {scores.layers} ({scores.true_layers})"
    return f"{outcome.sample:12} {kind} {values} {error} {layers} {scores.seconds:.2f} s"


def _save_worst(plan: Plan, report: Report, count: int, folder: Path) -> None:
    scored = [(o, o.scores.layerd.at(0).alpha_iou) for o in report.outcomes if o.scores]
    ranked: Sequence[tuple[Outcome, float]] = sorted(scored, key=lambda pair: pair[1])
    for rank, (outcome, iou) in enumerate(ranked[:count]):
        seed = outcome.sample.rpartition(" ")[2]
        name = f"{rank:02}_{outcome.tags[0]}_{seed}_{iou:.3f}.png"
        save_sheet(plan, outcome.sample, folder / name)
    print(f"The worst are drawn in {folder}.")


def _record(text: str, options: argparse.Namespace, plan: Plan) -> None:
    title = f"## Designs, {options.split}, method `{options.method}`, {date.today()}"
    how = (
        f"`benchmarks/designs.py`, LayerD protocol; {plan.dataset.title}; {machine()}, "
        f"{options.jobs} processes."
    )
    if not RESULTS.exists():
        RESULTS.write_text("# Results, oldest first\n", encoding="utf-8")
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(f"\n{title}\n\n{how}\n\n{text}\n")


if __name__ == "__main__":
    main()
