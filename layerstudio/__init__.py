"""LayerStudio: layered images from text and from flat pictures.

This module is the public face. Importing it loads nothing heavy: names are fetched when they are
first used, and it is the only file of the core that may reach into the pipelines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any, Unpack

# Python started in a checkout finds this folder before the installed package, in which alone
# ``layerstudio.pipelines`` and the other mapped folders lie; both make up the package then.
__path__ = extend_path(__path__, __name__)

if TYPE_CHECKING:
    from layerstudio.document import (
        BlendMode,
        Document,
        Group,
        Layer,
        Mask,
        Provenance,
        Role,
        TextContent,
    )
    from layerstudio.errors import (
        Cancelled,
        InvalidDocument,
        InvalidRequest,
        LayerStudioError,
        MismatchedWeights,
        MissingWeights,
        NumericalFailure,
        OutOfMemory,
        UnreadableFile,
        UnwritableFile,
    )
    from layerstudio.generate_request import Adapter, GenerateRequest, InputPicture
    from layerstudio.geometry import Bounds, Extent
    from layerstudio.io.limits import Limits
    from layerstudio.io.picture import PictureSource
    from layerstudio.picture import Picture
    from layerstudio.pipelines.generate_options import GenerateOptions
    from layerstudio.pipelines.methods import MethodCard
    from layerstudio.pipelines.runtime import Runtime
    from layerstudio.pipelines.stages.contracts import Segment
    from layerstudio.progress import CancelToken, Progress, ProgressCallback
    from layerstudio.requests import DecomposeRequest, LayerCount
    from layerstudio.settings import SettingValue

__all__ = [
    "Adapter",
    "BlendMode",
    "Bounds",
    "CancelToken",
    "Cancelled",
    "DecomposeRequest",
    "Document",
    "Extent",
    "GenerateRequest",
    "Group",
    "InputPicture",
    "InvalidDocument",
    "InvalidRequest",
    "Layer",
    "LayerStudioError",
    "Limits",
    "Mask",
    "MethodCard",
    "MismatchedWeights",
    "MissingWeights",
    "NumericalFailure",
    "OutOfMemory",
    "Picture",
    "Progress",
    "Provenance",
    "Role",
    "Runtime",
    "Segment",
    "TextContent",
    "UnreadableFile",
    "UnwritableFile",
    "again",
    "decompose",
    "generate",
    "generate_many",
    "inpaint",
    "matte",
    "methods",
    "open",
    "segment",
    "split",
]

_HOMES = {
    "layerstudio.document": "BlendMode Document Group Layer Mask Provenance Role TextContent",
    "layerstudio.errors": "Cancelled InvalidDocument InvalidRequest LayerStudioError"
    " MismatchedWeights MissingWeights NumericalFailure OutOfMemory UnreadableFile UnwritableFile",
    "layerstudio.generate_request": "Adapter GenerateRequest InputPicture",
    "layerstudio.geometry": "Bounds Extent",
    "layerstudio.io.limits": "Limits",
    "layerstudio.picture": "Picture",
    # diffusers looks the parts of a saved pipeline up by name on their package.
    "layerstudio.models.multilayer_adapter": "MultiLayerAdapter",
    "layerstudio.models.multilayer_decoder": "MultiLayerDecoder",
    "layerstudio.models.multilayer_dit": "MultiLayerTransformer",
    "layerstudio.models.transparent_vae": "TransparencyDecoder TransparencyEncoder",
    "layerstudio.pipelines.methods": "MethodCard",
    "layerstudio.pipelines.runtime": "Runtime",
    "layerstudio.pipelines.stages.contracts": "Segment",
    "layerstudio.progress": "CancelToken Progress",
    "layerstudio.requests": "DecomposeRequest",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'layerstudio' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__


def decompose(
    image: PictureSource,
    *,
    method: str | None = None,
    layers: LayerCount = "auto",
    boxes: Sequence[Bounds | tuple[int, int, int, int]] = (),
    points: Sequence[tuple[int, int]] = (),
    excluded_points: Sequence[tuple[int, int]] = (),
    prompts: Sequence[str] = (),
    settings: Mapping[str, SettingValue] | None = None,
    exact: bool = True,
    seed: int | None = None,
    read_text: bool | None = None,
    languages: Sequence[str] = ("eng",),
    base: str | None = None,
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Document:
    """Take a flat picture apart into named, ordered layers.

    ``image`` is a path, the bytes of a file, a PIL image or an array (h, w, 1..4). ``layers``
    counts the background. ``settings`` are what the method declares in its card (``methods()``).
    With ``exact`` the layers recompose to the picture within 1/255; the measured error is in
    ``document.metadata["recomposition_max_error"]``. See ``DecomposeRequest`` for the other
    options, which are stored in ``document.request``.

    Raises ``UnreadableFile``, ``InvalidRequest``, ``MissingWeights``, ``OutOfMemory`` and, once
    ``cancel.cancel()`` was called, ``Cancelled``.
    """
    from layerstudio.pipelines.api import decompose as run
    from layerstudio.requests import DecomposeRequest
    from layerstudio.settings import Settings

    request = DecomposeRequest(
        method=method,
        layers=layers,
        boxes=tuple(boxes),  # pyright: ignore[reportArgumentType]  # the request makes Bounds
        points=tuple(points),
        excluded_points=tuple(excluded_points),
        prompts=tuple(prompts),
        exact=exact,
        seed=seed,
        read_text=read_text,
        languages=tuple(languages),
        base=base,
        settings=Settings(settings or {}),
    )
    return run(image, request, runtime=runtime, limits=limits, progress=progress, cancel=cancel)


def generate(prompt: str = "", **options: Unpack[GenerateOptions]) -> Document:
    """Make layers from text.

    ``prompt`` describes the picture, ``foregrounds`` one layer each, ``background`` what is behind
    them. ``method`` is one of ``methods()``, ``mode`` one of its ways of working; pictures to
    start from are ``image``, ``foreground_image``, ``background_image``, ``control_image`` and
    ``style_image``. ``runtime`` says where and in which precision to compute; it does not belong
    to the recipe. See ``GenerateRequest`` for the other options, which are stored, resolved, in
    ``document.request``: ``again(document)`` gives the same pixels.

    Raises ``InvalidRequest``, ``UnreadableFile``, ``MissingWeights`` (its advice names the command
    that gets them), ``MismatchedWeights``, ``NumericalFailure``, ``OutOfMemory`` and, once
    ``cancel.cancel()`` was called, ``Cancelled``.
    """
    return generate_many(prompt, 1, **options)[0]


def generate_many(
    prompt: str = "", count: int = 4, **options: Unpack[GenerateOptions]
) -> tuple[Document, ...]:
    """``generate`` with the seeds ``seed``, ``seed + 1`` and so on; weights are loaded once."""
    from layerstudio.pipelines.generate_options import understood
    from layerstudio.pipelines.generating import generate as run

    request, pictures, how = understood(prompt, count, options)
    return run(request, pictures, **how)


def again(made: Document | str | Path, **changes: Any) -> Document:
    """Run the recipe of a document or layered file again: equal pixels, unless ``changes`` differ.

    ``changes`` are fields of the recipe (``seed=7``), or ``runtime``, ``limits``, ``progress`` and
    ``cancel``. A picture that it started from is read again and must be the same one; if it was
    not a file, ``pictures={"image": ...}`` gives it. Raises ``InvalidRequest`` for a document
    without a recipe, and whatever ``decompose`` and ``generate`` raise.
    """
    from layerstudio.pipelines.rerunning import again as run

    return run(made, **changes)[0]


def split(document: Document, layer: str | Sequence[int], **options: Any) -> Document:
    """Take one layer of a document apart again: a group of its parts takes its place.

    ``layer`` is a name, a path of child indices such as ``(0, 2)``, or that path as ``"0.2"``.
    ``options`` are those of ``decompose``. The document looks the same as before. Raises
    ``InvalidRequest`` for a layer that is not there, a group or an empty layer.
    """
    from layerstudio.pipelines.split import split as run

    return run(document, layer, **options)


def segment(
    image: PictureSource,
    *,
    boxes: Sequence[Bounds | tuple[int, int, int, int]] = (),
    points: Sequence[tuple[int, int]] = (),
    excluded_points: Sequence[tuple[int, int]] = (),
    prompts: Sequence[str] = (),
    segmenter: str = "auto",
    detector: str = "auto",
    base: str = "",
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> tuple[Segment, ...]:
    """The objects of a picture as masks at its own size.

    Each box is an object, which points inside of it make clearer; so is each point in no box, and
    each thing that a prompt names. With nothing given it is everything, the largest first.
    ``segmenter`` and ``detector`` are ids of stages, "auto" the best whose weights are here;
    ``base`` is a checkpoint of one's own for the segmenter. Where nothing is found, it is empty.

    Raises ``UnreadableFile``, ``InvalidRequest`` for hints that contradict each other,
    ``MissingWeights`` (its advice names the command that gets them), ``MismatchedWeights``,
    ``OutOfMemory`` and, once ``cancel.cancel()`` was called, ``Cancelled``.
    """
    from layerstudio.geometry import Bounds
    from layerstudio.pipelines.segmenting import Objects
    from layerstudio.pipelines.segmenting import segment as run

    wanted = Objects(
        boxes=tuple(Bounds(*box) for box in boxes),
        points=tuple(points),
        excluded_points=tuple(excluded_points),
        prompts=tuple(prompts),
        segmenter=segmenter,
        detector=detector,
        base=base,
    )
    return run(image, wanted, runtime=runtime, limits=limits, progress=progress, cancel=cancel)


def matte(
    image: PictureSource,
    *,
    trimap: PictureSource | None = None,
    mask: PictureSource | None = None,
    box: Bounds | tuple[int, int, int, int] | None = None,
    background: bool = False,
    matter: str = "auto",
    foreground: str = "auto",
    completer: str = "auto",
    base: str = "",
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Document:
    """The foreground of a picture as a layer with soft alpha and its own colours.

    At most one of ``trimap`` (black background, white foreground, grey open), ``mask`` and ``box``
    says what the foreground is; without any, a network that decides by itself is needed. With
    ``background`` the picture without it lies beneath, filled by ``completer``, and both recompose
    to the picture within 1/255. ``matter``, ``foreground`` and ``completer`` are ids of stages,
    "auto" the best whose weights are here, or one that needs none; ``base`` is a checkpoint of
    one's own for the matte. Where nothing is found, a note says so and the layer is missing.

    Raises ``InvalidRequest`` for a mask of nothing or of everything, a trimap without foreground or
    open pixels, a box outside, and whatever ``decompose`` raises.
    """
    from layerstudio.pipelines.stages.api_matte import MatteStages
    from layerstudio.pipelines.stages.api_matte import matte as run
    from layerstudio.pipelines.stages.given_masks import Shown

    stages = MatteStages(
        matter=matter, foreground=foreground, completer=completer, base=base, background=background
    )
    shown = Shown(trimap=trimap, mask=mask, box=box)
    return run(
        image, shown, stages, runtime=runtime, limits=limits, progress=progress, cancel=cancel
    )


def inpaint(
    image: PictureSource,
    mask: PictureSource,
    *,
    prompt: str = "",
    completer: str = "auto",
    base: str = "",
    seed: int | None = None,
    runtime: Runtime | None = None,
    limits: Limits | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Picture:
    """A picture with what is white in ``mask`` made up anew; all other pixels are unchanged.

    ``completer`` is the id of a stage, "auto" the best whose weights are here: one that reads a
    ``prompt`` where there is one, else LaMa, else the fill that needs no weights. Raises
    ``InvalidRequest`` for a mask of nothing, of everything or of another size, and whatever
    ``decompose`` raises.
    """
    from layerstudio.pipelines.stages.api_inpaint import inpaint as run

    return run(
        image, mask, prompt=prompt, completer=completer, base=base, seed=seed,
        runtime=runtime, limits=limits, progress=progress, cancel=cancel,
    )  # fmt: skip


def open(path: str | Path) -> Document:
    """Read a layered file (PSD, PSB, ORA, TIFF, PNG layers); raises ``UnreadableFile``."""
    from layerstudio.io import open_document

    return open_document(path)


def methods() -> tuple[MethodCard, ...]:
    """What each method does, needs and takes."""
    from layerstudio.pipelines.methods import cards

    return cards()
