"""How near the method ``instances`` comes to scenes whose layers are known, and its seconds.

`python -m benchmarks.instances [--scenes 12] [--size 640x480] [--split train] [--sheets FOLDER]`

Objects and depth are taken from the scene (its masks shrunk to the working size, its depth with
noise), so that what is measured is what comes after: order, edges, colours, hidden parts, shadows.
Constants were settled on the split "dev"; "test" needs Debian's openclipart-svg.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.photograph_scenes import Scene, scene
from layerstudio.color import F32, U8, Pixels, to_float, to_u8
from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer, Provenance
from layerstudio.geometry import Extent
from layerstudio.ops.exact import make_exact
from layerstudio.ops.occlusion import evidence_of
from layerstudio.picture import Picture
from layerstudio.pipelines.instances.background import background, shadow_layer
from layerstudio.pipelines.instances.completing import Completed, Filling, complete
from layerstudio.pipelines.instances.cutting import Tools, cut, no_cover
from layerstudio.pipelines.instances.ordering import Stack, stacked
from layerstudio.pipelines.instances.wanted import WORKING_SIDE
from layerstudio.pipelines.instances.working import Working
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Segment
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken, ignore_progress
from training.splits import SPLITS

_OVERLAP = 30  # pixels: from here on one thing hides another
_SHADOW = (0.1, 60)  # darkening and pixels from which a shadow can be seen


@dataclass
class Scores:
    """Lists of what was measured, by name, and seconds by step."""

    values: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds.setdefault(step, []).append(time.perf_counter() - start)


@dataclass(frozen=True, eq=False)
class Taken:
    """A scene taken apart: ``raw`` layers, and ``layers`` made exact, bottom to top."""

    stack: Stack
    completed: Completed
    raw: tuple[Layer, ...]
    layers: tuple[Layer, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    width, height = (int(side) for side in options.size.split("x"))
    scores = Scores()
    for seed in range(options.first, options.first + options.scenes):
        made = scene(seed, Extent(width, height), 3 + seed % 3, split=options.split)
        taken = take_apart(made, options, scores)
        score(made, taken, scores)
        if options.sheets:
            save_sheet(options.sheets / f"scene_{seed}.png", made, taken)
    print(f"{options.scenes} scenes of {options.size}, split {options.split}\n")
    print("| measure | mean | n |\n| --- | --- | --- |")
    for name, values in scores.values.items():
        print(f"| {name} | {np.mean(values):.4f} | {len(values)} |")
    print("\n| step | seconds, least | mean |\n| --- | --- | --- |")
    for name, values in scores.seconds.items():
        print(f"| {name} | {min(values):.2f} | {np.mean(values):.2f} |")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--first", type=int, default=0, help="the first scene's seed")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--split", default="train", choices=SPLITS)
    parser.add_argument("--working-side", type=int, default=WORKING_SIDE)
    parser.add_argument("--matte", default="guided")
    parser.add_argument("--foreground", default="pyramid-colours")
    parser.add_argument("--complete", default="flat-fill")
    parser.add_argument("--sheets", type=Path, help="a folder for pictures of the layers")
    return parser.parse_args(arguments)


def take_apart(made: Scene, options: argparse.Namespace, scores: Scores) -> Taken:
    picture = Picture(np.dstack([made.picture, np.full(made.extent.shape, 255, np.uint8)]))
    runtime, cancel = Runtime(), CancelToken()
    with scores.timed("shrinking"):
        working = Working.of(picture, options.working_side)
    segments = segments_of(made, working.extent)
    depth = cv2.resize(made.nearness(np.random.default_rng(0)), tuple(working.extent))
    with scores.timed("ordering"):
        stack = stacked(segments, working.extent, np.asarray(depth, np.float32))
    completer = stage_class(options.complete).open(runtime)
    filling = Filling(completer, 0, "", ignore_progress, cancel)
    labels = ("",) * len(segments)
    with scores.timed(f"shadows and {options.complete}"):
        completed = complete(working, stack, filling, shadows=True, labels=labels)
    matter = stage_class(options.matte).open(runtime)
    estimator = stage_class(options.foreground).open(runtime)
    tools = Tools(matter, estimator, "nothing" in matter.card.takes)
    cover, signature = no_cover(picture.extent), Provenance("instances")
    objects: list[Layer] = []
    with scores.timed(f"{options.matte} and {options.foreground}"):
        for piece in reversed(completed.pieces):
            found = cut(picture, working, piece, cover, tools, cancel)
            objects.insert(0, Layer("object", found.bounds, found.pixels))
    with scores.timed("background and shadows"):
        ground = background(picture, working, completed, cover, signature, cancel)
        shadows = [
            shadow_layer(picture, working, shadow, "shadow", signature, cancel)
            for _, shadow in completed.shadows
        ]
    raw = (ground, *shadows, *objects)
    with scores.timed("exact"):
        layers = make_exact(raw, picture.pixels)
    return Taken(stack, completed, raw, layers)


def segments_of(made: Scene, extent: Extent) -> list[Segment]:
    """What a good segmenter finds: the visible masks at the working size; things keep their index
    as their label."""
    found = []
    for index, mask in enumerate(made.visible):
        small = cv2.resize(mask.astype(np.float32), tuple(extent), interpolation=cv2.INTER_AREA)
        found.append(Segment.of_mask(np.asarray(small > 0.5), str(index), 0.95))
    return found


def score(made: Scene, taken: Taken, scores: Scores) -> None:
    _score_order(made, taken.stack, scores)
    _score_shadows(made, taken, scores)
    count = len(made.things)
    by_thing = {
        int(segment.label): layer
        for segment, layer in zip(taken.stack.segments, taken.layers[-count:], strict=True)
    }
    for index, layer in by_thing.items():
        _score_object(made, index, on_canvas(layer, made.extent), scores)
    plate = on_canvas(taken.layers[0], made.extent)[..., :3]
    behind = np.maximum.reduce([thing.alpha for thing in made.things]) > 0
    scores.add("plate: error where hidden", float(np.abs(plate - made.plate)[behind].mean()))
    shaded = ~behind & (made.shadow < 0.95)
    if shaded.any():
        scores.add("plate: error in shadows", float(np.abs(plate - made.plate)[shaded].mean()))
        with_shadow = np.abs(to_float(made.picture) - made.plate)[shaded].mean()
        scores.add("plate: the same with the shadows left in", float(with_shadow))
    for name, layers in (("raw", taken.raw), ("exact", taken.layers)):
        shown = to_float(composite_pixels(Document(made.extent, tuple(layers))))[..., :3]
        off = np.abs(shown - to_float(made.picture))
        scores.add(f"recomposition, {name}: largest error in levels", float(off.max()) * 255)


def _score_order(made: Scene, stack: Stack, scores: Scores) -> None:
    """Of pairs of which one really hides a part of the other; far things have low numbers."""
    rank = {int(segment.label): place for place, segment in enumerate(stack.segments)}
    for one in evidence_of(made.visible, made.extent):
        both = (made.things[one.first].alpha > 0.5) & (made.things[one.second].alpha > 0.5)
        if np.count_nonzero(both) >= _OVERLAP:
            scores.add("order: pairs right", float(rank[one.first] < rank[one.second]))
            scores.add("order: pairs right, contours alone", float(one.weight < 0))


def _score_object(made: Scene, index: int, rgba: F32, scores: Scores) -> None:
    thing = made.things[index]
    left = np.ones(made.extent.shape, np.float32)
    for above in made.things[index + 1 :]:
        left *= 1 - above.alpha
    seen = left > 0.99
    near = cv2.dilate((thing.alpha > 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    off = np.abs(rgba[..., 3] - thing.alpha)
    scores.add("alpha: error around what is visible", float(off[seen & near].mean()))
    soft = seen & (thing.alpha > 0.1) & (thing.alpha < 0.9)
    if soft.any():
        scores.add("alpha: error where truly soft", float(off[soft].mean()))
        both = soft & (rgba[..., 3] > 0.05)
        colour = np.abs(rgba[..., :3] - thing.colour)
        scores.add("colour: error where truly soft", float(colour[both].mean()))
    found, truth = rgba[..., 3] > 0.5, thing.alpha > 0.5
    if np.count_nonzero(truth & (left < 0.5)) >= 200:
        shown = truth & made.visible[index]
        scores.add("hidden parts: overlap with the whole", _iou(found, truth))
        scores.add("hidden parts: the same without any", _iou(shown, truth))


def _score_shadows(made: Scene, taken: Taken, scores: Scores) -> None:
    found = {int(taken.stack.segments[index].label) for index, _ in taken.completed.shadows}
    free = ~np.logical_or.reduce(made.visible)
    for index, thing in enumerate(made.things):
        if np.count_nonzero(free & (1 - thing.shadow > _SHADOW[0])) >= _SHADOW[1]:
            scores.add("shadows: found of those that show", float(index in found))


def on_canvas(layer: Layer, extent: Extent) -> F32:
    canvas = np.zeros((*extent.shape, 4), np.float32)
    if not layer.is_empty:
        canvas[layer.bounds.slices] = to_float(layer.pixels)
    return canvas


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.count_nonzero(one & other) / max(1, np.count_nonzero(one | other)))


def save_sheet(path: Path, made: Scene, taken: Taken) -> None:
    """The picture, the true plate and things; below, the layers found."""
    truth = [made.picture, to_u8(made.plate)]
    truth += [on_checker(np.dstack([to_u8(one.colour), to_u8(one.alpha)])) for one in made.things]
    found = [on_checker(to_u8(on_canvas(layer, made.extent))) for layer in taken.layers]
    columns = max(len(truth), len(found))
    blank = np.zeros_like(made.picture)
    rows = [np.hstack([*row, *[blank] * (columns - len(row))]) for row in (truth, found)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(rows)).save(path)


def on_checker(pixels: Pixels) -> U8:
    straight = to_float(pixels)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] // 12
    board = np.where((x + y) % 2, np.float32(0.95), np.float32(0.75))[..., None]
    return to_u8(board + (straight[..., :3] - board) * straight[..., 3:])


if __name__ == "__main__":
    main()
