"""The front end's files: ``ui/web/static`` and nothing beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from layerstudio.ui.web.errors_json import NotFound

router = APIRouter(prefix="/studio")
_FOLDER = Path(__file__).parent / "static"
# By suffix, not by the system's table: on some machines that says text/plain for scripts.
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".html": "text/html; charset=utf-8",
}


@router.get("/static/{name:path}")
def static(name: str, request: Request) -> Response:
    """A file by its exact name; browsers ask each time whether theirs is still the same."""
    path = _files().get(name)
    if path is None:
        raise NotFound("There is no such file.")
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    known = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
    if known & {etag, f"W/{etag}", "*"}:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_TYPES[path.suffix], headers=headers)


def _files() -> dict[str, Path]:
    """What may be asked for: a name is looked up, never put together to a path."""
    return {
        path.relative_to(_FOLDER).as_posix(): path
        for path in _FOLDER.rglob("*")
        if path.suffix in _TYPES and path.is_file()
    }
