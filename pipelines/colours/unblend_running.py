"""A picture taken apart into layers with blend modes.

Alphas are a function of colour, solved once for the colours that the picture has; then they follow
the picture's edges, and every pixel's colours are solved for the alphas that it got.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerstudio.color import F32, full_scale, to_float
from layerstudio.document import Document, Role
from layerstudio.geometry import Bounds
from layerstudio.ops.blend_slopes import shown_colour, shown_with_slopes
from layerstudio.ops.colour_table import ColourTable
from layerstudio.ops.guided_maps import GuidedMaps
from layerstudio.ops.soft_unmixing import (
    LayerModels,
    fitted_colours,
    is_poor,
    mended_alphas,
    unmixed_alphas,
)
from layerstudio.picture import Picture
from layerstudio.pipelines.colours.naming import colour_title
from layerstudio.pipelines.colours.recipes import Recipe, recipe_for
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

_NOTED, _SOLVED = 0.1, 0.4  # shares of a run
_SMALL_PIXELS = 384 * 384  # on which alphas are smoothed
_EPSILON = 1e-4  # Koyama and Goto 2018, of the guided filter
_COLOUR_STEPS = 3
_PASSES = 2  # of evening out between colours 8 levels apart


def run(
    request: DecomposeRequest,
    picture: Picture,
    *,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> Document:
    """The document of ``picture``: base colours, shade and light, or the layers asked for."""

    def step(stage: str, fraction: float) -> None:
        cancel.check()
        progress(Progress(stage, fraction))

    def share(start: float, end: float) -> ProgressCallback:
        return lambda report: progress(
            Progress(report.stage, start + (end - start) * report.fraction)
        )

    if is_trivial(request, picture):
        return whole(request, picture, "unblend")
    step("colour models", 0.0)
    recipe = recipe_for(request, picture)
    small, _ = small_picture(picture.pixels, _SMALL_PIXELS)
    table = _noted(picture, small, share(0.0, _NOTED), cancel)
    step("alphas", _NOTED)
    table.solve(lambda colours: unmixed_alphas(colours, recipe.models, cancel.check))
    step("layers", _SOLVED)
    table = table.evened(_PASSES)
    alphas = _Alphas(table, _smoothed(table, small, request))
    return _painted(recipe, alphas, request, picture, share(_SOLVED, 1.0), cancel)


@dataclass(frozen=True)
class _Alphas:
    table: ColourTable
    smooth: GuidedMaps | None

    def at(self, colours: F32, band: Bounds, picture: Picture) -> F32:
        """(k, n) of the pixels of ``band``, whose ``colours`` are (h, w, 3)."""
        if self.smooth is None:
            return self.table.at(colours.reshape(-1, 3)).T.copy()
        found = self.smooth.rows(colours, band.y, picture.extent)
        return np.clip(found, 0, 1).reshape(-1, found.shape[-1]).T.copy()


def _noted(
    picture: Picture, small: F32, report: ProgressCallback, cancel: CancelToken
) -> ColourTable:
    """A table that knows which colours the picture has, at full size and small."""
    table = ColourTable()
    table.note(small.reshape(-1, 3))

    def work(band: Bounds) -> None:
        pixels = picture.pixels[band.slices]
        table.note(to_float(pixels[..., :3]).reshape(-1, 3))

    in_bands(picture.extent, work, report, cancel)
    return table


def _smoothed(table: ColourTable, small: F32, request: DecomposeRequest) -> GuidedMaps | None:
    share = request.settings.number("smoothing")
    radius = round(share * min(small.shape[:2]))
    if radius == 0:
        return None
    alphas = table.at(small.reshape(-1, 3)).reshape(*small.shape[:2], -1)
    return GuidedMaps(small, alphas, radius=radius, epsilon=_EPSILON)


def _painted(
    recipe: Recipe,
    alphas: _Alphas,
    request: DecomposeRequest,
    picture: Picture,
    report: ProgressCallback,
    cancel: CancelToken,
) -> Document:
    models = recipe.models
    full = full_scale(picture.pixels.dtype)
    canvas = Canvas(len(models.modes), picture, remainder_mode(request))

    def work(band: Bounds) -> None:
        colours = to_float(picture.pixels[band.slices][..., :3])
        target = np.ascontiguousarray(colours.reshape(-1, 3).T)
        alpha, found = _settled(target, alphas.at(colours, band, picture), models)
        levels = np.rint(alpha * full)
        alpha = _unit(levels, full)
        whole_colours = _rounded(target, alpha, found, models, full)
        for pixels, own, level in zip(canvas.layers, whole_colours, levels, strict=True):
            part = pixels[band.slices]
            part[..., :3] = own.T.reshape(colours.shape)
            part[..., 3] = level.reshape(colours.shape[:2])
        shown = shown_colour(models.modes, alpha, _unit(whole_colours, full))
        canvas.settle(band, shown.T.reshape(colours.shape))

    in_bands(picture.extent, work, report, cancel)
    titles = [_title(*layer) for layer in zip(models.means, recipe.roles, strict=True)]
    layers, notes = canvas.finished(titles, recipe.roles, models.modes, "unblend")
    return document_of(layers, picture, (*ignored(request), *recipe.notes, *notes))


def _settled(target: F32, alphas: F32, models: LayerModels) -> tuple[F32, F32]:
    """``alphas`` (k, n), moved where no likely colours show the ``target`` (3, n) with them, and
    the colours (k, 3, n) that do."""
    alphas[0] = 1
    colours = fitted_colours(target, alphas, models, _COLOUR_STEPS)
    bad = is_poor(target, alphas, colours, models)
    if bad.any():
        wanted = np.ascontiguousarray(target[:, bad])
        mended = mended_alphas(wanted, alphas[:, bad], models)
        alphas[:, bad] = mended
        colours[:, :, bad] = fitted_colours(wanted, mended, models, _COLOUR_STEPS)
    return alphas, colours


def _rounded(target: F32, alpha: F32, colours: F32, models: LayerModels, full: int) -> F32:
    """``colours`` (k, 3, n) in whole levels. What rounding costs is made up in the layer on which
    the shown colour depends most, channel by channel."""
    levels = np.rint(colours * full)
    shown = shown_with_slopes(models.modes, alpha, _unit(levels, full))
    most = np.abs(shown.by_colour).argmax(axis=0)[None]
    slope = np.take_along_axis(shown.by_colour, most, 0)[0]
    missing = (target - shown.colour) * full
    change = np.divide(missing, slope, out=np.zeros_like(missing), where=np.abs(slope) > 0.05)
    mended = np.take_along_axis(levels, most, 0)[0] + np.rint(change)
    np.put_along_axis(levels, most, np.clip(mended, 0, full)[None], 0)
    return levels


def _unit(levels: F32, full: int) -> F32:
    return np.asarray(levels / full, np.float32)


def _title(mean: F32, role: Role) -> str:
    match role:
        case Role.SHADOW:
            return "Shade"
        case Role.HIGHLIGHT:
            return "Light"
        case _:
            return colour_title((mean * 255).tolist())
