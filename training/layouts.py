"""Arrangements that posters, slides and social cards have, each a function that fills an easel."""

from __future__ import annotations

from collections.abc import Callable

from layerstudio.geometry import Bounds
from training import lettering
from training.easel import Easel
from training.shapes import Kind

Layout = Callable[[Easel], None]

_PANELS: tuple[Kind, ...] = ("rectangle", "rounded", "rounded", "ellipse", "polygon")
_LABEL_PANELS: tuple[Kind, ...] = ("pill", "rounded", "ribbon", "rectangle")


def poster(easel: Easel) -> None:
    """A headline, one large picture, lines at the foot, perhaps on a panel."""
    if easel.chance(0.6):
        easel.panel(
            "ellipse" if easel.chance(0.6) else "rounded", _box(easel, 0.12, 0.26, 0.76, 0.5)
        )
    easel.sprite(_box(easel, 0.2, 0.28, 0.6, 0.46), shadow=0.4)
    if easel.chance(0.35):
        easel.panel("rectangle", _box(easel, 0, 0.78, 1, 0.22))
    _headline(easel, _box(easel, 0.06, 0.05, 0.88, 0.19), "center")
    _body(easel, _box(easel, 0.1, 0.8, 0.8, 0.15), 2, "center")
    _badge(easel, _box(easel, 0.62, 0.22, 0.32, 0.11))


def side_by_side(easel: Easel) -> None:
    """Text on one side, often on a panel; pictures on the other."""
    text_left = easel.chance(0.6)
    x = 0.06 if text_left else 0.52
    if easel.chance(0.75):
        easel.panel(_pick(easel, _PANELS[:3]), _box(easel, x - 0.02, 0.1, 0.46, 0.8))
    _headline(easel, _box(easel, x + 0.02, 0.16, 0.38, 0.24), "left")
    _body(easel, _box(easel, x + 0.02, 0.44, 0.38, 0.26), 3, "left")
    if easel.chance(0.5):
        _badge(easel, _box(easel, x + 0.02, 0.74, 0.26, 0.1))
    other = 0.53 if text_left else 0.05
    easel.sprite(_box(easel, other, 0.12, 0.42, 0.5), shadow=0.4)
    if easel.chance(0.6):
        easel.sprite(_box(easel, other + easel.rng.uniform(0, 0.2), 0.55, 0.24, 0.36))


def slide(easel: Easel) -> None:
    """A title bar, bulleted lines, a picture."""
    if easel.chance(0.6):
        easel.panel("rectangle", _box(easel, 0, 0, 1, 0.2), opacity=1.0)
    _headline(easel, _box(easel, 0.05, 0.04, 0.9, 0.13), "left")
    if easel.chance(0.5):
        easel.panel("rounded", _box(easel, 0.04, 0.26, 0.52, 0.64))
    string = lettering.lines(easel.rng, int(easel.rng.integers(3, 6)), bullets=True)
    size = easel.unit * easel.rng.uniform(3.2, 4.4)
    easel.text(string, _box(easel, 0.07, 0.3, 0.46, 0.56), size=size)
    easel.sprite(_box(easel, 0.6, 0.28, 0.35, 0.55))
    if easel.chance(0.3):
        _badge(easel, _box(easel, 0.62, 0.84, 0.3, 0.1))


