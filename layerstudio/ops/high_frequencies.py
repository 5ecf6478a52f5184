"""Fine detail of a picture given back to layers that networks drew from it.

What went through an autoencoder comes back soft. LayeringDiff (arXiv:2501.01197) trains networks
that restore its detail from the composite; this is the classical equivalent, without any:

1. Where one layer alone shows, opaque and with nothing above it, it gets the picture's pixels.
2. Where several show through each other, what the stack lacks is taken apart as a Laplacian
   pyramid does (Burt and Adelson 1983), and its finest octaves go to all of them. What is coarser
   comes from a wrong alpha or colour and would tint a plate that is right, so it stays: with an
   alpha two pixels off, plates that get all of it end up worse than they were
   (``benchmarks/high_frequencies.py``).

With the share ``w_i`` that each layer has in a pixel (source-over: its alpha, times what those
above let through), the smallest changes of their colours that add ``t`` to the composite are
``w_i t / sum(w_k^2)``: the least-norm solution of ``sum(w_i d_i) = t``. At no pixel and in no
channel does more change than the stack lacks there, so recomposition can only come nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, Pixels, full_scale, to_depth
from layerstudio.document import BlendMode, Layer
from layerstudio.geometry import Bounds, Extent

# Octaves that an autoencoder with factor 8 keeps worst: everything finer than 8 pixels.
LEVELS = 3
_BAND_ROWS = 256  # rows worked at once, a multiple of 2 ** LEVELS
_HALO = 4 * 2**LEVELS  # rows: as far as the local mean of LEVELS octaves reaches, rounded up
_ALONE = 1.0 - 1.0 / 131072  # a share that is 1 but for float32's rounding


@dataclass(frozen=True, eq=False)
class _Work:
    """A layer at its place: its pixels as they came and as they become. ``is_free`` may change."""

    place: Bounds
    given: Pixels
    found: Pixels
    is_free: bool


def restore_detail(
    layers: Sequence[Layer], picture: Pixels, *, kept: Sequence[bool] | None = None
) -> tuple[Layer, ...]:
    """``layers`` (bottom to top, normal, on the canvas) with the detail of ``picture`` (h, w, 4).

    Alpha is left alone, and so is what does not show: hidden colours, places where the picture or
    the stack is not opaque. ``kept`` marks layers whose colours stay, as those of shadows. The
    result has the depth of ``picture``.
    """
    extent = Extent.of(picture)
    for layer in layers:
        assert layer.blend is BlendMode.NORMAL and layer.mask is None, layer.name
        assert layer.opacity == 1.0 and layer.visible and not layer.clipped, layer.name
        assert Bounds.full(extent).contains(layer.bounds), (layer.name, layer.bounds)
    work = []
    for layer, stays in zip(layers, kept or (False,) * len(layers), strict=True):
        given = to_depth(layer.pixels, picture.dtype)
        work.append(_Work(layer.bounds, given, given.copy(), not stays))
    for top in range(0, extent.height, _BAND_ROWS):
        band = Bounds.from_edges(0, top, extent.width, min(extent.height, top + _BAND_ROWS))
        _restore_band(work, picture, band)
    return tuple(replace(one, pixels=w.found) for one, w in zip(layers, work, strict=True))


def transferable(residual: F32, known: NDArray[np.bool_], levels: int = LEVELS) -> F32:
    """The part of ``residual`` (h, w, 3) finer than ``2 ** levels`` pixels, where ``known``.

    It lies between 0 and the residual at every pixel of every channel, and is 0 elsewhere: so that
    nothing rings, the coarse part is a mean over known pixels only (normalised convolution,
    Knutsson and Westin 1993).
    """
    weight = known.astype(np.float32)
    fine = residual - _local_mean(residual, weight, levels)
    part = np.clip(fine, np.minimum(residual, 0), np.maximum(residual, 0))
    return np.asarray(part * weight[..., None], np.float32)


def _restore_band(work: Sequence[_Work], picture: Pixels, band: Bounds) -> None:
    extent, full = Extent.of(picture), np.float32(full_scale(picture.dtype))
    area = Bounds.from_edges(0, band.y - _HALO, extent.width, band.bottom + _HALO).clamped(extent)
    target = picture[area.slices]
    shown, power, alone, through = _stacked(work, area, full)
    residual = np.asarray(target[..., :3] / full - shown, np.float32)
    residual[np.abs(residual) <= 0.5 / full + 1e-6] = 0  # which rounding takes away anyway
    sound = (through <= 1 - _ALONE) & (target[..., 3] == full) & (power > 0)
    detail = transferable(residual, sound & ~alone)
    detail[sound & alone] = residual[sound & alone]
    np.divide(detail, power[..., None], out=detail, where=power[..., None] > 0)
    _add(detail[band.relative_to(area).slices], work, band, full)


def _stacked(
    work: Sequence[_Work], area: Bounds, full: np.float32
) -> tuple[F32, F32, NDArray[np.bool_], F32]:
    """In ``area``: the composite (h, w, 3), the sum of the squared shares of layers that may
    change, whether one of these shows alone, and what the whole stack lets through."""
    shown = np.zeros((*area.extent.shape, 3), np.float32)
    power = np.zeros(area.extent.shape, np.float32)
    alone = np.zeros(area.extent.shape, bool)
    through = np.ones(area.extent.shape, np.float32)
    for item in reversed(work):
        common = item.place.intersection(area)
        if common.is_empty:
            continue
        view = common.relative_to(area).slices
        part = item.given[common.relative_to(item.place).slices] / full
        share = part[..., 3] * through[view]
        shown[view] += part[..., :3] * share[..., None]
        through[view] *= 1 - part[..., 3]
        if item.is_free:
            power[view] += share**2
            alone[view] |= share >= _ALONE
    return shown, power, alone, through


def _add(detail: F32, work: Sequence[_Work], band: Bounds, full: np.float32) -> None:
    """Each layer's share of ``detail`` (h, w, 3) added to its colours in ``band``."""
    through = np.ones(band.extent.shape, np.float32)
    for item in reversed(work):
        common = item.place.intersection(band)
        if common.is_empty:
            continue
        view = common.relative_to(band).slices
        inside = common.relative_to(item.place).slices
        part = item.given[inside] / full
        share = part[..., 3] * through[view]
        through[view] *= 1 - part[..., 3]
        if item.is_free:
            colour = np.clip(part[..., :3] + share[..., None] * detail[view], 0, 1)
            item.found[inside][..., :3] = np.rint(colour * full)


def _local_mean(values: F32, weight: F32, levels: int) -> F32:
    """(h, w, 3): of the known values around, by ``levels`` steps down a Gaussian pyramid and up
    again, weighted by ``weight`` (h, w)."""
    parts = [values * weight[..., None], weight]
    sizes = []
    for _ in range(levels):
        if min(parts[1].shape) < 2:
            break
        sizes.append((parts[1].shape[1], parts[1].shape[0]))
        parts = [cv2.pyrDown(part) for part in parts]
    for size in reversed(sizes):
        parts = [cv2.pyrUp(part, dstsize=size) for part in parts]
    weighted, total = parts
    return np.asarray(weighted / np.maximum(total, np.float32(1e-6))[..., None], np.float32)
