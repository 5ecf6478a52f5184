"""The board on which one design is put together, layer by layer from the bottom.

It knows at any time what the picture looks like so far, so that text is given a colour that can
be read where it lands, and it refuses what could not be seen.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field

import numpy as np

from layerstudio.color import F32, U8, to_float, to_u8
from layerstudio.document import Layer, Role, TextContent
from layerstudio.geometry import Bounds, Extent
from training import lettering, shapes
from training.assets import Assets
from training.backgrounds import Rgb, gradient
from training.lettering import Lettering
from training.splits import Split

MIN_TEXT_CONTRAST = 3.0  # what WCAG 2 asks of large text
_MIN_DIFFERENCE = 0.10  # mean colour distance of a panel or sprite to what lies under it


@dataclass(frozen=True)
class Theme:
    """The colours of a design."""

    ground: Rgb
    second: Rgb
    accents: tuple[Rgb, ...]


def random_theme(rng: np.random.Generator) -> Theme:
    """A light, dark or saturated ground and accents at related hues."""
    hue = rng.random()
    kind = rng.choice(["white", "light", "dark", "strong"], p=[0.12, 0.38, 0.22, 0.28])
    saturation, value = {
        "white": (0.0, rng.choice([1.0, 0.97])),
        "light": (rng.uniform(0.06, 0.35), rng.uniform(0.88, 1.0)),
        "dark": (rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.35)),
        "strong": (rng.uniform(0.5, 0.95), rng.uniform(0.55, 0.95)),
    }[str(kind)]
    ground = _rgb(hue, saturation, value)
    second = _rgb(hue + rng.normal(0, 0.08), saturation + rng.uniform(-0.3, 0.35),
                  value + rng.uniform(-0.35, 0.25))  # fmt: skip
    steps = rng.choice([0.08, 0.33, 0.42, 0.5, 0.58, 0.92], size=3, replace=False)
    accents = tuple(
        _rgb(hue + step, rng.uniform(0.45, 0.95), rng.uniform(0.45, 0.98)) for step in steps
    )
    neutral = _rgb(0, 0, 1.0) if rng.random() < 0.6 else _rgb(hue, 0.15, rng.uniform(0.15, 0.9))
    return Theme(ground, second, (*accents, neutral))


@dataclass
class Easel:
    """``flat`` (h, w, 3) is the picture so far; ``placed`` says in words what was put where."""

    extent: Extent
    theme: Theme
    assets: Assets
    split: Split
    rng: np.random.Generator
    layers: list[Layer] = field(default_factory=list)
    placed: list[str] = field(default_factory=list)
    flat: F32 = field(init=False)

    def __post_init__(self) -> None:
        self.flat = np.zeros((*self.extent.shape, 3), np.float32)
        fonts = self.assets.font_names(self.split)
        self.fonts = [str(name) for name in self.rng.permutation(fonts)[:2]]
        self.used: set[str] = set()

    @property
    def unit(self) -> float:
        """A hundredth of the shorter side."""
        return min(self.extent) / 100

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def accent(self) -> Rgb:
        return self.theme.accents[int(self.rng.integers(len(self.theme.accents)))]

    def put(
        self, name: str, role: Role, rgba: U8, x: int, y: int, text: TextContent | None = None
    ) -> Bounds:
        """Add a layer, cut to the canvas and to its content."""
        where = Bounds(x, y, rgba.shape[1], rgba.shape[0])
        seen = where.clamped(self.extent)
        part = rgba[seen.relative_to(where).slices].copy()
        layer = Layer(name=name, bounds=seen, pixels=part, role=role, text=text)
        layer = layer.cropped_to_content()
        self.layers.append(layer)
        self.placed.append(f"{role.value}: {name}")
        straight = to_float(layer.pixels)
        under = self.flat[layer.bounds.slices]
        under += (straight[..., :3] - under) * straight[..., 3:]
        return layer.bounds

    def panel(
        self,
        kind: shapes.Kind,
        box: Bounds,
        *,
        color: Rgb | None = None,
        opacity: float | None = None,
    ) -> bool:
        """A panel in ``box``; False where its colour would not show on what is there."""
        rng = self.rng
        alpha = shapes.panel_alpha(kind, box.width - 2, box.height - 2, rng)
        color = color or self._visible_accent(box)
        fill = np.broadcast_to(np.array(color, np.float32), (*alpha.shape, 3))
        if self.chance(0.2):
            other = tuple(np.clip(np.array(color, np.float32) + rng.uniform(-0.3, 0.3, 3), 0, 1))
            fill = gradient(Extent.of(alpha), [color, other], rng)  # type: ignore[list-item]
        if self.chance(0.15):
            inner = shapes.inset_alpha(alpha, rng.uniform(0.6, 1.4) * self.unit)[..., None]
            fill = np.array(self.accent(), np.float32) * (1 - inner) + fill * inner
        if opacity is None:
            opacity = float(rng.uniform(0.4, 0.9)) if self.chance(0.35) else 1.0
        rgba = to_u8(np.dstack([fill, alpha * np.float32(opacity)]))
        if self._difference(rgba, box.x, box.y) < _MIN_DIFFERENCE:
            return False
        name = f"{kind} panel" if opacity == 1 else f"{kind} panel, {opacity:.0%}"
        if self.chance(0.12) and opacity == 1:
            self._shadow(alpha, box.x, box.y, name)
        self.put(name, Role.SHAPE, rgba, box.x, box.y)
        return True

    def sprite(self, box: Bounds, *, shadow: float = 0.3) -> bool:
        """Clip art centred in ``box``; False where none of six would show there."""
        names = self.assets.sprite_names(self.split)
        for _ in range(6):
            name = names[int(self.rng.integers(len(names)))]
            rgba = None if name in self.used else self.assets.sprite(name, min(box.extent))
            if rgba is None:
                continue
            if self.chance(0.3):
                rgba = rgba[:, ::-1].copy()
            x = box.x + (box.width - rgba.shape[1]) // 2
            y = box.y + (box.height - rgba.shape[0]) // 2
            if self._difference(rgba, x, y) < _MIN_DIFFERENCE:
                continue
            self.used.add(name)
            title = name.rsplit(".", 1)[0]
            if self.chance(shadow):
                self._shadow(to_float(rgba[..., 3]), x, y, title)
            self.put(title, Role.OBJECT, rgba, x, y)
            return True
        return False

    def text(
        self, string: str, box: Bounds, *, size: float, align: str = "left", bold: bool = False
    ) -> bool:
        """A block of text in ``box``; False where no colour can be read there."""
        file = self.fonts[0 if bold else -1]
        font = self.assets.font(file, max(size, 9))
        block = lettering.fitted(string, font, box.width, box.height, align)
        height, width = block.alpha.shape
        x = box.x + {"left": 0, "center": (box.width - width) // 2}.get(align, box.width - width)
        y = box.y + (box.height - height) // 2
        place = Bounds(x, y, width, height).clamped(self.extent)
        color = self._readable(place)
        if color is None or place.is_empty:
            return False
        fill = np.broadcast_to(np.array(color, np.float32), (*block.alpha.shape, 3))
        rgba = to_u8(np.dstack([fill, block.alpha]))
        if self.chance(0.06):
            self._shadow(block.alpha, x, y, "text", sigma=self.unit * 0.4)
        content = self._content(block, file, color, place, align, bold, y)
        self.put(block.string.split("\n")[0], Role.TEXT, rgba, x, y, content)
        return True

    def _content(
        self, block: Lettering, file: str, color: Rgb, box: Bounds, align: str, bold: bool, y: int
    ) -> TextContent:
        red, green, blue = (int(v) for v in to_u8(np.array(color, np.float32)))
        return TextContent(
            string=block.string, font=self.assets.family(file), size=block.size,
            color=(red, green, blue), box=box, bold=bold, align=align,
            baseline=y + block.baseline,
        )  # fmt: skip

    def _shadow(self, silhouette: F32, x: int, y: int, of: str, sigma: float | None = None) -> None:
        rng = self.rng
        sigma = sigma or self.unit * float(rng.uniform(*shapes.SHADOW_BLURS))
        opacity = float(rng.uniform(*shapes.SHADOW_OPACITIES))
        alpha, margin = shapes.shadow_alpha(silhouette, sigma, opacity)
        tint = np.float32(rng.uniform(0, 0.15, 3)) if self.chance(0.3) else np.zeros(3, np.float32)
        rgba = to_u8(np.dstack([np.broadcast_to(tint, (*alpha.shape, 3)), alpha]))
        dx, dy = shapes.shadow_offset(sigma, rng)
        x, y = x - margin + dx, y - margin + dy
        if self._difference(rgba, x, y) >= _MIN_DIFFERENCE:  # black on black is no layer
            self.put(f"shadow of {of}", Role.SHADOW, rgba, x, y)

    def _visible_accent(self, box: Bounds) -> Rgb:
        """The first of a few accents that stands off what is under ``box``."""
        seen = box.clamped(self.extent)
        under = self.flat[seen.slices].reshape(-1, 3).mean(0)
        accents = [self.accent() for _ in range(4)]
        distances = [float(np.abs(np.array(c, np.float32) - under).mean()) for c in accents]
        good = [c for c, d in zip(accents, distances, strict=True) if d > 1.5 * _MIN_DIFFERENCE]
        return good[0] if good else accents[int(np.argmax(distances))]

    def _difference(self, rgba: U8, x: int, y: int) -> float:
        """Alpha-weighted mean distance in [0, 1] between a layer to come and the picture."""
        where = Bounds(x, y, rgba.shape[1], rgba.shape[0])
        seen = where.clamped(self.extent)
        if seen.is_empty:
            return 0.0
        layer = to_float(rgba[seen.relative_to(where).slices])
        change = np.abs(layer[..., :3] - self.flat[seen.slices]).mean(-1) * layer[..., 3]
        return float(change.sum() / max(float(layer[..., 3].sum()), 1e-6))

    def _readable(self, box: Bounds) -> Rgb | None:
        """A text colour that contrasts with nearly all of what lies under ``box``."""
        if box.is_empty:
            return None
        under = relative_luminance(self.flat[box.slices].reshape(-1, 3))
        colors = [(1.0, 1.0, 1.0), (0.07, 0.07, 0.09), *self.theme.accents, self.theme.ground]
        contrasts = [contrast(color, under) for color in colors]
        good = [c for c, value in zip(colors, contrasts, strict=True) if value >= 4.5]
        if good and self.chance(0.7):
            return good[int(self.rng.integers(len(good)))]
        best = int(np.argmax(contrasts))
        return colors[best] if contrasts[best] >= MIN_TEXT_CONTRAST else None


def relative_luminance(rgb: F32) -> F32:
    """WCAG 2's relative luminance of sRGB colours in [0, 1]."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32) @ np.array([0.2126, 0.7152, 0.0722], np.float32)


def contrast(color: Rgb, luminances: F32) -> float:
    """WCAG 2's contrast ratio of ``color`` to the least favourable twentieth of ``luminances``."""
    own = float(relative_luminance(np.array([color], np.float32))[0])
    ratio = (np.maximum(luminances, own) + 0.05) / (np.minimum(luminances, own) + 0.05)
    return float(np.quantile(ratio, 0.05))


def _rgb(hue: float, saturation: float, value: float) -> Rgb:
    clipped = (float(np.clip(v, 0, 1)) for v in (saturation, value))
    return colorsys.hsv_to_rgb(float(hue) % 1, *clipped)
