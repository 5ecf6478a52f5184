"""The tree of a document, for people and for programs."""

from __future__ import annotations

from typing import Any

from layerstudio.document import BlendMode, Document, Group, Node, NodePath
from layerstudio.ui.cli.boundary import one_line


def tree_data(document: Document) -> dict[str, Any]:
    """JSON-ready: canvas, metadata and every node, bottom to top."""
    return {
        "extent": list(document.extent),
        "dpi": document.dpi,
        "depth": 8 * document.dtype.itemsize,
        "icc_profile": document.icc_profile is not None,
        "metadata": dict(document.metadata),
        "request": document.request and dict(document.request),
        "notes": list(document.notes),
        "children": [_node_data(node, (i,)) for i, node in enumerate(document.children)],
    }


def print_tree(document: Document, title: str) -> None:
    """Top layer first, as every layer panel shows it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.tree import Tree

    depth = 8 * document.dtype.itemsize
    head = f"{title}: {document.extent}, {depth} bits, {len(document.layers)} layers"
    tree = Tree(escape(one_line(head)))
    _grow(tree, document.children, ())
    Console(highlight=False, soft_wrap=True).print(tree)


def _grow(tree: Any, children: tuple[Node, ...], parent: NodePath) -> None:
    from rich.markup import escape

    for index in reversed(range(len(children))):
        node = children[index]
        path = (*parent, index)
        branch = tree.add(escape(one_line(f"{dotted(path)}  {node.name}  {described(node)}")))
        if isinstance(node, Group):
            _grow(branch, node.children, path)


def dotted(path: NodePath) -> str:
    return ".".join(map(str, path))


def described(node: Node) -> str:
    """Role, place and whatever is not the default."""
    x, y, width, height = node.bounds
    words = ["group" if isinstance(node, Group) else str(node.role)]
    words.append(f"{width}x{height}{x:+d}{y:+d}")
    default = BlendMode.PASS_THROUGH if isinstance(node, Group) else BlendMode.NORMAL
    if node.opacity < 1:
        words.append(f"{node.opacity:.0%}")
    if node.blend is not default:
        words.append(str(node.blend))
    flags = {"hidden": not node.visible, "locked": node.locked, "clipped": node.clipped}
    words.extend(word for word, holds in flags.items() if holds)
    if node.mask is not None:
        words.append("masked")
    return " ".join(words)


def _node_data(node: Node, path: NodePath) -> dict[str, Any]:
    data: dict[str, Any] = {
        "path": dotted(path),
        "name": node.name,
        "kind": "group" if isinstance(node, Group) else "layer",
        "bounds": list(node.bounds),
        "opacity": node.opacity,
        "blend": str(node.blend),
        "visible": node.visible,
        "locked": node.locked,
        "clipped": node.clipped,
        "masked": node.mask is not None,
    }
    if isinstance(node, Group):
        data["children"] = [_node_data(c, (*path, i)) for i, c in enumerate(node.children)]
        return data
    data["role"] = str(node.role)
    data["text"] = node.text and node.text.string
    return data
