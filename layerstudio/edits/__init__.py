"""Every edit of a document as a pure function: ``edit(document, paths, ...) -> Edited``.

``paths`` are the chosen nodes (``NodePath``); the answer has the new document and what is selected
in it. Pixels and nodes that an edit leaves alone are shared. All numbers are in canvas pixels,
colours are sRGB as "#rrggbb", and a bad argument, a path to nothing or a locked node raises
``InvalidRequest``.
"""

from layerstudio.edits.adding import add_layer, fill_colour
from layerstudio.edits.adjust import adjust
from layerstudio.edits.arrange import (
    bring_forward,
    bring_to_front,
    delete,
    duplicate,
    reorder,
    send_backward,
    send_to_back,
)
from layerstudio.edits.attributes import (
    rename,
    set_blend,
    set_clipped,
    set_locked,
    set_opacity,
    set_visible,
)
from layerstudio.edits.brush import brush
from layerstudio.edits.canvas import resize_canvas, trim
from layerstudio.edits.editing import Edited
from layerstudio.edits.grouping import group, ungroup
from layerstudio.edits.masks import change_mask
from layerstudio.edits.merging import merge
from layerstudio.edits.moving import crop_to_content, move
from layerstudio.edits.paths import dotted, parse_path
from layerstudio.edits.recolour import recolour
from layerstudio.edits.shadow import add_shadow
from layerstudio.edits.transform import flip, rotate90, transform

__all__ = [
    "Edited",
    "add_layer",
    "add_shadow",
    "adjust",
    "bring_forward",
    "bring_to_front",
    "brush",
    "change_mask",
    "crop_to_content",
    "delete",
    "dotted",
    "duplicate",
    "fill_colour",
    "flip",
    "group",
    "merge",
    "move",
    "parse_path",
    "recolour",
    "rename",
    "reorder",
    "resize_canvas",
    "rotate90",
    "send_backward",
    "send_to_back",
    "set_blend",
    "set_clipped",
    "set_locked",
    "set_opacity",
    "set_visible",
    "transform",
    "trim",
    "ungroup",
]
