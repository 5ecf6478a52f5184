"""Samples of training examples, measured against the true layers and drawn on a sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from layerstudio.color import F32, U8, to_u8
from layerstudio.composite import composite
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from layerstudio.pipelines.multilayer.guidance import Guidance
from layerstudio.pipelines.multilayer.sampling import Order, Sampler
from layerstudio.pipelines.multilayer.schedule import noise_levels
from training.multilayer_batches import INFERENCE_STEPS, scheduler
from training.multilayer_codec import Codec, encoded
from training.multilayer_data import MULTIPLE, Example
from training.multilayer_loss import EMBEDDED_GUIDANCE
from training.multilayer_tasks import TASKS, Task, shown_entries
from training.multilayer_text import Reader

_CELL = 192  # pixels that a canvas's longest side has at least on a sheet
_GAP = 6
_CHECKS = (0.78, 0.92)
_GIVEN_COLOUR, _MADE_COLOUR = (0.1, 0.65, 0.2), (0.55, 0.55, 0.55)
_BEST_PSNR = 60.0  # what equal pictures count as, so that a mean exists


@dataclass(frozen=True, eq=False)
class Sample:
    """One document as it came back: ``pictures`` (4, h, w) straight of each snapped box."""

    example: Example
    task: Task
    given: frozenset[int]
    pictures: tuple[Tensor, ...]

    @property
    def psnr(self) -> float:
        """Mean over the entries that were made, in decibels; on mid grey, within snapped boxes
        (as CLD measures layers)."""
        values = [
            _psnr(picture, _true(self.example, number))
            for number, picture in enumerate(self.pictures)
            if number not in self.given
        ]
        return float(np.mean(values))


class Previewer:
    """Samples the same examples from the same noise each time."""

    def __init__(self, examples: Sequence[Example], codec: Codec, reader: Reader) -> None:
        self._examples = examples
        self._codec = codec
        self._reader = reader
        self._tokens = [encoded(codec, example) for example in examples]

    def samples(self, network: MultiLayerTransformer, task: Task) -> list[Sample]:
        """All examples as one sequence; 28 steps, no classifier-free guidance."""
        device = network.device
        orders, given = [], []
        for example, tokens in zip(self._examples, self._tokens, strict=True):
            regions = example.regions
            entries = shown_entries(task, len(regions.boxes))
            kept = torch.isin(regions.ids[:, 0], torch.tensor(sorted(entries), dtype=torch.long))
            text = self._reader.read(example.prompt)
            text = type(text)(text.tokens.to(device), text.pooled.to(device))
            orders.append(
                Order(regions, text, given=tokens.to(device), kept=kept if entries else None)
            )
            given.append(entries)
        counts = [order.regions.count for order in orders]
        levels = noise_levels(scheduler(), INFERENCE_STEPS, counts)
        guidance = Guidance(embedded=EMBEDDED_GUIDANCE, true=1.0)
        sampler = Sampler(network, orders, orders[0].text, levels, guidance)
        drawn = [_noise(number, tokens) for number, tokens in enumerate(self._tokens)]
        made = sampler.run(torch.cat(drawn)[None].to(device))[0].float().cpu()
        return [
            Sample(example, task, entries, self._decoded(tokens, example))
            for example, entries, tokens in zip(
                self._examples, given, made.split(counts), strict=True
            )
        ]

    def ceiling(self) -> list[Sample]:
        """The true tokens decoded: no sample can be better than the codec."""
        return [
            Sample(example, "text", frozenset(), self._decoded(tokens, example))
            for example, tokens in zip(self._examples, self._tokens, strict=True)
        ]

    def all_tasks(self, network: MultiLayerTransformer) -> dict[Task, list[Sample]]:
        return {task: self.samples(network, task) for task in TASKS}

    def _decoded(self, tokens: Tensor, example: Example) -> tuple[Tensor, ...]:
        pictures = self._codec.decode(tokens.clone(), example.regions)
        return tuple(picture for picture in pictures if picture is not None)


def mean_psnr(samples: Sequence[Sample]) -> float:
    return float(np.mean([sample.psnr for sample in samples]))


def draw_sheet(results: Mapping[Task, Sequence[Sample]], path: Path) -> None:
    """Examples in two columns, four rows of each: the truth, then each task. From left to right:
    the layers put together, the composite as it was made, the background, foregrounds. What is
    given is framed green."""
    blocks = []
    for samples in zip(*results.values(), strict=True):
        rows = [_truth_row(samples[0].example), *(_row(sample) for sample in samples)]
        blocks.append(np.concatenate(rows))
    half = -(-len(blocks) // 2)
    sheet = _beside([_below(blocks[:half]), *([_below(blocks[half:])] if blocks[half:] else [])])
    Image.fromarray(to_u8(sheet)).save(path)


def _below(pictures: Sequence[F32]) -> F32:
    width = max(picture.shape[1] for picture in pictures)
    return np.concatenate([_filled(picture, 0, width - picture.shape[1]) for picture in pictures])


def _beside(pictures: Sequence[F32]) -> F32:
    height = max(picture.shape[0] for picture in pictures)
    padded = [_filled(picture, height - picture.shape[0], _GAP) for picture in pictures]
    return np.concatenate(padded, axis=1)


def _filled(picture: F32, below: int, right: int) -> F32:
    """White added."""
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=1)


def _truth_row(example: Example) -> F32:
    numbers = range(len(example.boxes))
    pictures = tuple(_true(example, number) for number in numbers)
    return _row(Sample(example, "text", frozenset(numbers), pictures))


def _row(sample: Sample) -> F32:
    canvas = sample.example.canvas
    boxes = _snapped(sample.example)
    layers = [
        Layer("", box, _pixels(picture))
        for box, picture in zip(boxes[1:], sample.pictures[1:], strict=True)
    ]
    cells = [_cell(layers, canvas, _MADE_COLOUR)]
    for number, (box, picture) in enumerate(zip(boxes, sample.pictures, strict=True)):
        colour = _GIVEN_COLOUR if number in sample.given else _MADE_COLOUR
        cells.append(_cell([Layer("", box, _pixels(picture))], canvas, colour))
    return np.concatenate(cells, axis=1)


def _cell(layers: Sequence[Layer], canvas: Extent, colour: tuple[float, float, float]) -> F32:
    """(h, w, 3): layers over a chequered ground, framed, enlarged where the canvas is small."""
    straight = composite(Document(canvas, tuple(layers)))
    squares = (np.indices(canvas.shape) // 8).sum(0) % 2
    ground = np.take(np.array(_CHECKS, np.float32), squares)[..., None]
    rgb = ground + (straight[..., :3] - ground) * straight[..., 3:]
    factor = -(-_CELL // canvas.longest_side)
    if factor > 1:
        size = (canvas.width * factor, canvas.height * factor)
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_NEAREST)
    side = max(rgb.shape[:2]) + 2 * _GAP
    framed = np.ones((side, side, 3), np.float32)
    inner = Bounds(_GAP, _GAP, rgb.shape[1], rgb.shape[0])
    framed[inner.padded(2).slices] = colour
    framed[inner.slices] = rgb
    return framed


def _true(example: Example, number: int) -> Tensor:
    """(4, h, w) of an entry's snapped box."""
    box = _snapped(example)[number]
    return example.picture(number)[0][:, *box.slices]


def _snapped(example: Example) -> list[Bounds]:
    boxes = example.regions.boxes
    return [Bounds(*(MULTIPLE * value for value in box)) for box in boxes if box]


def _pixels(picture: Tensor) -> U8:
    return to_u8(picture.permute(1, 2, 0).contiguous().numpy())


def _psnr(one: Tensor, other: Tensor) -> float:
    greys = [(x[:3] - 0.5) * x[3:] for x in (one, other)]
    error = float((greys[0] - greys[1]).square().mean())
    return min(_BEST_PSNR, -10 * float(np.log10(max(error, 1e-12))))


def _noise(number: int, tokens: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(number)
    return torch.randn(tokens.shape, generator=generator)
