"""A name for what a layer looks like, the same wherever it lies and whatever it is called."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from layerstudio.byte_cache import ByteCache
from layerstudio.document import Layer, Mask, Node
from layerstudio.geometry import Bounds
from layerstudio.view_identity import pixels_token

_DIGEST_BYTES = 16
_ENTRY_BYTES = 512  # about what a digest and its key take


class PictureKeys:
    """Hashes nodes' pictures; digests of arrays are kept in ``cache``. Thread-safe."""

    def __init__(self, cache: ByteCache) -> None:
        self._cache = cache

    def key(self, node: Node) -> str:
        """32 hexadecimal digits of the pixels, the mask and the children: of what a node looks like
        alone, without its own opacity, blend mode and visibility."""
        return self._node(node).hex()

    def _node(self, node: Node) -> bytes:
        bounds = node.bounds
        mask = b"" if node.mask is None else self._mask(node.mask, bounds)
        if isinstance(node, Layer):
            return _digest(b"layer", self._array(node.pixels), mask)
        children = [self._child(child, bounds) for child in node.children]
        return _digest(b"group", _digest(*children), mask)

    def _child(self, child: Node, group: Bounds) -> bytes:
        place = child.bounds.relative_to(group)
        if not child.visible:
            return _digest(b"hidden", _text(place, child.clipped))
        text = _text(place, child.opacity, child.blend, child.clipped)
        return _digest(b"child", text, self._node(child))

    def _mask(self, mask: Mask, owner: Bounds) -> bytes:
        if not mask.enabled:
            return b""
        place = mask.bounds.relative_to(owner)
        return _digest(b"mask", _text(place, mask.outside), self._array(mask.pixels))

    def _array(self, pixels: NDArray) -> bytes:
        token = ("digest", pixels_token(pixels))
        digest = self._cache.get(token)
        if digest is None:
            text = _text(pixels.shape, pixels.dtype.str)
            digest = _digest(text, np.ascontiguousarray(pixels).reshape(-1).view(np.uint8).data)
            self._cache.put(token, digest, _ENTRY_BYTES)
        return digest


def _text(*values: object) -> bytes:
    return repr(tuple(str(value) for value in values)).encode()


def _digest(*parts: bytes | memoryview) -> bytes:
    """Of the parts, each of which is hashed with its length."""
    total = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return total.digest()
