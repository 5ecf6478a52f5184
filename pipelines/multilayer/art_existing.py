"""Layers of an existing document made anew among the others, which stay as they are to the bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from layerstudio.document import Document, Group, Layer, Node, NodePath, Provenance, Role
from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import GenerateRequest
from layerstudio.geometry import Bounds
from layerstudio.io.files import open_document
from layerstudio.pipelines.generating import require_same_document
from layerstudio.pipelines.multilayer.art_order import (
    BACKGROUND,
    COMPOSITE,
    FIRST,
    ArtOrder,
    Made,
)
from layerstudio.pipelines.multilayer.published import MOST_FOREGROUNDS
from layerstudio.pipelines.recording import signed
from layerstudio.pipelines.split import find_node
from layerstudio.pipelines.stacking import BLENDED_NAME, DIFFERENCE_KEY


@dataclass(frozen=True, eq=False)
class Existing:
    """A document as the network sees it.

    ``shown`` are the paths of visible layers bottom to top, and of hidden ones to be made anew;
    ``anew`` those of them that are made anew. ``background`` is the path of the lowest where that
    fills the canvas.
    """

    document: Document
    sha256: str
    shown: tuple[NodePath, ...]
    anew: frozenset[NodePath]
    background: NodePath | None

    @property
    def foregrounds(self) -> tuple[NodePath, ...]:
        return tuple(path for path in self.shown if path != self.background)

    @property
    def foregrounds_anew(self) -> tuple[NodePath, ...]:
        return tuple(path for path in self.foregrounds if path in self.anew)

    def layer(self, path: NodePath) -> Layer:
        node = self.document.at(path)
        assert isinstance(node, Layer), path
        return node


def read_existing(request: GenerateRequest) -> Existing:
    """The document of a request, with what is to be made anew.

    Raises ``UnreadableFile``, and ``InvalidRequest`` for names that are not there, for nothing to
    make, for more layers than the network has and for a file that is no longer the one recorded.
    """
    assert request.document is not None
    document = open_document(request.document.source)
    sha256 = document_sha256(document)
    require_same_document(request.document, sha256)
    visible = tuple(_visible(document.children, ()))
    if request.regenerate:
        anew = _leaves(document, request.regenerate)
    else:
        anew = frozenset(visible) - _leaves(document, request.locked)
    if not anew:
        raise InvalidRequest(
            "Every layer of the document is to be kept, so there is nothing to make.",
            advice="Leave one out of those that are kept.",
        )
    shown = tuple(
        path for path, node in document.walk()
        if isinstance(node, Layer) and (path in visible or path in anew)
    )  # fmt: skip
    lowest = document.at(shown[0])
    assert isinstance(lowest, Layer)
    background = shown[0] if _fills(lowest, document) else None
    existing = Existing(document, sha256, shown, anew, background)
    if len(existing.foregrounds) > MOST_FOREGROUNDS:
        raise InvalidRequest(
            f"The document shows {len(existing.foregrounds)} layers on its background, more than "
            f"the {MOST_FOREGROUNDS} that the model knows.",
            advice="Merge or hide some.",
        )
    return existing


def check_existing(request: GenerateRequest, existing: Existing) -> None:
    """Raise ``InvalidRequest`` unless texts and boxes are one for each layer made anew."""
    wanted = len(existing.foregrounds_anew)
    for name, given in (("boxes", request.boxes), ("foregrounds", request.foregrounds)):
        if given and len(given) != wanted:
            raise InvalidRequest(
                f"{len(given)} {name} for {wanted} layers that are made anew.",
                advice="Give one for each, bottom to top, or none.",
            )
    if request.extent not in (None, existing.document.extent):
        raise InvalidRequest(
            f"The document is {existing.document.extent}, not {request.extent}.",
            advice="Leave out the size.",
        )
    if request.layout or request.planner or request.layers != "auto":
        raise InvalidRequest("A document that is there already is not laid out anew.")
    for path, box in _new_boxes(request, existing).items():
        if box.clamped(existing.document.extent).is_empty:
            raise InvalidRequest(
                f"{existing.layer(path).name!r} has no pixel on the canvas.",
                advice="Give it a box.",
            )


def edited(request: GenerateRequest, existing: Existing) -> ArtOrder:
    """The order for one variant of the document."""
    document = existing.document
    canvas = Bounds.full(document.extent)
    places = _new_boxes(request, existing)
    prompts = _prompts(request, existing)
    boxes: list[Bounds] = []
    numbers: dict[NodePath, int] = {}
    if existing.background is not None:
        numbers[existing.background] = BACKGROUND
    for path in existing.foregrounds:
        box = places.get(path, existing.layer(path).bounds).intersection(canvas)
        if not box.is_empty:
            numbers[path] = FIRST + len(boxes)
            boxes.append(box)
    anew = {number: path for path, number in numbers.items() if path in existing.anew}
    return ArtOrder(
        extent=document.extent,
        prompt=request.prompt.strip() or _whole(existing),
        boxes=tuple(boxes),
        seed=request.seed or 0,
        names={COMPOSITE: "Composite"}
        | {number: existing.layer(path).name for path, number in numbers.items()},
        prompts={n: prompts[path] for n, path in anew.items() if prompts.get(path)},
        request=request.to_dict(),
        finished=_Finished(existing, anew, request.method or ""),
        given={
            number: existing.layer(path)
            for path, number in numbers.items()
            if path not in existing.anew
        },
    )


def document_sha256(document: Document) -> str:
    """Hash of the canvas and of every node's name, place, settings and pixels."""
    digest = hashlib.sha256(repr(tuple(document.extent)).encode())
    for path, node in document.walk():
        settings = (path, node.name, node.opacity, str(node.blend), node.visible, node.clipped)
        digest.update(repr((*settings, tuple(node.bounds))).encode())
        if isinstance(node, Layer):
            digest.update(node.pixels.tobytes())
        if node.mask is not None:
            digest.update(node.mask.pixels.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Finished:
    """The document with what was made in the places of what it replaces."""

    existing: Existing
    anew: Mapping[int, NodePath]
    method: str

    def __call__(self, made: Made) -> Document:
        given = Provenance(self.method, source_sha256=self.existing.sha256)
        document = signed(self.existing.document, lambda known: known or given)
        for number, path in self.anew.items():
            old = self.existing.layer(path)
            new = replace(
                made[number],
                name=old.name,
                role=Role.OBJECT if old.role is Role.TEXT else old.role,
                visible=old.visible,
                locked=old.locked,
                clipped=old.clipped,
            )
            document = document.replaced(path, new)
        for path, node in document.walk():
            if isinstance(node, Layer) and _is_reference(node):
                document = document.replaced(
                    path, replace(made[COMPOSITE], name=node.name, visible=False, locked=True)
                )
        known = {k: v for k, v in document.metadata.items() if k != DIFFERENCE_KEY}
        return replace(document, metadata=known, request=None)


def _visible(nodes: Sequence[Node], path: NodePath) -> Iterator[NodePath]:
    for index, node in enumerate(nodes):
        if not node.visible:
            continue
        if isinstance(node, Group):
            yield from _visible(node.children, (*path, index))
        elif not node.is_empty:
            yield (*path, index)


def _leaves(document: Document, names: Sequence[str]) -> frozenset[NodePath]:
    """The paths of the layers named, and of those in the groups named."""
    found = [find_node(document, name) for name in names]
    return frozenset(
        path
        for path, node in document.walk()
        if isinstance(node, Layer) and any(path[: len(start)] == start for start in found)
    )


def _fills(layer: Layer, document: Document) -> bool:
    if layer.role is Role.BACKGROUND:
        return True
    whole = layer.bounds.contains(Bounds.full(document.extent))
    return whole and layer.role is not Role.TEXT and layer.pixels[..., 3].min() > 0


def _is_reference(layer: Layer) -> bool:
    return layer.name == BLENDED_NAME and not layer.visible


def _new_boxes(request: GenerateRequest, existing: Existing) -> dict[NodePath, Bounds]:
    """Where the foregrounds made anew lie: where they lay, unless boxes are given."""
    paths = existing.foregrounds_anew
    boxes = request.boxes or tuple(existing.layer(path).bounds for path in paths)
    return dict(zip(paths, boxes, strict=True))


def _prompts(request: GenerateRequest, existing: Existing) -> dict[NodePath, str]:
    """The text given for a layer, else the one that it was made by."""
    known = {
        path: provenance.prompt or ""
        for path in existing.anew
        if (provenance := existing.layer(path).provenance) is not None
    }
    known |= zip(existing.foregrounds_anew, request.foregrounds, strict=False)
    if request.background and existing.background is not None:
        known[existing.background] = request.background
    return known


def _whole(existing: Existing) -> str:
    """What the document was made by, else what its layers are called."""
    made_by = existing.document.request or {}
    known = str(made_by.get("prompt") or "").strip()
    return known or ", ".join(existing.layer(path).name for path in existing.shown)
