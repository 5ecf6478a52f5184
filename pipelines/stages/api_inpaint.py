"""``layerstudio.inpaint``: parts of a picture made up anew."""

from __future__ import annotations

from dataclasses import replace

from layerstudio.color import full_scale, to_depth
from layerstudio.io.limits import DEFAULT_LIMITS, Limits
from layerstudio.io.picture import PictureSource, read_picture
from layerstudio.picture import Picture
from layerstudio.pipelines.needs import missing
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.given_masks import colours_of, mask_of
from layerstudio.pipelines.stages.opening import opened
from layerstudio.pipelines.stages.preferring import AUTO, WITH_PROMPT, preferred
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken, ProgressCallback, ignore_progress

_TOUCHED = 0.1  # of full scale: masks have soft edges, and noise where they were saved with loss


def inpaint(
    image: PictureSource,
    mask: PictureSource,
    *,
    prompt: str = "",
    completer: str = AUTO,
    base: str = "",
    seed: int | None = None,
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Picture:
    """``image`` with what is white in ``mask`` made up anew; all other pixels are the image's own,
    bit for bit. What is made up is opaque.

    Raises ``InvalidRequest`` for a mask of nothing, of everything and of another size,
    ``UnreadableFile``, ``MissingWeights``, ``MismatchedWeights``, ``NumericalFailure``,
    ``OutOfMemory`` and ``Cancelled``.
    """
    cancel, limits = cancel or CancelToken(), limits or DEFAULT_LIMITS
    cancel.check()
    picture = read_picture(image, limits)
    holes = mask_of(mask, picture.extent, limits, above=_TOUCHED)
    id = _chosen(completer, prompt)
    with opened("complete", id, runtime or Runtime(), base) as stage:
        filled = stage.fill(
            colours_of(picture), holes, prompt=prompt, seed=seed or 0,
            progress=progress or ignore_progress, cancel=cancel,
        )  # fmt: skip
    pixels = picture.pixels.copy()
    pixels[holes, :3] = to_depth(filled[holes], pixels.dtype)
    pixels[holes, 3] = full_scale(pixels.dtype)
    notes = (*picture.notes, *_notes(id, prompt))
    return replace(picture, pixels=pixels, lossy=False, notes=notes)


def _chosen(completer: str, prompt: str) -> str:
    """What reads a prompt, where there is one and its weights are here."""
    if completer == AUTO and prompt.strip():
        id = preferred("complete", AUTO, WITH_PROMPT)
        if not missing(stage_class(id).card.needs):
            return id
    return preferred("complete", completer)


def _notes(id: str, prompt: str) -> tuple[str, ...]:
    reads = "prompt" in stage_class(id).card.takes
    if not prompt.strip() or reads:
        return ()
    return (f"The prompt was not used: {id} reads none. {' and '.join(WITH_PROMPT)} do.",)
