"""The multi-layer transformer and its transparency decoder: what boxes save, and what they change.

Run ``python -m benchmarks.multilayer`` (some fifteen minutes on two quiet cores), ``--quick`` for a
smoke test. Seconds and peaks of a row come from processes of their own, one after the other; a
peak is the kernel's high-water mark of resident memory less what was resident before. With
``--device cuda`` the transformer is as wide and deep as FLUX.1, in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from benchmarks.measuring import machine, peak_bytes, seconds, table
from benchmarks.multilayer_cases import (
    FLUX_SHAPE,
    FLUX_WIDTH,
    Boxes,
    Shape,
    drawn,
    filled,
    forward,
    passes,
    work,
)
from benchmarks.patch_memory import resident
from benchmarks.published_multilayer import (
    PublishedDecoder,
    embed_on_canvases,
    project_on_canvases,
)
from layerstudio.models.attention import Concrete, backend, missing
from layerstudio.models.memory import activation_peak
from layerstudio.models.multilayer_decoder import PATCH, MultiLayerDecoder
from layerstudio.models.multilayer_dit import Conditions, embedded, layer_embedding
from layerstudio.models.regions import patchify

TEN, FIFTY = Boxes(10, 26, 16), Boxes(50, 16, 13)  # 10 % and 5 % of the canvas each
SAME_AREA = (Boxes(10, 40, 26), Boxes(20, 26, 20), Boxes(50, 16, 13))
TWENTY = Boxes(18, 26, 16)  # with composite and background 20 layers, at 512 pixels
BATCH = (3, 8, 13, 20)
CPU = torch.device("cpu")
Row = list[str]
Report = dict[str, float]


def boxes_against_canvases(quick: bool, rounds: int) -> Iterator[Row]:
    """Seconds and peaks of one pass over the boxes, and over the same layers without boxes."""
    for boxes in (TEN, FIFTY):
        for framed in (True, False):
            case = _shrunk(replace(boxes, framed=framed), quick)
            mine = own_process("forward", boxes=asdict(case), rounds=rounds)
            whole = own_process("forward", boxes=asdict(replace(case, full=True)), rounds=1)
            name = f"{case.count} layers of {case.share:.0%}"
            name += ", composite, background" if framed else " alone"
            times = f"{whole['seconds'] / mine['seconds']:.1f} times"
            yield [f"seconds, {name}", _s(mine), _s(whole), times]
            peaks = f"1/{whole['peak'] / mine['peak']:.1f}"
            yield [f"peak, {name}", _mb(mine), _mb(whole), peaks]
            tokens = [_tokens(one) for one in (case, replace(case, full=True))]
            flux = [work(FLUX_SHAPE, count) for count in tokens]
            counts = [
                f"{count:,} tokens, {flop / 1e12:,.0f} T"
                for count, flop in zip(tokens, flux, strict=True)
            ]
            yield [f"work at FLUX's size, {name}", *counts, f"{flux[1] / flux[0]:.1f} times"]


def embedding_and_projection(quick: bool) -> Row:
    """Of kept tokens only, against whole canvases: the difference inside boxes, and what each
    holds at FLUX's width in bfloat16 (counted, on the meta device)."""
    case = _shrunk(FIFTY, quick)
    ways = _ends(Shape(), CPU, torch.float32, case)
    found, expected = (way() for way in ways)
    meta = torch.device("meta")
    peaks = [
        activation_peak(way) for way in _ends(Shape(FLUX_WIDTH, 0, 0), meta, torch.bfloat16, case)
    ]
    held = [f"{peak / 1e6:,.0f} MB" for peak in peaks]
    difference = f"1/{peaks[1] / peaks[0]:.1f}; differ by {(found - expected).abs().max():.0e}"
    return [f"embed, project, {case.count} layers", *held, difference]


