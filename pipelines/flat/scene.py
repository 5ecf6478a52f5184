"""A picture taken apart, from the background upwards."""

from __future__ import annotations
import cv2
import numpy as np
from layerstudio.document import Role
from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import analyse, residual, hysteresis, dilate
from layerstudio.pipelines.flat.background import find_background
from layerstudio.pipelines.flat.element import Element, lay_over
from layerstudio.pipelines.flat.panels import find_panels
from layerstudio.pipelines.flat.shadows import soft_darkness, shadow_of
from layerstudio.pipelines.flat.objects import find_drawings


def find_elements(rgb, lossy=False, debug=None):
    a = analyse(rgb, lossy=lossy)
    full = Bounds.full(a.extent)
    bg = find_background(a)
    if bg.shade is None:
        return [
            Element(
                Role.BACKGROUND, full, np.ones(a.extent.shape, np.float32), rgb.astype(np.float32)
            )
        ]
    B = bg.render(full)
    els = [Element(Role.BACKGROUND, full, np.ones(a.extent.shape, np.float32), B.copy())]
    panels, edges = find_panels(a, B)
    els += panels
    soft = soft_darkness(a, B)
    fg = foreground(a, B, edges, soft)
    if soft.any():
        for o in find_drawings(a, B, fg):
            s = shadow_of(a, B, soft, o, fg)
            if s is not None:
                els.append(s)
                lay_over(B, s)
                soft[s.bounds.slices] &= s.alpha <= 0
        fg = foreground(a, B, edges, soft)
    objs = find_drawings(a, B, fg)
    els += objs
    if debug is not None:
        debug.update(a=a, B=B, fg=fg, edges=edges, soft=soft)
    return els


def foreground(a, B, edges, soft):
    fg = hysteresis(residual(a.rgb, B), a.tolerance, 2.5 * a.tolerance + 4)
    fg &= ~soft
    core = fg & ~edges
    fg = core | (fg & dilate(core, 5))
    return without_slivers(fg, edges)


def without_slivers(mask, edges):
    """Without pieces that lie in panel edges for the most part."""
    n, lab, st, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    inband = np.bincount(lab[edges], minlength=n)
    drop = inband > 0.6 * st[:, 4]
    drop[0] = True
    return ~drop[lab]
