"""Colour under transparency.

Programs that resample straight RGBA mix in the colour of fully transparent pixels; if that is
black, cut-outs get a dark fringe. So invisible pixels near visible ones take their colour.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from layerstudio.color import Pixels, full_scale
from layerstudio.geometry import Bounds, Extent

# A resampling filter 4 taps wide reaches 8 pixels past an edge when it shrinks to a quarter.
DEFAULT_MARGIN = 8


def bleed(pixels: Pixels, margin: int = DEFAULT_MARGIN) -> Pixels:
    """``pixels`` (h, w, 4), straight, with new colour where alpha is 0; the rest bit for bit.

    Within ``margin`` pixels of a visible one the colour is that of the nearest visible pixel
    (chamfer distance with a 5 x 5 mask, within 2 % of Euclid: Borgefors 1986); beyond it is the
    mean of those, one flat colour that compresses to nothing. Without a visible pixel all is 0.
    Bleeding twice changes nothing more.
    """
    assert margin >= 1, margin
    hidden = pixels[..., 3] == 0
    if not hidden.any():
        return pixels
    content = Bounds.of_mask(~hidden)
    if content.is_empty:
        return np.zeros_like(pixels)
    near = content.padded(margin).clamped(Extent.of(pixels)).slices
    bled = pixels.copy(order="C")
    sources, targets = _nearest(hidden[near], margin)
    flat_colour = _mean_colour(pixels[near], sources)
    np.copyto(_words(bled), _words(flat_colour), where=hidden)
    window = np.ascontiguousarray(bled[near])
    words = _words(window).reshape(-1)
    words[targets] = words[sources] & _colour_bits(pixels.dtype)
    bled[near] = window
    return bled


def _nearest(hidden: NDArray[np.bool_], margin: int) -> tuple[NDArray, NDArray]:
    """Flat indices: for each hidden pixel within ``margin`` (second) its visible one (first)."""
    distance, labels = cv2.distanceTransformWithLabels(
        hidden.view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = labels.astype(np.int32, copy=False).ravel()
    visible = np.flatnonzero(~hidden)
    place_of_label = np.zeros(visible.size + 1, np.intp)
    place_of_label[labels[visible]] = visible
    targets = np.flatnonzero(hidden & (distance <= margin))
    return place_of_label[labels[targets]], targets


def _mean_colour(window: Pixels, sources: NDArray) -> Pixels:
    """(1, 1, 4): the rounded mean colour at ``sources`` with alpha 0."""
    rows, columns = np.divmod(sources, window.shape[1])
    mean = window[rows, columns].mean(axis=0, dtype=np.float64)
    mean[3] = 0
    return np.rint(mean).astype(window.dtype).reshape(1, 1, 4)


def _words(pixels: NDArray) -> NDArray:
    """(h, w): each pixel's four channels as one integer, a view where the layout allows."""
    word = np.uint32 if pixels.dtype == np.uint8 else np.uint64
    return pixels.view(word)[..., 0]


def _colour_bits(dtype: np.dtype) -> np.unsignedinteger:
    """The word whose bits are set but for alpha's, whatever the byte order."""
    opaque = np.array([[[full_scale(dtype)] * 3 + [0]]], dtype)
    return _words(opaque)[0, 0]
