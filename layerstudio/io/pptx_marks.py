"""What python-pptx has no call for: alt text, hiding, locking and fading a shape.

Element and attribute names are DrawingML's, ECMA-376 Part 1, 20.1.
"""

from __future__ import annotations

from pptx.oxml.ns import qn
from pptx.oxml.xmlchemy import OxmlElement
from pptx.shapes.base import BaseShape

from layerstudio.document import Layer, Node
from layerstudio.io.xml_text import xml_text

_LOCKS = {
    "pic": ("p:cNvPicPr", "a:picLocks"),
    "sp": ("p:cNvSpPr", "a:spLocks"),
    "grpSp": ("p:cNvGrpSpPr", "a:grpSpLocks"),
}


def describe(shape: BaseShape, node: Node) -> None:
    """The node's name, and its role and text as alternative text (cNvPr, 20.1.2.2.8)."""
    shape.name = xml_text(node.name)
    description = node.name
    if isinstance(node, Layer):
        description = f"{node.role}: {node.text.string if node.text else node.name}"
    _properties(shape).set("descr", xml_text(description))


def hide(shape: BaseShape) -> None:
    """As the eye in PowerPoint's selection pane does."""
    _properties(shape).set("hidden", "1")


def lock(shape: BaseShape) -> None:
    """No moving or resizing (picLocks and its siblings, 20.1.2.2.31)."""
    parent_name, name = _LOCKS[shape.element.tag.rsplit("}", 1)[1]]
    parent = next(shape.element.iter(qn(parent_name)))
    locks = parent.find(qn(name))
    if locks is None:
        locks = OxmlElement(name)
        parent.insert(0, locks)
    locks.set("noMove", "1")
    locks.set("noResize", "1")


def fade(picture: BaseShape, opacity: float) -> None:
    """A picture's opacity, which stays editable (alphaModFix, 20.1.8.6, in 1/1000 percent)."""
    if opacity < 1:
        effect = OxmlElement("a:alphaModFix")
        effect.set("amt", str(round(opacity * 100_000)))
        next(picture.element.iter(qn("a:blip"))).insert(0, effect)


def _properties(shape: BaseShape):
    return next(shape.element.iter(qn("p:cNvPr")))
