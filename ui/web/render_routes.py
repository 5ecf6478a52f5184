"""Pictures of the open document: the composite, nodes, thumbnails; picking by a point."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from layerstudio.color import U8
from layerstudio.document import Document, Layer, Node, NodePath
from layerstudio.edits import dotted
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from layerstudio.ui.web.bodies import Fields, fields_of, path_of
from layerstudio.ui.web.errors_json import NotFound
from layerstudio.ui.web.following import has_node
from layerstudio.ui.web.sessions import Session, current_session
from layerstudio.ui.web.studio import Moment, Studio
from layerstudio.view_filters import with_only
from layerstudio.viewing import png_bytes, topmost_at

router = APIRouter(prefix="/studio")
Own = Annotated[Session, Depends(current_session)]
_FAR = 10**9
Place = Annotated[int, Query(ge=-_FAR, le=_FAR)]
Side = Annotated[int, Query(ge=0, le=_FAR)]
Revision = Annotated[int | None, Query()]
_KEY = re.compile(r"[0-9a-f]{32}")
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_NEVER = {"Cache-Control": "private, no-store"}


@router.get("/render.png")
def render(
    session: Own,
    x: Place,
    y: Place,
    w: Side,
    h: Side,
    level: int = 0,
    revision: Revision = None,
    without: str = "",
) -> Response:
    """The composite of a rectangle; nodes shown alone are."""
    moment = session.studio.at(revision)
    pixels, covered = session.studio.viewer.render(
        moment.document,
        Bounds(x, y, w, h),
        level,
        only=moment.solo,
        without=_paths(moment.document, without),
    )
    return _png(pixels, covered, revision)


@router.get("/sprite.png")
def sprite(session: Own, path: str, level: int = 0, revision: Revision = None) -> Response:
    """A node alone, with its mask."""
    node = _node(session.studio.at(revision), path)
    return _png(*session.studio.viewer.sprite(node, level), revision)


@router.get("/matte.png")
def matte(session: Own, path: str, level: int = 0, revision: Revision = None) -> Response:
    """The alpha of a node as gray."""
    node = _node(session.studio.at(revision), path)
    pixels, covered = session.studio.viewer.sprite(node, level)
    return _png(np.ascontiguousarray(pixels[..., 3]), covered, revision)


@router.get("/source.png")
def source(session: Own, level: int = 0) -> Response:
    """The picture that the document was made from."""
    picture = session.studio.source
    if picture is None:
        raise NotFound("This document was not made from a picture.")
    full = Bounds.full(picture.extent)
    alone = Document(picture.extent, (Layer("source", full, picture.pixels),))
    return _png(*session.studio.viewer.render(alone, full, level), None)


@router.get("/thumb/{key}.png")
def thumbnail(key: str, session: Own) -> Response:
    """A node of this session's document, by the hash of its picture."""
    studio = session.studio
    found = _by_key(studio, key) if _KEY.fullmatch(key) else None
    if found is None:
        raise NotFound("No layer of the open document looks like this.")
    node, document = found
    pixels = studio.viewer.thumbnail(node, document.extent)
    return Response(png_bytes(pixels), media_type="image/png", headers=_FOREVER)


@router.post("/pick")
async def pick(request: Request, session: Own) -> dict[str, Any]:
    """The topmost layer that shows at a point, or the next one below the selection."""
    fields = await fields_of(request)
    moment = session.studio.at(fields.whole("revision", None))
    point = _coordinate(fields, "x"), _coordinate(fields, "y")
    below = moment.selection[0] if fields.flag("again", False) and moment.selection else None
    path = await run_in_threadpool(_picked, moment, point, below)
    return {"path": None if path is None else dotted(path)}


def _picked(moment: Moment, point: tuple[int, int], below: NodePath | None) -> NodePath | None:
    """After the lowest, the topmost again."""
    shown = with_only(moment.document, moment.solo)
    found = topmost_at(shown, *point, below)
    return topmost_at(shown, *point) if found is None and below is not None else found


def _coordinate(fields: Fields, name: str) -> int:
    value = fields.any(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _FAR:
        raise InvalidRequest(f"{name!r} is a place on the canvas, not {str(value)[:40]!r}.")
    return math.floor(value)


def _paths(document: Document, text: str) -> tuple[NodePath, ...]:
    paths = tuple(path_of(part) for part in text.split(",") if part)
    for path in paths:
        _require(document, path)
    return paths


def _node(moment: Moment, text: str) -> Node:
    path = path_of(text)
    _require(moment.document, path)
    return moment.document.at(path)


def _require(document: Document, path: NodePath) -> None:
    if not has_node(document, path):
        raise NotFound(f"There is no layer at {dotted(path)}.")


def _by_key(studio: Studio, key: str) -> tuple[Node, Document] | None:
    """The node with a picture of that hash, in what is shown or was just shown."""
    for moment in reversed(studio.recent):
        if moment.snapshot is None:
            continue
        for _, node in moment.document.walk():
            if studio.viewer.key(node) == key:
                return node, moment.document
    return None


def _png(pixels: U8, covered: Bounds, revision: int | None) -> Response:
    """A picture of nothing is one transparent pixel; its bounds say that it is none."""
    if pixels.size == 0:
        pixels = np.zeros((1, 1, *pixels.shape[2:]), np.uint8)
    headers = {"X-Bounds": ",".join(map(str, covered))}
    headers |= _NEVER if revision is None else _FOREVER
    return Response(png_bytes(pixels), media_type="image/png", headers=headers)
