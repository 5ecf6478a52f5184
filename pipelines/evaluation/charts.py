"""Line charts of a report, as SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 420, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 12, 40
_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # of the value axis
COLOURS = 6  # how many the page's style sheet has


def line_chart(title: str, across: str, lines: Mapping[str, Sequence[float]]) -> str:
    """One line for each name, over 0, 1, 2 ...; the value axis holds all values, not always 0."""
    values = [value for line in lines.values() for value in line]
    step = next((s for s in _STEPS if (max(values) - min(values)) / s <= 5), _STEPS[-1])
    low = int(min(values) / step) * step
    high = max((int(max(values) / step) + 1) * step, low + step)
    count = max(map(len, lines.values()))

    def x(index: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * index / max(count - 1, 1)

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    ticks = [low + step * index for index in range(round((high - low) / step) + 1)]
    parts = [_rule(y(tick), f"{tick:.3g}") for tick in ticks]
    parts += [
        f'<text class="tick" x="{x(index):.1f}" y="{_HEIGHT - 22}" text-anchor="middle">'
        f"{index}</text>"
        for index in range(count)
    ]
    parts.append(
        f'<text class="tick" x="{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 5}" '
        f'text-anchor="middle">{escape(across)}</text>'
    )
    for number, line in enumerate(lines.values()):
        points = [(x(index), y(value)) for index, value in enumerate(line)]
        parts.append(_line(points, number % COLOURS))
    label = escape(f"{title} over {across}")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _rule(y: float, text: str) -> str:
    return (
        f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{text}</text>'
    )


def _line(points: Sequence[tuple[float, float]], colour: int) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in points)
    return f'<g class="line c{colour}"><polyline points="{path}"/>{dots}</g>'
