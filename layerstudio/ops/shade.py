"""Smooth fills as formulas: plain colour, linear and radial gradients with any number of stops.

A shade is a colour that depends on one number ``t`` per pixel: nothing (plain), the projection on
a direction (linear), or the distance from a centre with the vertical axis scaled (radial, so that
the ellipses of CSS and SVG object-bounding-box gradients are covered). Coordinates are pixel
indices of the array that the shade was fitted to; ``moved`` shifts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32
from layerstudio.geometry import Bounds

ShadeKind = Literal["plain", "linear", "radial"]
RGB = tuple[float, float, float]

_TABLE_STEPS_PER_PIXEL = 4  # finer than the quarter pixel no 8-bit ramp can show
_TABLE_LIMIT = 1 << 15


@dataclass(frozen=True)
class Shade:
    """A fill: ``colors`` (0..255) at ``stops`` (pixels along ``t``), linear in between.

    ``direction`` is a unit vector (linear); ``centre`` and ``aspect`` give
    ``t = hypot(x - cx, aspect * (y - cy))`` (radial). ``residual`` is the median over the fitted
    pixels of the largest channel difference, in levels.
    """

    kind: ShadeKind
    stops: tuple[float, ...]
    colors: tuple[RGB, ...]
    direction: tuple[float, float] = (1.0, 0.0)
    centre: tuple[float, float] = (0.0, 0.0)
    aspect: float = 1.0
    residual: float = 0.0

    def parameter(self, x: NDArray, y: NDArray) -> F32:
        """``t`` at pixel positions; ``x`` and ``y`` broadcast."""
        if self.kind == "linear":
            t = np.float32(self.direction[0]) * x + np.float32(self.direction[1]) * y
        elif self.kind == "radial":
            dx = x - np.float32(self.centre[0])
            dy = np.float32(self.aspect) * (y - np.float32(self.centre[1]))
            t = np.sqrt(dx * dx + dy * dy)
        else:
            t = np.zeros(np.broadcast_shapes(x.shape, y.shape))
        return t.astype(np.float32, copy=False)

    def at(self, x: NDArray, y: NDArray) -> F32:
        """Colours ``(..., 3)`` in 0..255 at pixel positions."""
        table, start, scale = self._table
        index = (self.parameter(x, y) - np.float32(start)) * np.float32(scale) + np.float32(0.5)
        np.clip(index, 0, len(table) - 1, out=index)
        return np.take(table, index.astype(np.int32), axis=0)

    def render(self, bounds: Bounds) -> F32:
        """``(h, w, 3)`` float32 in 0..255 over a rectangle, also beyond what was fitted."""
        if self.kind == "plain":
            return np.broadcast_to(
                np.array(self.colors[0], dtype=np.float32), (*bounds.extent.shape, 3)
            ).copy()
        x = np.arange(bounds.x, bounds.right, dtype=np.float32)[None, :]
        y = np.arange(bounds.y, bounds.bottom, dtype=np.float32)[:, None]
        return self.at(x, y)

    def moved(self, dx: float, dy: float) -> Shade:
        """The same fill for an array whose origin lies ``(dx, dy)`` further up and left."""
        if self.kind == "linear":
            shift = self.direction[0] * dx + self.direction[1] * dy
            return replace(self, stops=tuple(t + shift for t in self.stops))
        return replace(self, centre=(self.centre[0] + dx, self.centre[1] + dy))

    def extended(self, bounds: Bounds) -> Shade:
        """The same ramp, going on at its end slopes over all of ``bounds`` where it stopped short.

        A fit knows the ramp only as far as its samples reach; colours stay in 0..255.
        """
        if self.kind == "plain" or len(self.stops) < 2:
            return self
        x = np.array([bounds.x, bounds.right - 1, bounds.x, bounds.right - 1], np.float32)
        y = np.array([bounds.y, bounds.y, bounds.bottom - 1, bounds.bottom - 1], np.float32)
        reach = self.parameter(x, y)
        stops, colors = list(self.stops), [np.asarray(color) for color in self.colors]
        if reach.max() > stops[-1]:
            slope = (colors[-1] - colors[-2]) / max(stops[-1] - stops[-2], 1e-6)
            colors.append(np.clip(colors[-1] + slope * (reach.max() - stops[-1]), 0, 255))
            stops.append(float(reach.max()))
        if self.kind == "linear" and reach.min() < stops[0]:
            slope = (colors[1] - colors[0]) / max(stops[1] - stops[0], 1e-6)
            colors.insert(0, np.clip(colors[0] + slope * (reach.min() - stops[0]), 0, 255))
            stops.insert(0, float(reach.min()))
        rgb = tuple((float(r), float(g), float(b)) for r, g, b in colors)
        return replace(self, stops=tuple(map(float, stops)), colors=rgb)

    def difference(self, pixels: NDArray, mask: NDArray | None = None) -> F32:
        """Largest channel difference, in levels: ``(h, w)``, or ``(n,)`` inside ``mask``."""
        shown = self.render(Bounds(0, 0, pixels.shape[1], pixels.shape[0]))
        off = np.abs(shown - pixels[..., :3]).max(axis=2)
        return off if mask is None else off[mask]

    @property
    def mean_color(self) -> RGB:
        """The average over ``t``, which names the fill."""
        if len(self.stops) == 1:
            return self.colors[0]
        colors, stops = np.asarray(self.colors), np.asarray(self.stops)
        mean = np.trapezoid(colors, stops, axis=0) / max(stops[-1] - stops[0], 1e-6)
        return float(mean[0]), float(mean[1]), float(mean[2])

    def to_json(self) -> dict[str, Any]:
        """Plain values that ``from_json`` takes back."""
        return {
            "kind": self.kind,
            "stops": list(self.stops),
            "colors": [list(color) for color in self.colors],
            "direction": list(self.direction),
            "centre": list(self.centre),
            "aspect": self.aspect,
            "residual": self.residual,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Shade:
        return cls(
            kind=data["kind"],
            stops=tuple(data["stops"]),
            colors=tuple((c[0], c[1], c[2]) for c in data["colors"]),
            direction=(data["direction"][0], data["direction"][1]),
            centre=(data["centre"][0], data["centre"][1]),
            aspect=data["aspect"],
            residual=data["residual"],
        )

    @property
    def _table(self) -> tuple[F32, float, float]:
        """Colours at even steps of ``t``, the first ``t``, and steps per unit."""
        start, length = self.stops[0], self.stops[-1] - self.stops[0]
        if length <= 0:
            return np.asarray(self.colors[:1], dtype=np.float32), start, 0.0
        steps = int(min(max(length * _TABLE_STEPS_PER_PIXEL, 256), _TABLE_LIMIT))
        t = np.linspace(start, self.stops[-1], steps + 1)
        colors = np.asarray(self.colors)
        columns = [np.interp(t, self.stops, colors[:, channel]) for channel in range(3)]
        return np.stack(columns, axis=1).astype(np.float32), start, steps / length


def plain(color: NDArray | RGB, residual: float = 0.0) -> Shade:
    """One colour everywhere."""
    value = (float(color[0]), float(color[1]), float(color[2]))
    return Shade("plain", (0.0,), (value,), residual=residual)
