"""What the multi-layer transformer is trained on: layers bottom to top, boxes, prompt, captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from layerstudio.color import F32, U8, premultiply, to_float, to_u8, unpremultiply
from layerstudio.composite import composite
from layerstudio.document import Document, Layer, Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.regions import Regions

MULTIPLE = 16  # pixels of a token
MOST_FOREGROUNDS = 50
FIRST_FOREGROUND = 2  # 0 is the composite, 1 the background


@dataclass(frozen=True, eq=False)
class Example:
    """``layers`` bottom to top: the opaque background, which fills the canvas, then foregrounds.

    Each is drawn over those below with its own alpha and nothing else (mode normal, opacity 1), so
    the composite is known. ``captions`` has one entry for each layer, "" where there is none.
    """

    canvas: Extent
    layers: tuple[Layer, ...]
    prompt: str
    captions: tuple[str, ...]

    def __post_init__(self) -> None:
        assert self.layers and self.layers[0].bounds == Bounds.full(self.canvas)
        assert len(self.captions) == len(self.layers)

    @property
    def boxes(self) -> tuple[Bounds, ...]:
        """By the network's numbers: composite, background, foregrounds; in pixels, not snapped."""
        return (Bounds.full(self.canvas), *(layer.bounds for layer in self.layers))

    @property
    def regions(self) -> Regions:
        """The boxes, snapped outwards to whole tokens."""
        return Regions.of_pixels(self.canvas, self.boxes, MULTIPLE)

    def picture(self, number: int) -> Tensor:
        """(1, 4, H, W) straight in [0, 1]: entry ``number`` alone on the canvas, 0 all of them."""
        shown = self.layers if number == 0 else self.layers[number - 1 : number]
        pixels = composite(Document(self.canvas, shown))
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]


def example_of(
    canvas: Extent,
    pictures: Sequence[tuple[Layer, str]],
    prompt: str,
    *,
    longest: int | None = None,
) -> Example:
    """Layers (mode normal, opacity 1) with their captions as an example.

    The canvas is brought to multiples of 16 by the nearest size, its longest side to ``longest``
    pixels where given. The lowest layer is the background if it covers the canvas opaquely; else
    a white page is laid below. Layers that show nothing are left out.
    """
    size = _nearest(canvas, longest)
    kept = []
    for layer, caption in pictures:
        small = _resized(layer, canvas, size).cropped_to_content()
        if not small.is_empty:
            kept.append((small, caption))
    if not kept or not _covers(kept[0][0], size):
        kept.insert(0, (_white_page(size), "white background"))
    layers, captions = zip(*kept, strict=True)
    return Example(size, layers, prompt, captions)


def merged(
    example: Example,
    rng: np.random.Generator,
    *,
    probability: float,
    most: int = MOST_FOREGROUNDS,
) -> Example:
    """Neighbouring foregrounds randomly put together, so that the numbers of layers vary.

    Every seam between two of them is closed with ``probability`` (MRT, arXiv:2605.27235: random
    merging of adjacent layers); then random seams until at most ``most`` foregrounds are left. The
    composite stays the same but for rounding.
    """
    seams = len(example.layers) - FIRST_FOREGROUND
    if seams < 1:
        return example
    closed = rng.random(seams) < probability
    excess = seams + 1 - most - int(closed.sum())
    if excess > 0:
        closed[rng.choice(np.flatnonzero(~closed), excess, replace=False)] = True
    runs = [[1]]
    for number, is_closed in enumerate(closed, FIRST_FOREGROUND):
        if is_closed:
            runs[-1].append(number)
        else:
            runs.append([number])
    layers = [_together([example.layers[k] for k in run], example.canvas) for run in runs]
    captions = [", ".join(filter(None, (example.captions[k] for k in run))) for run in runs]
    return replace(
        example,
        layers=(example.layers[0], *layers),
        captions=(example.captions[0], *captions),
    )


def _together(layers: Sequence[Layer], canvas: Extent) -> Layer:
    if len(layers) == 1:
        return layers[0]
    bounds = Bounds.around(layer.bounds for layer in layers)
    pixels = to_u8(composite(Document(canvas, tuple(layers)), bounds))
    name = ", ".join(layer.name for layer in layers)
    return Layer(name, bounds, pixels, role=layers[-1].role)


def _nearest(canvas: Extent, longest: int | None) -> Extent:
    scale = longest / canvas.longest_side if longest else 1.0
    width, height = (max(1, round(side * scale / MULTIPLE)) * MULTIPLE for side in canvas)
    return Extent(width, height)


def _resized(layer: Layer, canvas: Extent, size: Extent) -> Layer:
    """The layer of a ``canvas`` on one of ``size``, resampled with premultiplied colour."""
    inside = layer.bounds.clamped(canvas)
    if size == canvas:
        part = layer.pixels[inside.relative_to(layer.bounds).slices]
        return replace(layer, bounds=inside, pixels=to_u8(to_float(part)), text=None)
    whole = np.zeros((*canvas.shape, 4), np.float32)
    whole[inside.slices] = to_float(layer.pixels[inside.relative_to(layer.bounds).slices])
    return replace(
        layer, bounds=Bounds.full(size), pixels=_resampled(whole, size), text=None, mask=None
    )


def _resampled(straight: F32, size: Extent) -> U8:
    smaller = size.pixel_count < straight.shape[0] * straight.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    premul = cv2.resize(premultiply(straight), tuple(size), interpolation=how)
    return to_u8(unpremultiply(premul.astype(np.float32)))


def _covers(layer: Layer, canvas: Extent) -> bool:
    return layer.bounds == Bounds.full(canvas) and bool((layer.pixels[..., 3] == 255).all())


def _white_page(canvas: Extent) -> Layer:
    white = np.full((*canvas.shape, 4), 255, np.uint8)
    return Layer("Background", Bounds.full(canvas), white, role=Role.BACKGROUND)
