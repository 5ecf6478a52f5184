"""What is hidden, made up at working size: far things first, then what lies before them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from layerstudio.color import U8
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.amodal import hidden_part
from layerstudio.ops.bleed import bleed
from layerstudio.ops.contact_shadow import ContactShadow, contact_shadow, without_shadow
from layerstudio.ops.trimap import band_radius
from layerstudio.pipelines.instances.ordering import Stack
from layerstudio.pipelines.instances.working import Working
from layerstudio.pipelines.stages.contracts import Completer, Mask, Segment
from layerstudio.progress import CancelToken, Progress, ProgressCallback

_AROUND = 24  # pixels of made-up surroundings in which an object is completed
_RIM = 2  # pixels beside an outline that show both sides
_LEAST_KNOWN = 16  # pixels of an object; fewer say nothing about what is hidden of it


@dataclass(frozen=True, eq=False)
class Piece:
    """One object at working size: what is visible of it, where it is ``hidden`` (h, w of
    ``place``) and what it looks like there, in ``colours`` (h, w, 3); ``place`` holds both."""

    segment: Segment
    place: Bounds
    hidden: Mask
    colours: U8

    @property
    def visible(self) -> Mask:
        """(h, w) of ``place``."""
        mask = np.zeros(self.place.extent.shape, bool)
        mask[self.segment.bounds.relative_to(self.place).slices] = self.segment.mask
        return mask


@dataclass(frozen=True, eq=False)
class Completed:
    """``pieces`` from far to near; ``plate`` (h, w, 3) is the ground without them and without
    their ``shadows``; each of those is of the piece with that index."""

    pieces: tuple[Piece, ...]
    plate: U8
    shadows: tuple[tuple[int, ContactShadow], ...]


@dataclass(frozen=True)
class Filling:
    """How holes are filled; ``prompt`` says what the background shows."""

    completer: Completer
    seed: int
    prompt: str
    progress: ProgressCallback
    cancel: CancelToken

    def fill(self, rgb: U8, holes: Mask, index: int, prompt: str, stage: str) -> U8:
        """``rgb`` (h, w, 3) without ``holes``; where nothing is known all is its mean colour."""
        self.cancel.check()
        if not holes.any():
            return rgb
        if holes.all():
            return np.broadcast_to(np.rint(rgb.mean((0, 1))), rgb.shape).astype(np.uint8)

        def watch(report: Progress) -> None:
            self.progress(replace(report, stage=stage))

        return self.completer.fill(
            rgb, holes, prompt=prompt, seed=self.seed + index, progress=watch, cancel=self.cancel
        )


def complete(
    working: Working, stack: Stack, filling: Filling, *, shadows: bool, labels: tuple[str, ...]
) -> Completed:
    """``labels`` are prompts for the pieces' hidden parts. Progress goes from 0 to 1."""
    count = len(stack.segments) + 1
    masks = [segment.on_canvas(working.extent) for segment in stack.segments]
    objects = np.logical_or.reduce(masks)
    lit, cast = (working.rgb, ())
    if shadows:
        lit, cast = _shadows(working, masks, objects, filling.cancel)
    holes = _dilated(objects, 1 + max(_band(segment) for segment in stack.segments))
    ground = _sharing(filling, 0, count)
    plate = ground.fill(lit, holes, 0, filling.prompt, "completing the background")
    pieces = []
    for index, segment in enumerate(stack.segments):
        own = _sharing(filling, index + 1, count)
        hiding, reach = _hiding(stack, index, masks, working.extent)
        hidden = hidden_part(masks[index], hiding, reach) if hiding.any() else hiding
        pieces.append(_piece(working, segment, hidden, hiding, index, labels[index], own))
    return Completed(tuple(pieces), plate, cast)


def _sharing(filling: Filling, index: int, count: int) -> Filling:
    """Its progress is the share of one of ``count`` holes."""

    def watch(report: Progress) -> None:
        filling.progress(replace(report, fraction=(index + report.fraction) / count))

    return replace(filling, progress=watch)


def _shadows(
    working: Working, masks: list[Mask], objects: Mask, cancel: CancelToken
) -> tuple[U8, tuple[tuple[int, ContactShadow], ...]]:
    """The picture with the ground's light given back, and what was taken away from it. Near things
    first: one's shadow is not another's too."""
    lit, found = working.rgb, []
    unseen = objects | ~working.seen
    for index in reversed(range(len(masks))):
        cancel.check()
        shadow = contact_shadow(lit, masks[index], unseen)
        if shadow is not None:
            lit = without_shadow(lit, shadow)
            found.append((index, shadow))
    return lit, tuple(reversed(found))


def _hiding(stack: Stack, index: int, masks: list[Mask], extent: Extent) -> tuple[Mask, int]:
    """The pixels of what lies right before a piece, and how far under it the piece must reach."""
    fronts = [front for behind, front in stack.touching if behind == index]
    if not fronts:
        return np.zeros(extent.shape, bool), 0
    hiding = np.logical_or.reduce([masks[front] for front in fronts])
    return hiding, 1 + max(_band(stack.segments[front]) for front in fronts)


def _band(segment: Segment) -> int:
    return int(np.ceil(band_radius(segment.area, 1.0, segment.score)))


def _piece(
    working: Working,
    segment: Segment,
    hidden: Mask,
    hiding: Mask,
    index: int,
    label: str,
    filling: Filling,
) -> Piece:
    place = segment.bounds.union(Bounds.of_mask(hidden))
    around = place.padded(_AROUND).clamped(working.extent)
    rgb = working.rgb[around.slices]
    if hidden.any():
        visible = segment.on_canvas(working.extent)[around.slices]
        beside = _dilated(hiding, _band(segment))[around.slices]
        known = _eroded(visible, _RIM) & ~beside
        if np.count_nonzero(known) < _LEAST_KNOWN:
            known = visible
        alone = _continued(rgb, known)
        holes = (hidden[around.slices] | (visible & ~known)) & ~known
        rgb = filling.fill(alone, holes, index + 1, label, f"completing {label or 'an object'}")
    inner = place.relative_to(around).slices
    return Piece(segment, place, hidden[place.slices].copy(), rgb[inner].copy())


def _continued(rgb: U8, known: Mask) -> U8:
    """The object alone: around what is known of it, its nearest colours go on, so that nothing
    else is taken for a part of it."""
    alpha = known.astype(np.uint8)[..., None] * np.uint8(255)
    reach = max(1, sum(rgb.shape[:2]))
    continued = bleed(np.concatenate([rgb, alpha], axis=2), reach)
    return np.ascontiguousarray(continued[..., :3], np.uint8)


def _dilated(mask: Mask, radius: int) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    return cv2.dilate(mask.view(np.uint8), disc) > 0


def _eroded(mask: Mask, radius: int) -> Mask:
    """The picture's border is no outline."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    return cv2.erode(mask.view(np.uint8), disc) > 0
