"""The few colours of a picture from which all its others can be mixed.

Tan, Echevarria and Gingold (SIGGRAPH Asia 2018) simplify the convex hull of the picture's colours
by collapsing edges, which moves corners outwards to colours that nobody painted. Here the hull is
built up instead: the colour farthest from what the palette can mix so far becomes the next one, as
in quickhull (Barber et al. 1996) and in the search for pure materials of a scene (N-FINDR). Every
colour is then one of the picture's own, flat colours are found exactly, pictures whose colours lie
in a plane or on a line need no special case, and the error bound is checked on the palette itself.
"""

from __future__ import annotations

import numpy as np

from layerstudio.color import F32
from layerstudio.ops.colour_bins import ColourBins
from layerstudio.ops.tessellation import FLAT, Tessellation

BOUND = 2.5 / 255.0  # RMSE over the pixels of what cannot be mixed
NEW = 20.0 / 255.0  # from this far on, what cannot be mixed is a colour of its own. Both measured:
# with Tan et al.'s 2/255 over all colours, photographs get ten with many shades of one
MOST_COLOURS = 10  # chosen by itself; Tan et al. look at the error from 10 corners on


def hull_palette(bins: ColourBins, wanted: int | None = None) -> F32:
    """(k, 3) colours in [0, 1], farthest first: ``wanted`` of them where the picture has so many.

    None takes as few as leave an error of at most ``BOUND`` and no colour farther than ``NEW``, but
    never more than ``MOST_COLOURS``. All are corners of the hull of the picture's colours, because
    the point farthest from a convex set is one.
    """
    points, counts = bins
    assert len(points), "a picture needs a colour"
    most = MOST_COLOURS if wanted is None else wanted
    mean = np.average(points, axis=0, weights=counts).astype(np.float32)
    chosen = [int(np.argmax(np.linalg.norm(points - mean, axis=1)))]
    while len(chosen) < most:
        away = Tessellation(points[chosen]).distances(points)
        farthest = float(away.max())
        enough = farthest <= NEW and float(np.average(away**2, weights=counts)) <= BOUND**2
        if farthest < FLAT or (wanted is None and enough):
            break
        chosen.append(int(away.argmax()))
    return points[chosen]
