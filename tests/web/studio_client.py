"""The real application without a browser: clients, their sessions, a drawn document."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from starlette.requests import HTTPConnection

from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Role, TextContent
from layerstudio.geometry import Bounds, Extent
from layerstudio.ui.web.app import create_app
from layerstudio.ui.web.options import WebOptions
from layerstudio.ui.web.sessions import Session

ADDRESS = "http://127.0.0.1:7860"
EXTENT = Extent(61, 47)
PATIENCE = 30.0  # seconds


@contextmanager
def running(**options) -> Iterator[TestClient]:
    """A studio with these ``WebOptions``, and a browser's client of it."""
    with TestClient(create_app(WebOptions(**options)), base_url=ADDRESS) as client:
        yield client


def another(client: TestClient, **settings) -> TestClient:
    """A client of the same studio that shares no cookies."""
    return TestClient(client.app, base_url=ADDRESS, **settings)


def application(client: TestClient) -> FastAPI:
    app = client.app
    assert isinstance(app, FastAPI)
    return app


def session_of(client: TestClient) -> Session:
    """What the studio keeps for a client, which gets its session if it has none."""
    client.get("/studio/state").raise_for_status()
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    scope = {"type": "http", "headers": [(b"cookie", cookies.encode())]}
    return application(client).state.sessions.of(HTTPConnection(scope))


def until(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "It did not come about."
        time.sleep(0.01)


def noise(bounds: Bounds, seed: int, alpha: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (*bounds.extent.shape, 4)).astype(np.uint8)
    if alpha is not None:
        pixels[..., 3] = alpha
    return pixels


def layer(name: str, bounds: Bounds, seed: int, **more) -> Layer:
    return Layer(name, bounds, noise(bounds, seed, alpha=255), **more)


def drawn() -> Document:
    """Five nodes: background, a group of two, a masked layer, text, one partly off the canvas."""
    place = Bounds(20, 5, 17, 12)
    mask = Mask(place, noise(place, 9)[..., 0], outside=0)
    text = TextContent("Hello", "Sans", 9.0, (1, 2, 3), Bounds(24, 10, 31, 27))
    left = layer("left", Bounds(3, 7, 11, 13), 1).pixels.copy()
    left[:2, :, 3] = 0
    pair = (
        Layer("left", Bounds(3, 7, 11, 13), left),
        layer("right", Bounds(9, 11, 15, 9), 2),
    )
    return Document(
        EXTENT,
        (
            layer("ground", Bounds(2, 3, 59, 44), 3, role=Role.BACKGROUND),
            Group("pair", pair),
            layer("masked", place, 4, mask=mask),
            layer("words", Bounds(24, 10, 31, 27), 5, text=text, role=Role.TEXT),
            layer("edge", Bounds(50, 33, 19, 21), 6, blend=BlendMode.MULTIPLY),
        ),
        metadata={"recomposition_max_error": "0.002"},
        request={"method": "flat", "layers": "auto"},
    )


def opened(client: TestClient, document: Document | None = None) -> Session:
    """The client's session with a document open in it."""
    session = session_of(client)
    session.studio.open(
        document or drawn(), name="drawn", source=None, label="Opened", label_key="history.open"
    )
    return session


class Editor:
    """Edits as the page sends them, always of the current revision."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.document = client.get("/studio/state").json()["document"]

    def post(self, route: str, **body):
        answer = self.client.post(f"/studio/{route}", json=body)
        if answer.is_success and "document" in answer.json():
            self.document = answer.json()["document"]
        return answer

    def edit(self, command: str, *paths: str, merge: str | None = None, **args):
        body = {"command": command, "paths": list(paths), "args": args, "merge": merge}
        return self.post("edit", revision=self.document["revision"], **body)

    @property
    def labels(self) -> list[str]:
        return [entry["label"] for entry in self.document["history"]["entries"]]

    @property
    def names(self) -> list[str]:
        return [node["name"] for node in self.document["nodes"]]


def shown(editor: Editor, **query) -> np.ndarray:
    """The composite that the page would draw at the current revision."""
    place = {"x": 0, "y": 0, "w": editor.document["width"], "h": editor.document["height"]}
    query = {**place, "revision": editor.document["revision"], **query}
    answer = editor.client.get("/studio/render.png", params=query)
    assert answer.status_code == 200, answer.text
    return decoded(answer)


def decoded(answer) -> np.ndarray:
    """The pixels of an answer that is a PNG."""
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))