def tiles(easel: Easel) -> None:
    """Panels in a row or a square, each with a picture and perhaps a caption."""
    wide = easel.extent.width > easel.extent.height
    columns = int(easel.rng.integers(2, 4)) if wide else 2
    rows = 1 if wide else int(easel.rng.integers(1, 3))
    _headline(easel, _box(easel, 0.06, 0.05, 0.88, 0.17), "center")
    kind = _pick(easel, _PANELS)
    color = easel.accent() if easel.chance(0.5) else None
    captions = easel.chance(0.6)
    width, height = 0.9 / columns, 0.68 / rows
    for index in range(columns * rows):
        x = 0.05 + width * (index % columns) + 0.015
        y = 0.26 + height * (index // columns)
        tile = _box(easel, x, y, width - 0.03, height - 0.03)
        easel.panel(kind, tile, color=color)
        share = 0.55 if captions else 0.66
        easel.sprite(_inner(tile, 0.2, 0.12, 0.6, share), shadow=0.15)
        if captions:
            size = easel.unit * 4
            easel.text(lettering.label(easel.rng), _inner(tile, 0.1, 0.72, 0.8, 0.16), size=size,
                       align="center")  # fmt: skip


def pile(easel: Easel) -> None:
    """Pictures that partly cover one another, with a headline above or on a band."""
    count = int(easel.rng.integers(2, 5))
    for index in range(count):
        x = 0.06 + 0.88 / (count + 0.6) * index
        y = easel.rng.uniform(0.3, 0.5)
        easel.sprite(_box(easel, x, y, 1.2 / count, 0.44), shadow=0.5)
    if easel.chance(0.35):
        easel.panel(
            "ribbon" if easel.chance(0.4) else "rectangle", _box(easel, 0.08, 0.08, 0.84, 0.18)
        )
    _headline(easel, _box(easel, 0.12, 0.09, 0.76, 0.16), "center")
    _body(easel, _box(easel, 0.1, 0.86, 0.8, 0.09), 1, "center")


def card(easel: Easel) -> None:
    """One panel in the middle of the canvas with text on it and pictures at its corners."""
    box = _box(easel, 0.14, 0.18, 0.72, 0.64)
    easel.panel(_pick(easel, ("rectangle", "rounded", "ellipse", "rounded")), box)
    _headline(easel, _inner(box, 0.14, 0.2, 0.72, 0.26), "center")
    _body(easel, _inner(box, 0.16, 0.5, 0.68, 0.24), 2, "center")
    corners = easel.rng.permutation([(0.02, 0.02), (0.7, 0.02), (0.02, 0.7), (0.7, 0.7)])
    for x, y in corners[: int(easel.rng.integers(1, 4))]:
        easel.sprite(_box(easel, float(x), float(y), 0.28, 0.28), shadow=0.4)


def quote(easel: Easel) -> None:
    """Mostly text: a large block, a line below, a small picture."""
    if easel.chance(0.7):
        easel.panel(_pick(easel, ("rectangle", "rounded")), _box(easel, 0.08, 0.22, 0.84, 0.46))
    string = lettering.lines(easel.rng, 2)
    easel.text(string, _box(easel, 0.14, 0.26, 0.72, 0.38), size=easel.unit * 8, bold=True,
               align="center")  # fmt: skip
    easel.sprite(_box(easel, 0.36, 0.03, 0.28, 0.18))
    easel.sprite(_box(easel, easel.rng.uniform(0.05, 0.6), 0.7, 0.32, 0.27))


LAYOUTS: tuple[tuple[Layout, float], ...] = (
    (poster, 0.2), (side_by_side, 0.2), (slide, 0.14), (tiles, 0.16), (pile, 0.12), (card, 0.12),
    (quote, 0.06),
)  # fmt: skip


def fill(easel: Easel) -> None:
    """Fill the easel by one of the layouts."""
    weights = [weight for _, weight in LAYOUTS]
    layout, _ = LAYOUTS[int(easel.rng.choice(len(LAYOUTS), p=weights))]
    if easel.chance(0.25):
        _decorate(easel)
    layout(easel)


def _decorate(easel: Easel) -> None:
    """Large shapes that run off the canvas, or a band along an edge."""
    if easel.chance(0.3):
        across = easel.chance(0.5)
        band = (0, 0.9, 1, 0.1) if across else (0, 0, 0.05, 1)
        easel.panel("rectangle", _box(easel, *band), opacity=1.0)
        return
    side = easel.rng.uniform(0.3, 0.6) * min(easel.extent)
    for _ in range(int(easel.rng.integers(1, 3))):
        x, y = easel.rng.choice([0.0, 1.0], size=2) * easel.extent + easel.rng.normal(0, 30, 2)
        place = Bounds(round(x - side / 2), round(y - side / 2), round(side), round(side))
        easel.panel("ellipse", place)


def _divider(easel: Easel, box: Bounds) -> None:
    """A thin line below a headline."""
    height = max(3, round(easel.rng.uniform(0.5, 1.2) * easel.unit))
    width = round(box.width * easel.rng.uniform(0.3, 1))
    x = box.x + (box.width - width) // 2
    easel.panel("rectangle", Bounds(x, box.bottom, width, height + 2), opacity=1.0)


def _headline(easel: Easel, box: Bounds, align: str) -> None:
    size = easel.unit * easel.rng.uniform(7, 14)
    string = lettering.title(easel.rng)
    if not easel.text(string, box, size=size, align=align, bold=True):
        easel.panel("rounded", box, opacity=1.0)
        easel.text(string, _inner(box, 0.05, 0.1, 0.9, 0.8), size=size, align=align, bold=True)
    elif easel.chance(0.12):
        _divider(easel, box)


def _body(easel: Easel, box: Bounds, count: int, align: str) -> None:
    string = lettering.lines(easel.rng, int(easel.rng.integers(1, count + 1)))
    easel.text(string, box, size=easel.unit * easel.rng.uniform(3, 5), align=align)


def _badge(easel: Easel, box: Bounds) -> None:
    if easel.chance(0.45) and easel.panel(_pick(easel, _LABEL_PANELS), box, opacity=1.0):
        inner = _inner(box, 0.2, 0.2, 0.6, 0.6)
        easel.text(
            lettering.label(easel.rng), inner, size=easel.unit * 5, align="center", bold=True
        )


def _pick(easel: Easel, kinds: tuple[Kind, ...]) -> Kind:
    return kinds[int(easel.rng.integers(len(kinds)))]


def _box(easel: Easel, x: float, y: float, width: float, height: float) -> Bounds:
    """A box in shares of the canvas, moved a little so that no two designs are aligned alike."""
    extent = easel.extent
    dx, dy = easel.rng.normal(0, 0.008, 2) * (0 if width == 1 else 1)
    left, top = round((x + dx) * extent.width), round((y + dy) * extent.height)
    return Bounds(left, top, max(8, round(width * extent.width)),
                  max(8, round(height * extent.height)))  # fmt: skip


def _inner(box: Bounds, x: float, y: float, width: float, height: float) -> Bounds:
    return Bounds(box.x + round(x * box.width), box.y + round(y * box.height),
                  max(8, round(width * box.width)), max(8, round(height * box.height)))  # fmt: skip
