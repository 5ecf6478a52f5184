"""Where the objects of a picture lie: as the user says, or as the method ``flat`` finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from layerstudio.document import Layer, Role
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.picture import Picture
from layerstudio.pipelines.flat.method import FlatMethod
from layerstudio.pipelines.multilayer.published import MOST_FOREGROUNDS
from layerstudio.pipelines.multilayer.remarks import box_remarks, check_count
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest


@dataclass(frozen=True)
class Places:
    """``boxes`` of the foregrounds in the picture's pixels, bottom to top, what they are called,
    and ``notes`` on what was ignored."""

    boxes: tuple[Bounds, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def places_of(
    request: DecomposeRequest, picture: Picture, progress: ProgressCallback, cancel: CancelToken
) -> Places:
    """Raises ``InvalidRequest`` for more than 50 boxes, and where there are none to be found."""
    notes = ["The method 'cld' takes no points; they were ignored."] if request.points else []
    if not request.boxes:
        found = _found(request, picture, progress, cancel)
        return Places(
            tuple(layer.bounds for layer in found),
            tuple(layer.name for layer in found),
            tuple(notes),
        )
    check_count(len(request.boxes), "boxes")
    if request.layers not in ("auto", len(request.boxes) + 1):
        notes.append(
            f"{request.layers} layers were asked for; there is one for each of the "
            f"{len(request.boxes)} boxes, and the background."
        )
    notes += box_remarks(request.boxes, picture.extent)
    canvas = Bounds.full(picture.extent)
    return Places(
        tuple(box.intersection(canvas) for box in request.boxes),
        tuple(f"Layer {number}" for number in range(1, len(request.boxes) + 1)),
        tuple(notes),
    )


def _found(
    request: DecomposeRequest, picture: Picture, progress: ProgressCallback, cancel: CancelToken
) -> Sequence[Layer]:
    """What ``flat`` finds on its background, in the number wanted."""
    most = MOST_FOREGROUNDS + 1
    layers = request.layers if request.layers == "auto" else min(request.layers, most)
    wanted = replace(
        request, method="flat", layers=layers, prompts=(), points=(), exact=False, read_text=False
    )

    def found_with(wanted: DecomposeRequest) -> list[Layer]:
        document = FlatMethod().run(wanted, picture, progress=progress, cancel=cancel)
        return [layer for layer in document.layers if layer.role is not Role.BACKGROUND]

    found = found_with(wanted)
    if len(found) > MOST_FOREGROUNDS:
        found = found_with(replace(wanted, layers=most))
    if not found:
        raise InvalidRequest(
            "No object was found on the picture to take off its background.",
            advice="Say where they are with --box X,Y,W,H.",
        )
    return found
