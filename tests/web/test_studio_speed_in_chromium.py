"""How long a user waits, and what a long session costs. Opt-in: a busy machine says little."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import pytest
from pictures_to_upload import layered_file
from studio_page import StudioPage

from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds
from layerstudio.io import save

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]

START_S = 8.0
EDIT_MS = 300.0
MEMORY_MIB = 40  # what 200 edits may leave behind

# Runs an edit and answers after how many milliseconds the middle of the canvas looks different.
_UNTIL_SEEN = """async ([selector, value, key]) => {
  const canvas = document.querySelector(".ls-board-picture");
  const look = () => canvas.getContext("2d")
    .getImageData(canvas.width / 2, canvas.height / 2, 2, 2).data.join();
  const before = look();
  const control = document.querySelector(selector);
  const start = performance.now();
  if (key !== null) {
    const pressed = { key, code: key, shiftKey: true, bubbles: true, cancelable: true };
    control.dispatchEvent(new KeyboardEvent("keydown", pressed));
  } else if (value === null) control.click();
  else {
    control.value = value;
    control.dispatchEvent(new Event("input", { bubbles: true }));
    control.dispatchEvent(new Event("change", { bubbles: true }));
  }
  for (;;) {
    await new Promise(requestAnimationFrame);
    if (look() !== before) return performance.now() - start;
    if (performance.now() - start > 20000) return null;
  }
}"""
# 200 edits one after another, as the page sends them; the pictures follow by themselves.
_EDITS = """async () => {
  const post = (route, body) => fetch(`studio/${route}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  }).then((one) => one.json());
  let { document } = await fetch("studio/state").then((one) => one.json());
  const edit = async (command, args) => {
    const body = { revision: document.revision, command, paths: ["1"], args };
    ({ document } = await post("edit", body));
  };
  for (let turn = 0; turn < 50; turn += 1) {
    await edit("move", { dx: turn % 2 ? -7 : 7, dy: 3 - (turn % 7) });
    await edit("opacity", { value: 0.3 + 0.01 * turn });
    await edit("visible", { value: turn % 2 === 1 });
    await edit("adjust", { brightness: turn % 2 ? -0.1 : 0.1, contrast: 0, saturation: 0, hue: 5,
      temperature: 0, gamma: 1, invert: false });
  }
}"""


def _large_document(folder: Path) -> Path:
    """20 faint, soft layers of the whole canvas of 2048 x 2048, so that each of them shows."""
    rng = np.random.default_rng(1)
    bounds = Bounds(0, 0, 2048, 2048)
    layers = []
    for index in range(20):
        small = rng.integers(0, 256, (32, 32, 4), dtype=np.uint8)
        small[..., 3] = 255 if index == 0 else small[..., 3] // 6 + 8
        soft = cv2.resize(small, bounds.extent, interpolation=cv2.INTER_LINEAR)
        layers.append(Layer(f"layer {index}", bounds, np.asarray(soft, np.uint8)))
    path = folder / "large.ora"
    save(Document(bounds.extent, tuple(layers)), path)
    return path


def test_the_studio_can_be_used_soon_after_its_start(start_studio, pages) -> None:
    waits = []
    for _ in range(2):
        start = time.monotonic()
        StudioPage.open(pages, start_studio())
        waits.append(time.monotonic() - start)
    print(f"From the command to a usable page: {min(waits):.1f} s")
    assert min(waits) <= START_S


def test_edits_of_a_large_document_are_on_screen_soon(studio, pages, tmp_path) -> None:
    page = StudioPage.open(pages, studio)
    page.choose_file(_large_document(tmp_path))
    page.wait_for_document()
    waits: dict[str, list[float]] = {}

    def measure(kind: str, selector: str, value: int | None = None, key: str | None = None) -> None:
        seen = page.page.evaluate(_UNTIL_SEEN, [selector, value, key])
        assert seen is not None, kind
        waits.setdefault(kind, []).append(seen)
        page.settle()

    for path in ("19", "10", "0"):
        page.select(path)
        eye = f".ls-layer-tree [data-path='{path}'] [data-action=visible]"
        for turn in range(5):
            measure(f"visibility of {path}", eye)
            measure(f"visibility of {path}", eye)
            measure(f"opacity of {path}", ".ls-blending .ls-range", (20, 90)[turn % 2])
            key = ("ArrowRight", "ArrowLeft")[turn % 2]
            measure(f"move of {path}", "body", key=key)
    for kind, times in waits.items():
        print(f"{kind}: median {median(times):.0f} ms, least {min(times):.0f} ms")
    assert max(median(times) for times in waits.values()) <= EDIT_MS


def _resident_mib(pid: int) -> float:
    """Resident memory of a process (Linux)."""
    pages_held = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages_held * 4096 / 2**20


def test_memory_stays_flat_over_edits(start_studio, pages, tmp_path) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc")
    studio = start_studio()
    page = StudioPage.open(pages, studio)
    page.choose_file(layered_file(tmp_path))
    page.wait_for_document()
    pages.expected.append("409")  # pictures of revisions that are overtaken
    sizes = []
    for _ in range(3):
        page.page.evaluate(_EDITS)
        page.settle()
        sizes.append(_resident_mib(studio.process.pid))
    print("Resident MiB after each 200 edits:", [round(size) for size in sizes])
    assert sizes[-1] - sizes[0] <= MEMORY_MIB
