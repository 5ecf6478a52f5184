"""LayerD's loop, bettered: peel what lies on top, complete what is behind, until nothing is left.

What differs from the published loop (`published.py`): mattes are snapped to 0 and 1, plates are
settled with a tolerance for compression and by gradients, edges are solved against known plates,
and each peel comes apart into texts and things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, U8
from layerstudio.document import Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.peel_matte import snapped, without_dips, without_specks
from layerstudio.ops.peel_palette import dilated
from layerstudio.ops.peel_plate import settled
from layerstudio.ops.shade import Shade
from layerstudio.pipelines.flat.analysis import analyse
from layerstudio.pipelines.flat.background import find_background
from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.merging import merged
from layerstudio.pipelines.layerd.published import Inpainting, Matting, kernel_of
from layerstudio.pipelines.layerd.things import Peeled, thing_within, things_of
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress

Mask = NDArray[np.bool_]
Grouping = Literal["things", "peels"]

MOST_PEELS = 12
_CLEAN_SCALE, _LOSSY_SCALE = 0.015, 0.035  # of the sides; the latter is the authors' for JPEG
_ALL = 0.98  # of the picture: a matte of more leaves nothing to go by
_MATTE_SIDE = 1024  # pixels that a matting network looks at
_HALVED = 0.55  # of what is left of a run is behind it after each peel


@dataclass(frozen=True)
class Peeling:
    """``peels`` is the most; ``kernel_scale`` by how much of the sides holes are widened, 0 for
    what fits the picture; ``boxes`` limit what is peeled, each to a layer."""

    peels: int = MOST_PEELS
    kernel_scale: float = 0.0
    grouping: Grouping = "things"
    boxes: tuple[Bounds, ...] = ()


@dataclass(frozen=True, eq=False)
class Found:
    """Elements bottom to top, the background first; ``peels`` is how many there were, ``empty``
    are the indices of boxes in which nothing was found."""

    elements: list[Element]
    peels: int
    empty: tuple[int, ...] = ()


def peel(
    rgb: U8,
    matting: Matting,
    inpainting: Inpainting,
    options: Peeling | None = None,
    *,
    lossy: bool = False,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> Found:
    """Take ``rgb`` (h, w, 3) apart. ``matting`` gives alpha (h, w) in [0, 1] of what lies on top,
    ``inpainting`` the picture with a mask's pixels made up. Raises ``Cancelled``."""
    return _Loop(matting, inpainting, options or Peeling(), lossy, progress, cancel).run(rgb)