def _ends(
    shape: Shape, device: torch.device, dtype: torch.dtype, case: Boxes
) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """First and last layers of the network without blocks between: (1, kept tokens, 64) each."""
    network, regions = shape.build(device, dtype), case.regions
    packing = network.pack([regions], [1])
    _, conditions = drawn(network, packing)
    _, embedding = embedded(network, conditions, packing)
    sides = (2 * case.side, 2 * case.side)
    latents = torch.randn(
        len(regions.boxes), 16, *sides, generator=torch.Generator().manual_seed(2)
    )
    latents = latents.to(device, dtype)
    tokens = regions.gather(patchify(latents))[None]

    @torch.inference_mode()
    def kept() -> Tensor:
        hidden = network.x_embedder(tokens) + layer_embedding(network.layer_pe, packing)
        return network.proj_out(network.norm_out(hidden, embedding, None))

    @torch.inference_mode()
    def published() -> Tensor:
        hidden = embed_on_canvases(network, latents, regions)
        canvases = project_on_canvases(network, hidden, embedding, regions)
        return regions.gather(patchify(canvases))[None]

    return kept, published


def same_area(quick: bool, rounds: int) -> Row:
    """The spread of seconds over 10 to 50 layers that have the same tokens in all."""
    network = Shape().build(CPU, torch.float32)
    cases = [_shrunk(case, quick) for case in SAME_AREA]
    runs = [forward(network, [case.regions]) for case in cases]
    best = [float("inf")] * len(runs)
    for _ in range(rounds):  # in turns: others may use the machine too
        best = [min(old, seconds(run, CPU, 1)) for old, run in zip(best, runs, strict=True)]
    counts = ", ".join(str(case.count) for case in cases)
    times = ", ".join(f"{value:.2f}" for value in best)
    return [
        f"{counts} layers of the same area",
        f"{times} s",
        "",
        f"{max(best) / min(best) - 1:.1%} apart",
    ]


def batch(quick: bool) -> Row:
    """Four documents as one sequence and one by one."""
    network = Shape(64, 2, 2).build(CPU, torch.float32)
    side = 16 if quick else 32
    documents = [Boxes(count, 4, 5, side=side).regions for count in BATCH]
    packing = network.pack(documents, [9, 7, 12, 5])
    tokens, conditions = drawn(network, packing)
    with torch.inference_mode():
        together = passes(network, packing, (tokens, conditions))()
        alone = []
        texts, images = packing.text_lengths, packing.image_lengths
        parts = zip(
            documents, conditions.text.split(texts, 1), tokens.split(images, 1), strict=True
        )
        for k, (regions, text, own) in enumerate(parts):
            given = conditions.pooled[k : k + 1], conditions.timestep[k : k + 1]
            assert conditions.guidance is not None
            condition = Conditions(text, *given, conditions.guidance[k : k + 1])
            alone.append(network(own, network.pack([regions], [text.shape[1]]), condition))
    difference = (together - torch.cat(alone, 1)).abs().max()
    return [
        f"4 documents of {', '.join(map(str, BATCH))} boxes",
        "",
        "",
        f"differ by {difference:.0e}",
    ]


def decoder(quick: bool) -> Iterator[Row]:
    """Ours and the published way on the same latents: seconds, peaks, and the difference."""
    case = _shrunk(TWENTY, quick)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{way}.pt" for way in ("ours", "published")]
        mine, theirs = (
            own_process("decode", boxes=asdict(case), quick=quick, way=path.stem, save=str(path))
            for path in paths
        )
        found, expected = (torch.load(path) for path in paths)
    name = f"decoder, {len(case.regions.boxes)} layers at {8 * case.side}"
    difference = f"differ by {(found - expected).abs().max():.0e}"
    ratio = f"{theirs['seconds'] / mine['seconds']:.2f} times; {difference}"
    yield [f"seconds, {name}", _s(mine), _s(theirs), ratio]
    yield [f"peak, {name}", _mb(mine), _mb(theirs), f"1/{theirs['peak'] / mine['peak']:.2f}"]


