"""From the plain values of a PSD file to a document, with a note for each thing left behind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import Pixels, full_scale, to_float, to_u8, to_u16
from layerstudio.document import (
    BlendMode,
    Document,
    Group,
    Layer,
    Mask,
    Node,
    Role,
)
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import psd_parse, psd_resources, psd_unpack, recipe
from layerstudio.io.limits import Limits
from layerstudio.io.psd_color import Colors
from layerstudio.io.psd_format import BLENDS, MAX_COORDINATE, Channel
from layerstudio.io.psd_parse import Data, RawFile, RawMask, RawNode

_DEFAULT_DPI = 72.0


def read(path: Path, limits: Limits) -> Document:
    """Open a PSD or PSB to pixels; see ``layerstudio.io.psd.read``."""
    raw = psd_parse.parse(path, limits)
    document = _Reader(raw, limits).document()
    return document if raw.xmp is None else recipe.apply(recipe.from_xmp(raw.xmp), document)


@dataclass
class _Reader:
    """Builds one document; the notes, whether a layer was left out, and the pixels still allowed
    are what it must remember on the way."""

    raw: RawFile
    limits: Limits
    notes: list[str] = field(default_factory=list)
    leaves_out: bool = False

    def __post_init__(self) -> None:
        raw = self.raw
        self.colors = Colors(raw.mode, raw.bits, raw.icc, raw.palette)
        self.pixels_left = self.limits.total_pixels

    def document(self) -> Document:
        raw = self.raw
        children = self._nodes(raw.nodes)
        if self._is_only_flat(children):
            if raw.nodes:
                self.notes.append("No layer has pixels; the flattened picture was opened instead.")
            children = (self._merged_layer(),)
        icc = self.colors.icc
        return Document(
            raw.extent,
            children,
            icc_profile=None if icc == psd_resources.srgb_profile() else icc,
            dpi=raw.dpi if 0 < raw.dpi < 1e6 else _DEFAULT_DPI,
            notes=(*self.colors.notes, *self.notes),
        )

    def _nodes(self, raws: tuple[RawNode, ...]) -> tuple[Node, ...]:
        """Siblings, bottom to top. What was clipped to a layer that is left out stands alone."""
        nodes: list[Node] = []
        base_is_missing = False
        for raw in raws:
            node = self._node(raw)
            if not raw.clipped:
                base_is_missing = node is None
            self.leaves_out |= node is None
            if node is not None:
                loose = raw.clipped and base_is_missing
                nodes.append(replace(node, clipped=False) if loose else node)
        return tuple(nodes)

    def _node(self, raw: RawNode) -> Node | None:
        self.limits.check_name(raw.name)
        self._note_look(raw)
        if raw.children is not None:
            return self._group(raw)
        if raw.is_adjustment:
            self.notes.append(f"Layer {raw.name!r} is an adjustment layer; it was left out.")
            return None
        layer = self._layer(raw)
        if raw.is_fill and layer.is_empty:
            return self._fill(raw, layer)
        if raw.kind in _KEPT_AS_PIXELS:
            self.notes.append(f"{_KEPT_AS_PIXELS[raw.kind]} {raw.name!r} was kept as pixels.")
        elif raw.is_fill:
            self.notes.append(f"Fill layer {raw.name!r} was kept as pixels.")
        return layer

    def _group(self, raw: RawNode) -> Group:
        assert raw.children is not None, raw.name
        mask = self._mask(raw.mask, raw.name)
        if raw.artboard is not None:
            self.notes.append(f"Artboard {raw.name!r} was opened as a group, cut to its frame.")
            mask = mask or self._frame(raw.artboard)
        return Group(
            raw.name,
            self._nodes(raw.children),
            opacity=raw.opacity,
            blend=BLENDS[raw.blend],
            visible=raw.visible,
            locked=raw.locked,
            clipped=raw.clipped,
            mask=mask,
        )

    def _layer(self, raw: RawNode) -> Layer:
        blend = BLENDS[raw.blend]
        pixels = self._pixels(raw)
        return Layer(
            raw.name,
            Bounds(raw.bounds.x, raw.bounds.y, pixels.shape[1], pixels.shape[0]),
            pixels,
            opacity=raw.opacity,
            blend=BlendMode.NORMAL if blend is BlendMode.PASS_THROUGH else blend,
            visible=raw.visible,
            locked=raw.locked,
            clipped=raw.clipped,
            mask=self._mask(raw.mask, raw.name),
            role=Role.TEXT if raw.text else Role.OBJECT,
            text=raw.text,
        )

    def _fill(self, raw: RawNode, empty: Layer) -> Layer | None:
        """A fill layer whose file holds no pixels: one colour is easily made again."""
        if raw.fill is None or raw.has_vector_mask:
            self.notes.append(
                f"Layer {raw.name!r} is a {raw.kind} without stored pixels; it was left out."
            )
            return None
        bounds = Bounds.full(self.raw.extent)
        self._reserve(bounds, raw.name)
        color = np.array([*raw.fill, 255], np.float32) / np.float32(255)
        pixels = np.empty((*bounds.extent.shape, 4), self.colors.dtype)
        pixels[:] = to_u8(color) if self.colors.dtype == np.uint8 else to_u16(color)
        self.notes.append(f"Fill layer {raw.name!r} was opened as pixels of its colour.")
        return replace(empty, bounds=bounds, pixels=pixels)

    def _pixels(self, raw: RawNode) -> Pixels:
        """(h, w, 4); a file without a layer's transparency means that it has none."""
        available = [index for index in range(len(raw.channels)) if index in raw.channels]
        count = self.colors.channel_count(len(available))
        filled = all(raw.channels.get(index, (0, b""))[1] for index in range(count))
        if raw.bounds.is_empty or not filled:
            return np.zeros((0, 0, 4), self.colors.dtype)
        self._reserve(raw.bounds, raw.name)
        planes = [self._plane(raw.channels[index], raw.bounds) for index in range(count)]
        alpha = raw.channels.get(int(Channel.TRANSPARENCY))
        return self._rgba(planes, self._plane(alpha, raw.bounds) if alpha else None)

    def _rgba(self, planes: list[NDArray], alpha: NDArray | None) -> Pixels:
        rgb = self.colors.rgb(planes)
        pixels = np.empty((*rgb.shape[:2], 4), rgb.dtype)
        pixels[..., :3] = rgb
        opaque = full_scale(rgb.dtype)
        pixels[..., 3] = opaque if alpha is None else self.colors.alpha(alpha)
        return pixels

    def _mask(self, raw: RawMask | None, name: str) -> Mask | None:
        if raw is None:
            return None
        if raw.is_softened:
            self.notes.append(f"Density and feather of the mask of {name!r} were left out.")
        if raw.bounds.is_empty or not raw.data[1]:
            # A mask without pixels is its outside value everywhere.
            place = raw.bounds if raw.bounds.is_empty else Bounds(raw.bounds.x, raw.bounds.y, 0, 0)
            nothing = np.zeros(place.extent.shape, self.colors.dtype)
            return Mask(place, nothing, raw.outside, raw.enabled)
        self._reserve(raw.bounds, name)
        pixels = self.colors.alpha(self._plane(raw.data, raw.bounds))
        return Mask(raw.bounds, pixels, raw.outside, raw.enabled)

    def _frame(self, bounds: Bounds) -> Mask:
        """A mask that shows one rectangle."""
        bounds = bounds.clamped(self.raw.extent)
        self._reserve(bounds, "An artboard")
        opaque = full_scale(self.colors.dtype)
        return Mask(bounds, np.full(bounds.extent.shape, opaque, self.colors.dtype), outside=0)

    def _plane(self, data: Data, bounds: Bounds) -> NDArray:
        compression, packed = data
        shape = bounds.extent.shape
        return psd_unpack.decode(packed, compression, shape, self.raw.bits, self.raw.version)

    def _merged_layer(self) -> Layer:
        """The flattened picture of a file without layers."""
        bounds = Bounds.full(self.raw.extent)
        self._reserve(bounds, "The flattened picture")
        planes = self._merged_planes()
        count = self.colors.channel_count(len(planes))
        if len(planes) < count:
            raise UnreadableFile("The file is damaged: its flattened picture lacks a channel.")
        has_alpha = self.raw.merged_has_alpha and len(planes) > count
        pixels = self._rgba(planes[:count], planes[count] if has_alpha else None)
        if len(planes) > count + has_alpha:
            self.notes.append("Extra channels of the flattened picture were left out.")
        if has_alpha:
            pixels = _without_white(pixels)
        return Layer("Background", bounds, pixels, role=Role.BACKGROUND)

    def _merged_planes(self) -> list[NDArray]:
        """All planes; their rows are packed as if they were one tall picture."""
        height, width = self.raw.extent.shape
        count = self.raw.plane_count
        if count * height * width > self.limits.total_pixels:
            raise UnreadableFile(
                f"The flattened picture has {count} channels, too many to be read."
            )
        stacked = self._plane(self.raw.merged, Bounds(0, 0, width, height * count))
        return list(stacked.reshape(count, height, width))

    def _is_only_flat(self, children: tuple[Node, ...]) -> bool:
        """Whether the flattened picture shows more than the layers that could be kept."""
        if self.raw.nodes:
            return self.leaves_out and not any(_has_pixels(child) for child in children)
        # A document without layers that we wrote ourselves has a recipe; others were flattened.
        return self.raw.xmp is None or recipe.from_xmp(self.raw.xmp) is None

    def _reserve(self, bounds: Bounds, name: str) -> None:
        """Refuse pixels beyond the limits before they are allocated."""
        edges = (bounds.x, bounds.y, bounds.right, bounds.bottom)
        if any(abs(edge) > MAX_COORDINATE for edge in edges):
            raise UnreadableFile(f"The file is damaged: {name!r} lies at {tuple(bounds)}.")
        self.limits.check_extent(Extent(bounds.width, bounds.height), f"Layer {name!r}")
        self.pixels_left -= bounds.area
        if self.pixels_left < 0:
            raise UnreadableFile(
                f"All layers together have more than {self.limits.total_pixels:,} pixels.",
            )

    def _note_look(self, raw: RawNode) -> None:
        """What shapes a node's look in Photoshop and has no place in a document."""
        if raw.has_effects:
            self.notes.append(f"Layer effects of {raw.name!r} were left out.")
        is_rendered = raw.kind == "shape" or (raw.mask is not None and raw.mask.includes_vector)
        if raw.has_vector_mask and not is_rendered:
            self.notes.append(f"The vector mask of {raw.name!r} was left out.")
        if raw.special_blending:
            what = " and ".join(raw.special_blending)
            self.notes.append(f"The {what} of {raw.name!r} was left out.")


_KEPT_AS_PIXELS = {"type": "Text layer", "smartobject": "Smart object", "shape": "Shape"}


def _has_pixels(node: Node) -> bool:
    if isinstance(node, Layer):
        return not node.is_empty
    return any(_has_pixels(child) for child in node.children)


def _without_white(matted: Pixels) -> Pixels:
    """The flattened picture is stored mixed with white by its alpha; see ``psd_write``."""
    straight = to_float(matted)
    alpha = straight[..., 3:]
    color = straight[..., :3]
    np.divide(color + alpha - 1, alpha, out=color, where=alpha > 0)
    color[alpha[..., 0] == 0] = 0
    return to_u8(straight) if matted.dtype == np.uint8 else to_u16(straight)
