"""The studio as its users meet it: ``layerstudio ui`` as a process, and pages of a real Chromium.

A page fails its test by any error on its console and by any request to another host. Pages share
one studio and a session each. Tests that use them are marked ``browser``, opt-in, and belong in
``pytest.mark.xdist_group("browser")``, because a browser and a studio fill two cores.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from running_studio import RunningStudio
from studio_client import Editor, another, opened, running
from watched_pages import Pages

# What takes Chromium's own business off the network and makes it run as root in containers.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images" / "studio"
WANT_PICTURES = "LAYERSTUDIO_SCREENSHOTS"  # set to 1 to have docs/images/studio taken anew


@pytest.fixture(scope="session")
def start_studio(tmp_path_factory) -> Iterator[Callable[..., RunningStudio]]:
    """Call with options of ``layerstudio ui`` for a studio of one's own; all end with the tests."""
    started: list[RunningStudio] = []

    def start(*options: str) -> RunningStudio:
        started.append(RunningStudio(tmp_path_factory.mktemp("studio"), options))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for studio in started:
        studio.stop()


@pytest.fixture(scope="session")
def studio(start_studio) -> RunningStudio:
    """The studio that all pages share."""
    return start_studio()


@pytest.fixture(scope="module")
def chromium():
    """A browser. Of a module, because Playwright keeps an event loop running in this thread, in
    which other tests could not start theirs."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def pages(chromium) -> Iterator[Pages]:
    """Opens pages, each in a browser session of its own, and judges them in the end."""
    opened = Pages(chromium)
    yield opened
    opened.close()
    assert opened.troubles() == []


@pytest.fixture
def picture() -> Callable[..., None]:
    """``picture(page, name)`` keeps what a page shows as ``docs/images/studio/NAME.png``, when the
    environment asks for it; otherwise it does nothing."""

    def keep(page, name: str) -> None:
        if os.environ.get(WANT_PICTURES):
            PICTURES.mkdir(parents=True, exist_ok=True)
            png = page.screenshot(animations="disabled")
            # A third of the bytes, and no difference that one would see on a page of the docs.
            shown = Image.open(io.BytesIO(png)).convert("RGB").quantize(256)
            shown.save(PICTURES / f"{name}.png", optimize=True)

    return keep


@pytest.fixture(scope="module")
def app_client():
    with running(max_sessions=1000) as client:
        yield client


@pytest.fixture
def editor(app_client) -> Editor:
    """A session of its own with the drawn document."""
    client = another(app_client)
    opened(client)
    return Editor(client)