def gpu_rows(device: torch.device, rounds: int, shape: Shape = FLUX_SHAPE) -> Iterator[Row]:
    """FLUX's size in bfloat16: (layers and backend, with boxes, without, ratio)."""
    network = shape.build(device, torch.bfloat16)
    for case in (TEN, FIFTY):
        for name in get_args(Concrete):
            if name == "flash" or missing(name) is not None:
                continue
            with backend(name):
                runs = [forward(network, [one.regions]) for one in (case, replace(case, full=True))]
                times = [seconds(runs[0], device, rounds), seconds(runs[1], device, 1)]
                peaks = [peak_bytes(run, device) / 1e9 for run in runs]
            label = f"{case.count} layers of {case.share:.0%}, {name}"
            cells = [f"{time_:.3f} s" for time_ in times]
            yield [f"seconds, {label}", *cells, f"{times[1] / times[0]:.1f} times"]
            cells = [f"{peak:.1f} GB" for peak in peaks]
            yield [f"peak, {label}", *cells, f"1/{peaks[1] / peaks[0]:.1f}"]


def own_process(job: str, **options: Any) -> Report:
    command = [sys.executable, "-m", "benchmarks.multilayer", "--job", job]
    command += ["--options", json.dumps(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def forward_job(boxes: dict[str, Any], rounds: int) -> Report:
    network = Shape().build(CPU, torch.float32)
    return measured(forward(network, [Boxes(**boxes).regions]), rounds)


def decode_job(boxes: dict[str, Any], quick: bool, way: str, save: str) -> Report:
    regions = Boxes(**boxes).regions
    with torch.device("meta"):
        network = MultiLayerDecoder(*((64, 2) if quick else ()))
    network = filled(network, CPU, torch.float32)
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(len(regions.boxes), 16, *regions.grid.shape, generator=generator)
    outputs: list[Tensor] = []
    if way == "ours":  # patches of boxes, as the pipeline takes them
        tokens = regions.gather(latents.movedim(1, -1))
        report = measured(lambda: outputs.append(network(tokens, regions)))
        torch.save(outputs[-1], save)
        return report
    published = PublishedDecoder(network.state_dict())
    report = measured(lambda: outputs.append(published(latents, regions.boxes)))
    torch.save(regions.gather(patchify(outputs[-1], PATCH)), save)
    return report


def measured(run: Callable[[], Any], rounds: int = 1) -> Report:
    """In this process: the fastest of ``rounds``, and the peak over all of them, in MB."""
    forward(Shape().build(CPU, torch.float32), [Boxes(1, 1, 1, side=8).regions])()  # wakes threads
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark back
    before, times = resident("VmRSS"), []
    with torch.inference_mode():
        for _ in range(rounds):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return {"seconds": min(times), "peak": resident("VmHWM") - before}


JOBS: dict[str, Callable[..., Report]] = {"forward": forward_job, "decode": decode_job}


PARTS: dict[str, Callable[[bool, int], Iterator[Row]]] = {
    "boxes": boxes_against_canvases,
    "ends": lambda quick, rounds: iter([embedding_and_projection(quick)]),
    "area": lambda quick, rounds: iter([same_area(quick, rounds)]),
    "batch": lambda quick, rounds: iter([batch(quick)]),
    "decoder": lambda quick, rounds: decoder(quick),
}


def _shrunk(case: Boxes, quick: bool) -> Boxes:
    half = replace(case, side=case.side // 2, width=case.width // 2, height=case.height // 2)
    return half if quick else case


def _tokens(case: Boxes) -> int:
    return case.regions.count


def _s(report: Report) -> str:
    return f"{report['seconds']:.2f} s"


def _mb(report: Report) -> str:
    return f"{report['peak']:,.0f} MB"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small canvases: a smoke test")
    parser.add_argument(
        "--part", action="append", choices=list(PARTS), help="only this; repeatable"
    )
    parser.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--options", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.job:
        print(json.dumps(JOBS[options.job](**json.loads(options.options))))
        return
    device = torch.device(options.device)
    print(f"{machine(device)}, {torch.get_num_threads()} threads\n", flush=True)
    made = (
        gpu_rows(device, options.rounds)
        if device.type == "cuda"
        else chain.from_iterable(
            PARTS[part](options.quick, options.rounds) for part in options.part or PARTS
        )
    )
    print(table(("measure", "boxes", "whole canvases", "ratio"), ()), flush=True)
    for row in made:
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
