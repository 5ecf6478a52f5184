"""The studio's page as a user handles it, for tests in Chromium."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Download, FilePayload, Locator, Page
    from running_studio import RunningStudio
    from watched_pages import Pages

PATIENCE_S = 60.0  # for what a job does on busy cores
_MARGIN = 32  # around a canvas that is shown whole, see viewport.js
# What came is drawn in the next frame, and is on the screen after it.
_TWO_FRAMES = "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
_CALM = 3  # looks in a row at which nothing is on its way


class StudioPage:
    """One page with the studio ready on it. Places on the canvas are in canvas pixels and need the
    canvas shown whole, as it is at first and after ``fit``."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._fetching: set[Any] = set()
        page.on("request", self._begins)
        for event in ("requestfinished", "requestfailed"):
            page.on(event, self._ends)

    @classmethod
    def open(cls, pages: Pages, studio: RunningStudio, **options) -> StudioPage:
        """A page in a session of its own; ``options`` are Playwright's ``new_context``'s."""
        opened = cls(pages.open(**options))
        opened.page.goto(studio.address)
        opened.ready()
        return opened

    def ready(self) -> None:
        """Wait until the page can be used."""
        self.page.locator("#studio[data-ready=true]").wait_for(timeout=PATIENCE_S * 1000)

    def reload(self) -> None:
        self.page.reload()
        self.ready()

    # What the server knows

    def state(self) -> dict[str, Any]:
        return self.page.evaluate("() => fetch('studio/state').then((one) => one.json())")

    def document(self) -> dict[str, Any]:
        document = self.state()["document"]
        assert document is not None, "No document is open."
        return document

    def wait_for(
        self, wanted: Callable[[dict[str, Any]], bool], patience_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The state of the server once ``wanted`` holds of it."""
        ends = time.monotonic() + patience_s
        while not wanted(state := self.state()):
            assert time.monotonic() < ends, f"This did not come about: {state}"
            self.page.wait_for_timeout(100)
        return state

    # Ways in

    def decompose_sample(self, name: str = "Poster") -> dict[str, Any]:
        """One click on a sample of the first sight; its document."""
        self.start_sample(name)
        return self.wait_for_document()

    def start_sample(self, name: str = "Poster") -> None:
        self.page.locator(".ls-welcome .ls-sample", has_text=name).click()

    def choose_file(self, path: Path | FilePayload, way: str = "Open") -> None:
        """Give a file to the ``Decompose`` or ``Open`` tab of the start panel."""
        self.page.get_by_role("tab", name=way).click()
        with self.page.expect_file_chooser() as chooser:
            self.panel("start").get_by_role("button", name="Choose file").locator(
                "visible=true"
            ).click()
        chooser.value.set_files(path)

    def wait_for_document(self, other_than: str | None = None) -> dict[str, Any]:
        """The document, once there is one (with another id) and the page shows it."""
        state = self.wait_for(
            lambda now: now["document"] is not None and now["document"]["id"] != other_than
        )
        self.page.locator(".ls-layer-tree [role=treeitem]").first.wait_for()
        self.settle()
        return state["document"]

    # Panels and layers

    def panel(self, name: str) -> Locator:
        """A region of the page: header, tools, start, canvas, layers, status or notices."""
        return self.page.locator(f".ls-{name}").first

    def rows(self) -> Locator:
        return self.page.locator(".ls-layer-tree [role=treeitem]")

    def row(self, path: str) -> Locator:
        return self.page.locator(f".ls-layer-tree [role=treeitem][data-path='{path}']")

    def names(self) -> list[str]:
        """The names that the layer panel shows, top first."""
        return self.page.locator(".ls-layer-tree .ls-layer-name").all_inner_texts()

    def select(self, path: str) -> None:
        self.row(path).locator(".ls-layer-text").click()
        self.settle()

    def press_on_layer(self, path: str, keys: str) -> None:
        """Select a layer and press keys, in the layer panel."""
        self.select(path)
        self.row(path).press(keys)
        self.settle()

    def toggle(self, path: str, action: str) -> None:
        """Click the button ``visible``, ``lock`` or ``solo`` of a row."""
        row = self.row(path)
        row.hover()
        row.locator(f"[data-action={action}]").click()
        self.settle()

    def notices(self) -> str:
        """What the notices say now."""
        return self.panel("notices").inner_text()

    def download(self, press: Callable[[], None]) -> Download:
        with self.page.expect_download(timeout=PATIENCE_S * 1000) as download:
            press()
        return download.value

    # The canvas

    def fit(self) -> None:
        self.page.get_by_role("button", name="Fit to window").click()
        self.settle()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the canvas is on the screen."""
        box = self.page.locator(".ls-board").bounding_box()
        assert box is not None
        document = self.document()
        across = (box["width"] - 2 * _MARGIN) / document["width"]
        down = (box["height"] - 2 * _MARGIN) / document["height"]
        zoom = min(across, down, 8.0)
        left = round(box["width"] / 2 - document["width"] / 2 * zoom)
        top = round(box["height"] / 2 - document["height"] / 2 * zoom)
        return box["x"] + left + x * zoom, box["y"] + top + y * zoom

    def click_canvas(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))
        self.settle()

    def drag_canvas(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=6)
        self.page.mouse.up()
        self.settle()

    def screen(self) -> NDArray[np.uint8]:
        """The picture on the canvas as the screen shows it, (h, w, 3), without what the editor
        draws over it and without notices."""
        self.settle()
        style = ".ls-board-overlay, .ls-notices { visibility: hidden }"
        png = self.page.locator(".ls-board").screenshot(style=style, animations="disabled")
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def settle(self) -> None:
        """Wait until no edit and no picture is on its way."""
        calm, ends = 0, time.monotonic() + PATIENCE_S
        while calm < _CALM:
            assert time.monotonic() < ends, f"Still on their way: {self._fetching}"
            self.page.wait_for_timeout(40)
            busy = self.page.locator(".ls-busy").inner_text()
            calm = 0 if busy or self._fetching else calm + 1
        self.page.evaluate(_TWO_FRAMES)

    def _begins(self, request) -> None:
        if any(part in request.url for part in ("render.png", "sprite.png", "source.png")):
            self._fetching.add(request)

    def _ends(self, request) -> None:
        self._fetching.discard(request)


def changed_share(one: NDArray, other: NDArray, tolerance: int = 1) -> float:
    """Which part of two screens differs, 0 to 1, by more than ``tolerance`` of 255 levels."""
    different = np.abs(one.astype(int) - other).max(axis=2) > tolerance
    return float(different.mean())
