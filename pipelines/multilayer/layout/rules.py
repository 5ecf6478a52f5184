"""Layouts by rule: margins, a golden section between words and pictures, sizes by importance.

Text never lies on text, pictures never on text; underlays lie under what they serve, embellishments
in corners. The same request gives the same layout; another seed another arrangement.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from random import Random

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.layout.areas import Areas, areas_of, cut, grid, picture_cells
from layerstudio.pipelines.multilayer.layout.captions import Piece, TextRank
from layerstudio.pipelines.multilayer.layout.composing import composition_of
from layerstudio.pipelines.multilayer.layout.ornaments import ornament_boxes
from layerstudio.pipelines.multilayer.layout.plan import (
    PLACING_ORDER,
    LayerPlan,
    LayerRole,
    LayoutPlan,
)
from layerstudio.pipelines.multilayer.layout.planning import PlanRequest
from layerstudio.pipelines.multilayer.layout.type_sizes import stacked_texts
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken

_PIXELS_PER_LAYER = 1024  # 32 x 32: less shows nothing
_TITLE_SIZE = 0.14  # of the canvas's shorter side, at most
_LINE_ROOM = 0.045  # of the canvas's shorter side, that a text needs in a column
_TITLE_SHARE = 0.3  # of a block with several columns of text under its title
_TITLE_MEASURE = 0.2  # of the block's width: the largest title has some nine letters on a line


class RulePlanner:
    """The planner "rules": needs no model, and answers in milliseconds."""

    def plan(
        self,
        request: PlanRequest,
        *,
        runtime: Runtime | None = None,
        cancel: CancelToken | None = None,
    ) -> LayoutPlan:
        """The layout; raises ``InvalidRequest`` for a canvas too small for its layers."""
        if cancel is not None:
            cancel.check()
        composition = composition_of(request)
        pieces, extent = composition.pieces, request.extent
        if extent.pixel_count < _PIXELS_PER_LAYER * len(pieces):
            raise InvalidRequest(
                f"A canvas of {extent} is too small for {len(pieces) + 1} layers.",
                advice="Ask for fewer layers or a larger canvas.",
            )
        boxes = _arranged(pieces, extent, Random(request.seed))
        placed = sorted(
            zip(pieces, boxes, strict=True), key=lambda pair: PLACING_ORDER.index(pair[0].role)
        )
        background = LayerPlan(
            z=0,
            box=Bounds.full(extent),
            role=LayerRole.BACKGROUND,
            prompt=composition.background,
        )
        layers = [
            LayerPlan(z=z, box=box, role=piece.role, prompt=piece.prompt, text=piece.text)
            for z, (piece, box) in enumerate(placed, 1)
        ]
        return LayoutPlan(extent=extent, layers=(background, *layers))


def _arranged(pieces: Sequence[Piece], extent: Extent, chance: Random) -> list[Bounds]:
    """One box for each piece, in their order."""
    texts = _numbers(pieces, LayerRole.TEXT)
    images = _numbers(pieces, LayerRole.IMAGE)
    underlays = _numbers(pieces, LayerRole.UNDERLAY)
    ornaments = _numbers(pieces, LayerRole.EMBELLISHMENT)
    texts.sort(key=lambda number: pieces[number].rank)
    areas = areas_of(extent, len(texts), len(images), chance)
    padding = round(0.6 * areas.gap) if underlays else 0
    typesetter = _Typesetter(areas, padding, min(extent), chance)
    boxes: dict[int, Bounds] = {}
    boxes |= zip(texts, typesetter.boxes([pieces[number] for number in texts]), strict=True)
    if areas.images is not None:
        cells = picture_cells(areas.images, len(images), areas.gap, chance)
        boxes |= zip(images, cells, strict=True)
    text_boxes = [boxes[number] for number in texts]
    image_boxes = [boxes[number] for number in images]
    panels = _panels(len(underlays), typesetter.blocks, text_boxes, image_boxes, areas, padding)
    boxes |= zip(underlays, panels, strict=True)
    corners = ornament_boxes(len(ornaments), extent, text_boxes, image_boxes, chance)
    boxes |= zip(ornaments, corners, strict=True)
    canvas = Bounds.full(extent)
    return [boxes[number].intersection(canvas) for number in range(len(pieces))]


def _numbers(pieces: Sequence[Piece], role: LayerRole) -> list[int]:
    return [number for number, piece in enumerate(pieces) if piece.role is role]


class _Typesetter:
    """Texts in the blocks that the canvas has for them; ``blocks`` are what they fill."""

    def __init__(self, areas: Areas, padding: int, short_side: int, chance: Random) -> None:
        self._areas = [_inset(area, padding) for area in areas.texts]
        self._gap = areas.gap
        self._short_side = short_side
        usual = "center" if areas.stacked else "left"
        self._align = usual if chance.random() < 0.75 else "left"
        self._anchor = chance.choice((0.5, 0.5, 0.382))
        self.blocks: list[Bounds] = []

    def boxes(self, texts: Sequence[Piece]) -> list[Bounds]:
        """One box for each text; they come by rank, the loudest first."""
        if not texts:
            return []
        if len(self._areas) == 1:
            return self._block(texts, self._areas[0])
        title, rest = self._areas
        return self._block(texts[:1], title) + self._block(texts[1:], rest)

    def _block(self, texts: Sequence[Piece], area: Bounds) -> list[Bounds]:
        room = max(1, int(area.height / max(4.0, _LINE_ROOM * self._short_side)))
        if len(texts) <= room:
            boxes = self._column(texts, area)
        elif room > 1 and texts[0].rank is TextRank.TITLE:
            head, body = cut(area, _TITLE_SHARE, self._gap, across=True)
            boxes = self._column(texts[:1], head) + self._columns(texts[1:], body, room)
        else:
            boxes = self._columns(texts, area, room)
        self.blocks.append(Bounds.around(boxes))
        return boxes

    def _columns(self, texts: Sequence[Piece], area: Bounds, room: int) -> list[Bounds]:
        columns = grid(Bounds(area.x, area.y, area.width, 1), ceil(len(texts) / room), self._gap)
        if len({column.y for column in columns}) > 1 or columns[-1].width * 2 < area.height / room:
            return grid(area, len(texts), self._gap)
        each = ceil(len(texts) / len(columns))
        boxes: list[Bounds] = []
        for number, column in enumerate(columns):
            part = texts[number * each : (number + 1) * each]
            tall = Bounds(column.x, area.y, column.width, area.height)
            boxes += self._column(part, tall, align="left", anchor=0.0) if part else []
        return boxes

    def _column(
        self,
        texts: Sequence[Piece],
        area: Bounds,
        *,
        align: str | None = None,
        anchor: float | None = None,
    ) -> list[Bounds]:
        return stacked_texts(
            [(text.text or "", text.rank) for text in texts],
            area,
            largest=min(_TITLE_SIZE * self._short_side, _TITLE_MEASURE * area.width),
            align=align or self._align,
            anchor=self._anchor if anchor is None else anchor,
        )


def _panels(
    count: int,
    blocks: Sequence[Bounds],
    texts: Sequence[Bounds],
    images: Sequence[Bounds],
    areas: Areas,
    padding: int,
) -> list[Bounds]:
    """Panels under blocks of text, then under single texts from the quietest up, then as mats of
    pictures; what nothing needs any more stands in a grid."""
    singles = texts[::-1] if len(texts) > len(blocks) else []
    targets = [block.padded(padding) for block in blocks]
    targets += [text.padded(max(1, padding // 3)) for text in singles]
    targets += [image.padded(max(1, padding // 3)) for image in images]
    spare = count - len(targets)
    return targets[:count] + (grid(areas.frame, spare, areas.gap) if spare > 0 else [])


def _inset(area: Bounds, padding: int) -> Bounds:
    padding = min(padding, (min(area.extent) - 1) // 4)
    return area.padded(-padding)
