"""``layerstudio.matte``: the foreground of a picture as a layer of its own."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from layerstudio.color import F32, U8, full_scale, to_depth
from layerstudio.document import Document, Layer, Provenance, Role
from layerstudio.geometry import Bounds
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.picture import PictureSource, read_picture
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.ops.exact import make_exact
from layerstudio.picture import Picture
from layerstudio.pipelines.api import ERROR_KEY
from layerstudio.pipelines.recording import title_of
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.given_masks import Shown, colours_of, trimap_from
from layerstudio.pipelines.stages.opening import opened
from layerstudio.pipelines.stages.preferring import AUTO, BY_THEMSELVES, preferred
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress

_VISIBLE = 0.5 / 255  # what is less rounds to nothing
_REACH = 3  # pixels around the foreground that its colour may have touched
_MARGIN = 32  # pixels of surroundings that colours are estimated with


@dataclass(frozen=True, kw_only=True)
class MatteStages:
    """Ids of stages; "auto" is the best whose weights are here, or one that needs none.

    ``base`` is a checkpoint of one's own for the matte. ``background`` adds the picture without
    its foreground, filled by ``completer``.
    """

    matter: str = AUTO
    foreground: str = AUTO
    completer: str = AUTO
    base: str = ""
    background: bool = False


def matte(
    image: PictureSource,
    shown: Shown,
    stages: MatteStages,
    *,
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Document:
    """The foreground as a layer cropped to its content; with ``background`` over a filled plate,
    with which it recomposes to the picture.

    Where nothing stands in front the document says so in a note and has no such layer. Raises
    ``InvalidRequest``, ``UnreadableFile``, ``MissingWeights``, ``MismatchedWeights``,
    ``NumericalFailure``, ``OutOfMemory`` and ``Cancelled``.
    """
    report, cancel = progress or ignore_progress, cancel or CancelToken()
    cancel.check()
    picture = read_picture(image, limits or DEFAULT_LIMITS)
    run = _Run(picture, stages, runtime or Runtime(), report, cancel)
    alpha = run.alpha(shown, limits or DEFAULT_LIMITS)
    if not (alpha > _VISIBLE).any():
        return run.document([run.plate(None)] if stages.background else [], "nothing was found")
    front = run.front(alpha)
    layers = [front]
    if stages.background:
        layers = list(make_exact([run.plate(alpha), front], picture.pixels))
    report(Progress("done", 1.0))
    return run.document(layers)


class _Run:
    """One picture on its way; the parts of the job are steps of its progress."""

    def __init__(
        self,
        picture: Picture,
        stages: MatteStages,
        runtime: Runtime,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> None:
        self._picture = picture
        self._rgb: U8 = colours_of(picture)
        self._stages = stages
        self._runtime = runtime
        self._progress = progress
        self._cancel = cancel
        self._used = ""

    def alpha(self, shown: Shown, limits: Limits) -> F32:
        """(h, w), of what the picture shows at all."""
        among = BY_THEMSELVES if shown.is_nothing else ()
        self._used = preferred("matte", self._stages.matter, among)
        decides = "nothing" in stage_class(self._used, "matte").card.takes
        trimap = trimap_from(shown, self._rgb, limits, decides=decides)
        self._progress(Progress("matte", 0.0))
        with opened("matte", self._used, self._runtime, self._stages.base) as stage:
            alpha = stage.alpha(self._rgb, trimap, cancel=self._cancel)
        seen = self._picture.pixels[..., 3] / np.float32(full_scale(self._picture.pixels.dtype))
        return alpha * seen

    def front(self, alpha: F32) -> Layer:
        """The layer of the foreground, in the picture's depth; opaque pixels are the picture's."""
        self._progress(Progress("foreground colours", 0.5))
        content = Bounds.of_mask(alpha > _VISIBLE)
        box = content.padded(_MARGIN).clamped(self._picture.extent)
        matte = alpha[box.slices]
        name = preferred("foreground", self._stages.foreground)
        with opened("foreground", name, self._runtime) as stage:
            colour = stage.colours(
                np.ascontiguousarray(self._rgb[box.slices]), matte, cancel=self._cancel
            )
        own = self._picture.pixels[box.slices]
        pixels = to_depth(np.dstack([colour, matte]), own.dtype)
        opaque = pixels[..., 3] == full_scale(own.dtype)
        pixels[opaque] = own[opaque]
        made_by = Provenance(method=f"matte: {self._used}")
        layer = Layer("Foreground", box, pixels, role=Role.OBJECT, provenance=made_by)
        return layer.cropped_to_content()

    def plate(self, alpha: F32 | None) -> Layer:
        """The picture without its foreground."""
        pixels = self._picture.pixels.copy()
        if alpha is not None:
            wide = np.ones((2 * _REACH + 1,) * 2, np.uint8)
            holes = cv2.dilate((alpha > _VISIBLE).astype(np.uint8), wide) > 0
            pixels[holes, :3] = to_depth(self._filled(holes), pixels.dtype)[holes]
        full = Bounds.full(self._picture.extent)
        return Layer("Background", full, pixels, role=Role.BACKGROUND)

    def _filled(self, holes: np.ndarray) -> U8:
        def filling(report: Progress) -> None:
            self._progress(Progress(report.stage, 0.6 + 0.35 * report.fraction, report.preview))

        name = preferred("complete", self._stages.completer)
        with opened("complete", name, self._runtime) as stage:
            return stage.fill(self._rgb, holes, progress=filling, cancel=self._cancel)

    def document(self, layers: list[Layer], note: str = "") -> Document:
        picture = self._picture
        found = Document(
            picture.extent,
            tuple(layers),
            icc_profile=picture.icc_profile,
            dpi=picture.dpi,
            notes=(*picture.notes, *([f"In front, {note}."] if note else [])),
            metadata=title_of(picture.source),
        )
        if not self._stages.background:
            return found
        error = recomposition_error(found, picture.pixels)
        noted = {**found.metadata, ERROR_KEY: f"{error.max_error:.6f}"}
        return Document(**{**vars(found), "metadata": noted})