class _Loop:
    def __init__(
        self,
        matting: Matting,
        inpainting: Inpainting,
        options: Peeling,
        lossy: bool,
        progress: ProgressCallback,
        cancel: CancelToken | None,
    ) -> None:
        self._matting, self._inpainting = matting, inpainting
        self._options, self._lossy = options, lossy
        self._progress, self._cancel = progress, cancel or CancelToken()
        self._shades: list[Shade] = []  # of the background, once it is known
        self._made: Mask = np.zeros((0, 0), bool)  # what earlier peels made up

    def run(self, rgb: U8) -> Found:
        owner = _owner(self._options.boxes, Extent.of(rgb))
        peels: list[list[Element | None]] = []
        self._made = np.zeros(rgb.shape[:2], bool)
        plate = rgb
        while len(peels) < self._options.peels:
            found = self._one(plate, len(peels), owner)
            if found is None:
                break
            elements, plate = found
            peels.append(elements)
        background = self._background(plate)
        if not self._options.boxes:
            flat = [one for elements in reversed(peels) for one in elements if one is not None]
            return Found([background, *flat], len(peels))
        by_box = [[one for one in reversed(column) if one] for column in zip(*peels, strict=True)]
        by_box = by_box or [[] for _ in self._options.boxes]
        empty = tuple(index for index, column in enumerate(by_box) if not column)
        joined = [merged(column) for column in by_box if column]
        return Found([background, *joined], len(peels), empty)

    def _step(self, stage: str, number: int, inside: float) -> None:
        """Peels have no known number, so each takes a share of what is left."""
        self._cancel.check()
        before, after = (1 - _HALVED**count for count in (number, number + 1))
        self._progress(Progress(f"{stage} {number + 1}", before + (after - before) * inside))

    def _one(
        self, rgb: U8, number: int, owner: NDArray[np.int16]
    ) -> tuple[list[Element | None], U8] | None:
        """What lies on top of ``rgb``, and the plate behind it; None where nothing does."""
        extent = Extent.of(rgb)
        self._step("matte", number, 0.0)
        reach = 1 + round(extent.longest_side / _MATTE_SIDE)
        alpha = without_dips(snapped(self._matting(rgb)), 2 * reach)
        alpha = without_specks(np.where(owner >= 0, alpha, 0).astype(np.float32))
        holes = dilated(alpha > 0, *_at_least(kernel_of(extent, self._scale), reach))
        if not alpha.any() or float(holes.mean()) > _ALL:
            return None
        self._step("hidden parts", number, 0.3)
        filled = self._inpainting(rgb, holes)
        self._step("plate", number, 0.6)
        peeled = self._peeled(rgb, filled, alpha, holes, reach)
        self._step("layers", number, 0.8)
        elements = self._parts(peeled, owner)
        if not any(one is not None and _shows(one, peeled) for one in elements):
            return None
        self._made |= holes
        return elements, np.rint(peeled.plate).astype(np.uint8)

    @property
    def _scale(self) -> float:
        by_itself = _LOSSY_SCALE if self._lossy else _CLEAN_SCALE
        return self._options.kernel_scale or by_itself

    def _peeled(self, rgb: U8, filled: U8, alpha: F32, holes: Mask, reach: int) -> Peeled:
        analysis = analyse(rgb, lossy=self._lossy)
        if not self._shades:
            shade = find_background(analysis).shade
            self._shades += [] if shade is None else [shade]
        made = np.where(holes[..., None], filled, analysis.rgb)
        plate = settled(analysis.rgb, made, holes, noise=analysis.noise, shades=self._shades)
        behind = np.where(holes[..., None], plate.rgb, rgb).astype(np.float32)
        return Peeled(analysis, behind, alpha, plate.explained, self._made, reach)

    def _parts(self, peeled: Peeled, owner: NDArray[np.int16]) -> list[Element | None]:
        if self._options.boxes:
            count = len(self._options.boxes)
            return [thing_within(peeled, owner == index) for index in range(count)]
        if self._options.grouping == "peels":
            return [thing_within(peeled, owner >= 0)]
        return list(things_of(peeled))

    def _background(self, plate: U8) -> Element:
        full = Bounds.full(Extent.of(plate))
        known = self._shades or [find_background(analyse(plate, lossy=self._lossy))]
        opaque = np.ones(full.extent.shape, np.float32)
        colour = plate.astype(np.float32)
        return Element(Role.BACKGROUND, full, opaque, colour, known[0].kind)


def _owner(boxes: Sequence[Bounds], extent: Extent) -> NDArray[np.int16]:
    """(h, w): the index of the smallest box around each pixel, -1 for none; 0 without boxes."""
    if not boxes:
        return np.zeros(extent.shape, np.int16)
    owner = np.full(extent.shape, -1, np.int16)
    for index in sorted(range(len(boxes)), key=lambda index: -boxes[index].area):
        owner[boxes[index].clamped(extent).slices] = index
    return owner


def _at_least(kernel: tuple[int, int], reach: int) -> tuple[int, int]:
    """Holes are widened beyond where the matte's edges may be wrong."""
    least = 2 * reach + 1
    return max(kernel[0], least), max(kernel[1], least)


def _shows(element: Element, peeled: Peeled) -> bool:
    """Whether the picture differs anywhere from what would be left without the element."""
    off = peeled.off[element.bounds.slices]
    return bool((off[element.alpha > 0] > peeled.analysis.tolerance).any())
