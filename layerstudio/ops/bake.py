"""Say the same picture with fewer features, for formats that lack some.

Blend modes become colours, clipping and (where asked) masks become alpha, and (where asked) what
a group does as a whole is handed out to its layers. The composite stays the same within the
rounding of the pixels' depth; what is lost is that a layer no longer follows what lies beneath.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerstudio.color import to_depth
from layerstudio.composite import composite
from layerstudio.document import BlendMode, Document, Group, Layer, Node, Role, clipping_runs
from layerstudio.geometry import Bounds
from layerstudio.ops.coverage import coverage_of, hand_out, opaque, with_mask_in_alpha

# The modes of W3C Compositing and Blending Level 1, 10.1 and 10.2: CSS, SVG, OpenRaster.
CSS_MODES = frozenset(
    {
        BlendMode.NORMAL,
        BlendMode.MULTIPLY,
        BlendMode.SCREEN,
        BlendMode.OVERLAY,
        BlendMode.DARKEN,
        BlendMode.LIGHTEN,
        BlendMode.COLOR_DODGE,
        BlendMode.COLOR_BURN,
        BlendMode.HARD_LIGHT,
        BlendMode.SOFT_LIGHT,
        BlendMode.DIFFERENCE,
        BlendMode.EXCLUSION,
        BlendMode.HUE,
        BlendMode.SATURATION,
        BlendMode.COLOR,
        BlendMode.LUMINOSITY,
    }
)
_ONLY_NORMAL = frozenset({BlendMode.NORMAL})


def bake_unsupported(
    document: Document,
    supported: frozenset[BlendMode],
    *,
    keep_masks: bool = False,
    keep_groups: bool = False,
) -> tuple[Document, tuple[str, ...]]:
    """The same picture from ``supported`` blend modes and no clipping, and a note per change.

    ``keep_masks`` leaves masks alone; without it they end in their layers' alpha.
    ``keep_groups`` leaves groups their opacity, isolation and mode; without it every group ends as
    a mere bracket around its layers (pass-through, opacity 1, no mask), all of it NORMAL where the
    group was isolated. A layer whose pixels no longer look like its live text loses the text.
    """
    assert BlendMode.NORMAL in supported, supported
    baker = _Baker(document, supported, keep_masks, keep_groups)
    children = baker.bake_all(document.children, (), supported)
    return replace(document, children=children), tuple(baker.notes)


class _Baker:
    """One pass over a document; ``beneath`` is always what is already baked under a node."""

    def __init__(
        self,
        document: Document,
        supported: frozenset[BlendMode],
        keep_masks: bool,
        keep_groups: bool,
    ) -> None:
        self.document = document
        self.supported = supported
        self.keep_masks = keep_masks
        self.keep_groups = keep_groups
        self.notes: list[str] = []

    def bake_all(
        self, nodes: Sequence[Node], beneath: tuple[Node, ...], modes: frozenset[BlendMode]
    ) -> tuple[Node, ...]:
        """Siblings, bottom to top; none of the result is clipped, and all modes are ``modes``."""
        done: tuple[Node, ...] = ()
        for bottom, clipped in clipping_runs(nodes):
            base, under = replace(bottom, clipped=False), (*beneath, *done)
            if clipped:
                done = (*done, *self.bake_run(base, clipped, under, modes))
            else:
                done = (*done, self.bake(base, under, modes))
        return done

    def bake(self, node: Node, beneath: tuple[Node, ...], modes: frozenset[BlendMode]) -> Node:
        if isinstance(node, Layer):
            return self.bake_layer(node, beneath, modes)
        if self.must_flatten(node, modes):
            self.notes.append(
                f"The group {node.name!r} became one layer: "
                f"its blend mode {node.blend} applies to all of it at once."
            )
            return self.bake_layer(self.flattened(node, node), beneath, modes)
        return self.bake_group(node, beneath, modes)

    def bake_layer(
        self, layer: Layer, beneath: tuple[Node, ...], modes: frozenset[BlendMode]
    ) -> Layer:
        if layer.mask is not None and not self.keep_masks:
            if layer.mask.enabled:
                self.notes.append(f"The mask of {layer.name!r} was worked into its transparency.")
            layer = with_mask_in_alpha(layer)
        if layer.blend in modes:
            return layer
        self.notes.append(
            f"The blend mode {layer.blend} of {layer.name!r} was worked into its colours; "
            "it no longer follows what lies beneath."
        )
        if layer.blend is BlendMode.DISSOLVE:
            drawn = replace(layer, blend=BlendMode.NORMAL, opacity=1.0, mask=None)
            return self.flattened(layer, drawn)
        return self.with_blended_colour(layer, beneath)

    def bake_group(
        self, group: Group, beneath: tuple[Node, ...], modes: frozenset[BlendMode]
    ) -> Group:
        faded = group.opacity < 1 or (group.mask is not None and group.mask.enabled)
        if group.blend is not BlendMode.PASS_THROUGH:
            beneath, modes = (), self.supported if self.keep_groups else _ONLY_NORMAL
        elif faded:
            # Mixing NORMAL children's result with the backdrop equals fading them in isolation.
            modes = _ONLY_NORMAL
            group = replace(group, blend=BlendMode.NORMAL)
        group = replace(group, children=self.bake_all(group.children, beneath, modes))
        if self.keep_groups and (self.keep_masks or group.mask is None):
            return group
        if self.keep_groups:
            return self.with_handed_out_mask(group)
        if faded:
            self.notes.append(
                f"Opacity and mask of the group {group.name!r} were worked into its layers."
            )
            group = hand_out(group, coverage_of(group, group.bounds))
        return replace(group, blend=BlendMode.PASS_THROUGH, opacity=1.0, mask=None)

    def bake_run(
        self,
        base: Node,
        clipped: list[Node],
        beneath: tuple[Node, ...],
        modes: frozenset[BlendMode],
    ) -> tuple[Node, ...]:
        """A base and what is clipped to it, as nodes that are not clipped."""
        simple = all(isinstance(node, Layer) for node in (base, *clipped))
        if not (isinstance(base, Layer) and simple and base.blend is BlendMode.NORMAL):
            self.notes.append(f"{base.name!r} and what is clipped to it became one layer.")
            return (self.bake_layer(self.flattened_run(base, clipped), beneath, modes),)
        self.notes.append(f"What is clipped to {base.name!r} was cut to its shape.")
        loose = [replace(node, clipped=False) for node in clipped]
        above = self.bake_all(loose, (opaque(base),), _ONLY_NORMAL)
        members = Group(base.name, (opaque(base), *above))
        cut, *others = hand_out(members, coverage_of(base, base.bounds), base.bounds).children
        if not any(node.visible for node in above):
            cut = self.bake_layer(base, beneath, modes)
        return tuple(
            replace(node, visible=node.visible and base.visible) for node in (cut, *others)
        )

    def must_flatten(self, group: Group, modes: frozenset[BlendMode]) -> bool:
        if group.blend in (BlendMode.PASS_THROUGH, BlendMode.NORMAL):
            return False
        return not self.keep_groups or group.blend not in modes

    def with_handed_out_mask(self, group: Group) -> Group:
        assert group.mask is not None
        if not group.mask.enabled:
            return replace(group, mask=None)
        if not _holds_only_normal(group):
            self.notes.append(f"The group {group.name!r} became one layer because of its mask.")
            only = self.flattened(
                group, replace(group, blend=BlendMode.NORMAL, opacity=1.0, visible=True)
            )
            return replace(group, children=(with_mask_in_alpha(only),), mask=None)
        self.notes.append(f"The mask of the group {group.name!r} was worked into its layers.")
        mask_only = coverage_of(replace(group, opacity=1.0), group.bounds)
        return replace(hand_out(group, mask_only), mask=None)

    def with_blended_colour(self, layer: Layer, beneath: tuple[Node, ...]) -> Layer:
        """The layer as NORMAL, in the colour (1 - ab) cs + ab B(cb, cs) of W3C 10 "mixing".

        That is what an opaque layer in its place composites to, and alpha stays as it is.
        """
        region = layer.bounds.clamped(self.document.extent)
        pixels = layer.pixels.copy()
        picture = self.picture((*beneath, opaque(layer)), region)
        window = pixels[region.relative_to(layer.bounds).slices]
        window[..., :3] = to_depth(picture[..., :3], pixels.dtype)
        return replace(layer, blend=BlendMode.NORMAL, pixels=pixels, text=None)

    def flattened(self, node: Node, like: Node) -> Layer:
        """The pixels that ``node`` shows on the canvas; mode, opacity, mask are those of ``like``.

        A layer is drawn with its opacity and mode (dissolve), a group without.
        """
        lone: Node = replace(node, visible=True, clipped=False)
        if isinstance(node, Group):
            lone = replace(lone, blend=BlendMode.NORMAL, opacity=1.0, mask=None)
        return self.as_layer((lone,), node.bounds, like)

    def flattened_run(self, base: Node, clipped: list[Node]) -> Layer:
        bare = replace(
            base, blend=BlendMode.NORMAL, opacity=1.0, mask=None, visible=True, clipped=False
        )
        return self.as_layer((bare, *clipped), base.bounds, base)

    def as_layer(self, nodes: tuple[Node, ...], bounds: Bounds, like: Node) -> Layer:
        region = bounds.clamped(self.document.extent)
        through = like.blend is BlendMode.PASS_THROUGH
        return Layer(
            name=like.name,
            bounds=region,
            pixels=to_depth(self.picture(nodes, region), self.document.dtype),
            opacity=like.opacity,
            blend=BlendMode.NORMAL if through else like.blend,
            visible=like.visible,
            locked=like.locked,
            mask=like.mask,
            role=like.role if isinstance(like, Layer) else Role.OBJECT,
            provenance=like.provenance if isinstance(like, Layer) else None,
        )

    def picture(self, nodes: tuple[Node, ...], region: Bounds) -> np.ndarray:
        return composite(replace(self.document, children=nodes), region)


def _holds_only_normal(group: Group) -> bool:
    """Whether all layers are NORMAL and all groups in it are mere brackets."""
    return all(
        child.blend is BlendMode.NORMAL
        if isinstance(child, Layer)
        else _is_bracket(child) and _holds_only_normal(child)
        for child in group.children
    )


def _is_bracket(group: Group) -> bool:
    plain = group.blend in (BlendMode.NORMAL, BlendMode.PASS_THROUGH)
    return plain and group.opacity == 1 and group.mask is None
