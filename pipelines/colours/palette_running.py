"""A picture mixed from a palette, as layers of solid colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerstudio.color import F32, full_scale, to_float
from layerstudio.document import BlendMode, Document, Layer, Role
from layerstudio.geometry import Bounds
from layerstudio.ops.additive import whole_shares
from layerstudio.ops.guided_maps import GuidedMaps, enlarged_rows
from layerstudio.ops.ordered_alpha import hidden_alphas, ordered_alphas, rounded_alphas
from layerstudio.ops.rgbxy import WORKING_PIXELS, as_functions, corrected, smooth_weights
from layerstudio.ops.tessellation import Tessellation
from layerstudio.picture import Picture
from layerstudio.pipelines.colours.naming import colour_title
from layerstudio.pipelines.colours.palettes import Palette, palette_for, stacked
from layerstudio.pipelines.colours.stacks import (
    Canvas,
    document_of,
    ignored,
    is_trivial,
    remainder_mode,
    whole,
)
from layerstudio.pipelines.colours.working import in_bands, small_picture
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest

_ESTIMATED = 0.3  # share of a run


def run(
    request: DecomposeRequest,
    picture: Picture,
    *,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Document:
    """The document of ``picture``: a layer for each colour, and what none of them can mix."""

    def step(stage: str, fraction: float) -> None:
        cancel.check()
        progress(Progress(stage, fraction))

    if is_trivial(request, picture):
        return whole(request, picture, "palette")
    notes = ignored(request)
    step("palette", 0.0)
    palette = palette_for(request, picture)
    step("weights", 0.1)
    estimate = _estimated(palette, request, picture)
    step("layers", _ESTIMATED)

    def painting(report: Progress) -> None:
        progress(Progress(report.stage, _ESTIMATED + (1 - _ESTIMATED) * report.fraction))

    if request.settings.text("stack") == "add":
        layers = _added(estimate, request, picture, painting, cancel)
        return document_of(layers, picture, (*notes, *palette.notes))
    layers, empty = _over(estimate, request, picture, painting, cancel)
    return document_of(layers, picture, (*notes, *palette.notes, *empty))


@dataclass(frozen=True)
class _Estimate:
    """A palette in the order of its layers, and its weights for a picture of any size."""

    palette: Palette
    tessellation: Tessellation
    weights: GuidedMaps
    hidden: F32

    def weights_at(self, colours: F32, band: Bounds, picture: Picture) -> F32:
        """(n, k) of the pixels of ``band``, whose ``colours`` (h, w, 3) they mix."""
        smooth = self.weights.rows(colours, band.y, picture.extent)
        count = smooth.shape[-1]
        return corrected(smooth.reshape(-1, count), colours.reshape(-1, 3), self.tessellation)


def _estimated(palette: Palette, request: DecomposeRequest, picture: Picture) -> _Estimate:
    colours, alpha = small_picture(picture.pixels, WORKING_PIXELS)
    weights = smooth_weights(colours, Tessellation(palette.colours), request.seed or 0)
    order = stacked(palette, weights, alpha, request.settings.text("order"))
    ordered = palette._replace(levels=palette.levels[order])
    weights = np.ascontiguousarray(weights[..., order])
    return _Estimate(
        ordered,
        Tessellation(ordered.colours),
        as_functions(colours, weights),
        hidden_alphas(weights * alpha[..., None]),
    )


def _over(
    estimate: _Estimate,
    request: DecomposeRequest,
    picture: Picture,
    report: ProgressCallback,
    cancel: CancelToken,
) -> tuple[list[Layer], tuple[str, ...]]:
    levels = estimate.palette.levels
    full = full_scale(picture.pixels.dtype)
    canvas = Canvas(len(levels), picture, remainder_mode(request))
    for pixels, colour in zip(canvas.layers, levels, strict=True):
        pixels[..., :3] = colour.astype(pixels.dtype) * (full // 255)

    def work(band: Bounds) -> None:
        colours = to_float(picture.pixels[band.slices][..., :3])
        weights = estimate.weights_at(colours, band, picture)
        hidden = enlarged_rows(estimate.hidden, band.y, band.bottom, picture.extent)
        alphas = ordered_alphas(weights, hidden.reshape(weights.shape))
        target = colours.reshape(-1, 3)
        rounded, shown = rounded_alphas(alphas, estimate.palette.colours, target, full)
        for pixels, alpha in zip(canvas.layers, rounded.T, strict=True):
            pixels[band.slices][..., 3] = alpha.reshape(band.extent.shape)
        canvas.settle(band, shown.reshape(colours.shape))

    in_bands(picture.extent, work, report, cancel)
    titles = [colour_title(colour) for colour in levels]
    roles = [Role.BACKGROUND] + [Role.FLAT_COLOUR] * (len(levels) - 1)
    return canvas.finished(titles, roles, [BlendMode.NORMAL] * len(levels), "palette")


def _added(
    estimate: _Estimate,
    request: DecomposeRequest,
    picture: Picture,
    report: ProgressCallback,
    cancel: CancelToken,
) -> list[Layer]:
    levels = estimate.palette.levels
    full = full_scale(picture.pixels.dtype)
    canvas = Canvas(len(levels) + 1, picture, None)
    for pixels in canvas.layers:
        pixels[..., 3] = full

    def work(band: Bounds) -> None:
        source = picture.pixels[band.slices][..., :3]
        weights = estimate.weights_at(to_float(source), band, picture)
        parts = weights.T[:, :, None] * estimate.palette.colours[:, None]
        wanted = source.reshape(-1, 3).astype(np.float32) if request.exact else None
        for pixels, part in zip(canvas.layers[1:], whole_shares(parts, wanted, full), strict=True):
            pixels[band.slices][..., :3] = part.reshape(source.shape)
        canvas.settle(band, None)

    in_bands(picture.extent, work, report, cancel)
    titles = ["Black", *(colour_title(colour) for colour in levels)]
    roles = [Role.BACKGROUND] + [Role.FLAT_COLOUR] * len(levels)
    modes = [BlendMode.NORMAL] + [BlendMode.LINEAR_DODGE] * len(levels)
    return canvas.finished(titles, roles, modes, "palette")[0]
