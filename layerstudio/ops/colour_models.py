"""Gaussian models of the colours of layers, estimated from a picture's own colours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerstudio.color import F32, LUMA
from layerstudio.oklab import oklab
from layerstudio.ops.colour_bins import ColourBins

_LIGHTNESS = 0.35  # weight of lightness beside hue: shades of one colour stay together
_TINTED = 0.7  # weight of chroma by lightness: about that of chroma at the lightness of colours
_DARK = 0.3  # lightness under which there is little to tell a hue by
_NEW = 0.1  # distance in these from which a group is one of its own
_MOST = 6  # groups chosen by themselves
_RARITY = 0.1  # power of a colour's count in the choice of a new group
_COMMON = 0.4  # share of the commonest colour's pixels from which another is as common
_ROUNDS = 12
_NARROW, _WIDE = 5.0 / 255.0, 16.0 / 255.0  # deviations of a flat colour: noise, and shading
_DARKER, _LIGHTER = 0.03, 0.03  # luminance from which a colour is shade or light on its base
_DEPTH = 0.9  # of the darkest channel of a shade: black would take all colour away


class Groups(NamedTuple):
    """``bases`` (g, 3): the lightest colour that many of each group's pixels have, as shade is
    common and light is not; ``owner`` (n,) of each bin."""

    bases: F32
    owner: NDArray[np.intp]


def grouped(bins: ColourBins, wanted: int | None = None) -> Groups:
    """Colours of like hue and chroma together, largest group first; light and shade of a colour
    belong to it. ``wanted`` groups, or as many as lie apart, at most 6."""
    points = _hue_space(bins.colours)
    counts = bins.counts.astype(np.float64)
    centres = [points[int(np.argmax(counts))]]
    most = min(_MOST if wanted is None else wanted, len(points))
    while len(centres) < most:
        away = np.min([np.linalg.norm(points - centre, axis=1) for centre in centres], axis=0)
        if wanted is None and float(away.max()) < _NEW:
            break
        # A small power of the count: colours that are rare but far are accents, not noise.
        centres.append(points[int(np.argmax(away * counts**_RARITY))])
    owner = _settled(points, counts, np.array(centres))
    sizes = np.bincount(owner, counts, len(centres))
    order = [int(index) for index in np.argsort(-sizes, kind="stable") if sizes[index] > 0]
    bases = [bins.colours[_base(bins, owner == index)] for index in order]
    rank = np.zeros(len(centres), np.intp)
    rank[order] = np.arange(len(order))
    return Groups(np.array(bases, np.float32), rank[owner])


def covariance_of(bins: ColourBins, members: NDArray[np.bool_], mean: F32) -> F32:
    """(3, 3) of the members around ``mean``, deviations held to those of one flat colour."""
    off = (bins.colours[members] - mean).astype(np.float64)
    weights = bins.counts[members].astype(np.float64)
    spread = np.einsum("n,ni,nj->ij", weights, off, off) / max(float(weights.sum()), 1.0)
    values, axes = np.linalg.eigh(spread)
    held = np.clip(values, _NARROW**2, _WIDE**2)
    return ((axes * held) @ axes.T).astype(np.float32)


def shade_colour(bins: ColourBins, groups: Groups) -> F32:
    """(3,) a colour that, multiplied, makes the bases as dark and as tinted as they become."""
    base = np.maximum(groups.bases[groups.owner], 1e-3)
    darkening = np.clip(1 - bins.colours / base, 0, 1)
    return 1 - _DEPTH * _tint(darkening, (base - bins.colours) @ LUMA > _DARKER, bins.counts)


def light_colour(bins: ColourBins, groups: Groups) -> F32:
    """(3,) a colour that, screened, makes the bases as light and as tinted as they become."""
    base = np.minimum(groups.bases[groups.owner], 1 - 1e-3)
    lightening = np.clip((bins.colours - base) / (1 - base), 0, 1)
    return _tint(lightening, (bins.colours - base) @ LUMA > _LIGHTER, bins.counts)


def _hue_space(colours: F32) -> F32:
    """OKLab with chroma divided by lightness: a neutral shade scales all three alike."""
    lab = oklab(colours)
    scale = np.float32(_TINTED) / np.maximum(lab[:, :1], _DARK)
    return np.concatenate([lab[:, :1] * np.float32(_LIGHTNESS), lab[:, 1:] * scale], axis=1)


def _settled(points: F32, counts: NDArray, centres: NDArray) -> NDArray[np.intp]:
    """Lloyd's k-means from given centres; the owner of each point."""
    owner = np.zeros(len(points), np.intp)
    for _ in range(_ROUNDS):
        owner = np.square(points[:, None] - centres).sum(axis=2).argmin(axis=1)
        for index in range(len(centres)):
            mine = owner == index
            if mine.any():
                centres[index] = np.average(points[mine], axis=0, weights=counts[mine])
    return owner


def _base(bins: ColourBins, members: NDArray[np.bool_]) -> int:
    common = members & (bins.counts >= _COMMON * bins.counts[members].max())
    return int(np.argmax(np.where(common, bins.colours @ LUMA, -1)))


def _tint(strength: NDArray[np.floating], chosen: NDArray[np.bool_], counts: NDArray) -> F32:
    """The direction of a change, its strongest channel 1, halfway to neutral: what one shade falls
    on has many colours, and what is special to one of them is no tint."""
    if not chosen.any():
        return np.ones(3, np.float32)
    mean = np.average(strength[chosen], axis=0, weights=counts[chosen])
    return np.asarray(0.5 + 0.5 * mean / max(float(mean.max()), 1e-3), np.float32)
