"""The editor's own gestures in a browser: handles, snapping, brush, layer tree, sliders, marks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from studio_page import StudioPage

from layerstudio.document import Document, Group, Layer
from layerstudio.geometry import Bounds, Extent

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WHITE, RED, BLUE, GREEN = (250, 250, 250), (200, 30, 40), (30, 60, 190), (40, 160, 70)
NAME = "<script>window.broken = true</script>"


def _layer(name: str, bounds: tuple[int, int, int, int], colour: tuple[int, int, int]) -> Layer:
    place = Bounds(*bounds)
    pixels = np.full((place.height, place.width, 4), (*colour, 255), np.uint8)
    return Layer(name=name, bounds=place, pixels=pixels)


def _document() -> Document:
    """An odd, non-square canvas: a plate, a group of two, two squares."""
    inner = (_layer("Low", (420, 300, 60, 40), GREEN), _layer("High", (500, 310, 50, 45), GREEN))
    return Document(
        extent=Extent(641, 487),
        children=(
            _layer("Plate", (0, 0, 641, 487), WHITE),
            Group(name="Pair", children=inner),
            _layer("Red", (100, 80, 120, 90), RED),
            _layer(NAME, (300, 60, 101, 77), BLUE),
        ),
    )


@pytest.fixture
def editor(studio, pages, tmp_path: Path) -> StudioPage:
    path = tmp_path / "squares.ora"
    _document().save(path)
    opened = StudioPage.open(pages, studio)
    opened.choose_file(path)
    opened.wait_for_document()
    return opened


def _bounds(editor: StudioPage, name: str) -> list[int]:
    found = [node for node in editor.document()["nodes"] if node["name"] == name]
    return found[0]["bounds"]


def _steps(editor: StudioPage) -> list[str]:
    return [entry["label"] for entry in editor.document()["history"]["entries"]]


def _colour(editor: StudioPage, x: float, y: float) -> list[int]:
    """What the screen shows at a point of the canvas."""
    box = editor.page.locator(".ls-board").bounding_box()
    across, down = editor.at(x, y)
    return editor.screen()[int(down - box["y"]), int(across - box["x"])].tolist()


def _near(one: list[int], other: tuple[int, ...], by: int = 8) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= by


def _back(editor: StudioPage) -> None:
    """To the document as it was opened, with the selection tool."""
    editor.page.keyboard.press("v")
    for _ in range(editor.document()["history"]["position"]):
        editor.page.keyboard.press("Control+z")
    editor.settle()


# A page takes seconds to load, so gestures of one kind share one.
def test_layers_are_moved_scaled_and_turned_on_the_canvas(editor) -> None:
    _scale_and_turn(editor)
    _back(editor)
    _snap_and_give_up(editor)
    _back(editor)
    _nudge(editor)


def _scale_and_turn(editor: StudioPage) -> None:
    """Corners keep the proportions; shift turns by 15 degrees at a time."""
    editor.click_canvas(160, 120)
    assert editor.document()["selection"] == ["2"]
    editor.drag_canvas((220, 170), (280, 215))
    x, y, w, h = _bounds(editor, "Red")
    assert (x, y) == (100, 80)
    assert w == pytest.approx(180, abs=3)
    assert h == pytest.approx(135, abs=3)

    middle, top = editor.at(x + w / 2, y)
    editor.page.mouse.move(middle, top - 26)
    editor.page.mouse.down()
    editor.page.keyboard.down("Shift")
    # To the right of the middle is a quarter turn; a little off it is still one.
    right, centre = editor.at(x + w / 2 + 150, y + h / 2)
    editor.page.mouse.move(right, centre + 7, steps=5)
    editor.page.mouse.up()
    editor.page.keyboard.up("Shift")
    editor.settle()
    turned = _bounds(editor, "Red")
    assert turned[2] == pytest.approx(h, abs=2)
    assert turned[3] == pytest.approx(w, abs=2)
    assert _steps(editor)[1:] == ["Transform", "Transform"]


def _snap_and_give_up(editor: StudioPage) -> None:
    """Edges attract unless Ctrl is held; Esc puts a dragged layer back."""
    editor.select("2")
    editor.drag_canvas((160, 120), (63, 120))
    assert _bounds(editor, "Red")[0] == 0  # 3 pixels off the edge
    editor.page.keyboard.press("Control+z")
    editor.settle()
    editor.page.keyboard.down("Control")
    editor.drag_canvas((160, 120), (63, 120))
    editor.page.keyboard.up("Control")
    assert _bounds(editor, "Red")[0] in (2, 3, 4)

    before = _bounds(editor, "Red")
    editor.page.mouse.move(*editor.at(60, 120))
    editor.page.mouse.down()
    editor.page.mouse.move(*editor.at(200, 200), steps=4)
    editor.page.keyboard.press("Escape")
    editor.page.mouse.up()
    editor.settle()
    assert _bounds(editor, "Red") == before
    assert editor.document()["selection"] == ["2"]


def _nudge(editor: StudioPage) -> None:
    """Arrow keys in a row are one step of the history."""
    editor.select("2")
    editor.page.locator(".ls-board").focus()
    for keys in ("ArrowRight", "ArrowRight", "Shift+ArrowDown"):
        editor.page.keyboard.press(keys)
    editor.settle()
    assert _bounds(editor, "Red")[:2] == [102, 90]
    assert _steps(editor)[1:] == ["Move"]


def test_pixels_are_changed_by_brush_and_sliders(editor) -> None:
    editor.click_canvas(160, 120)
    editor.page.keyboard.press("b")
    editor.drag_canvas((110, 125), (210, 125))
    assert _near(_colour(editor, 160, 125), WHITE)
    assert _near(_colour(editor, 160, 90), RED)
    assert _steps(editor)[1:] == ["Erase"]
    editor.page.keyboard.press("x")
    editor.drag_canvas((110, 125), (210, 125))
    assert _near(_colour(editor, 160, 125), RED)
    assert _steps(editor)[1:] == ["Erase", "Restore"]

    _back(editor)
    editor.select("2")
    editor.page.get_by_role("tab", name="Adjust").click()
    for name, presses in (("Brightness", 12), ("Contrast", 7)):
        slider = editor.page.get_by_role("slider", name=name)
        for _ in range(presses):
            slider.press("ArrowRight")
    editor.settle()
    assert _steps(editor)[1:] == ["Adjust"]
    assert not _near(_colour(editor, 160, 120), RED, 2)
    editor.page.keyboard.press("Control+z")
    editor.settle()
    assert _near(_colour(editor, 160, 120), RED, 1)
    assert editor.page.get_by_role("slider", name="Brightness").input_value() == "0"


def test_layers_are_dragged_moved_by_keys_and_renamed(editor) -> None:
    assert editor.names() == [NAME, "Red", "Pair", "High", "Low", "Plate"]
    row, group = editor.row("2").bounding_box(), editor.row("1").bounding_box()
    editor.page.mouse.move(row["x"] + 130, row["y"] + 20)
    editor.page.mouse.down()
    editor.page.mouse.move(group["x"] + 130, group["y"] + group["height"] / 2, steps=6)
    editor.page.mouse.up()
    editor.settle()
    assert editor.names() == [NAME, "Pair", "Red", "High", "Low", "Plate"]
    assert editor.document()["selection"] == ["1.2"]

    editor.row("1.2").press("Alt+ArrowDown")
    editor.settle()
    assert editor.names() == [NAME, "Pair", "High", "Red", "Low", "Plate"]
    said = editor.page.locator("[role=status].ls-unseen")
    assert said.inner_text() == "Red: 2 of 3"
    focused = editor.page.evaluate("() => document.activeElement.dataset.path")
    assert focused == "1.1"

    assert editor.page.evaluate("() => window.broken") is None
    editor.row("1.1").press("F2")
    editor.page.keyboard.type("Rot 赤")
    editor.page.keyboard.press("Enter")
    editor.settle()
    assert editor.names()[3] == "Rot 赤"
    assert editor.page.evaluate("() => document.activeElement.dataset.path") == "1.1"
    editor.page.keyboard.type("lo")
    editor.settle()
    assert editor.document()["selection"] == ["1.0"]
    editor.page.wait_for_timeout(800)  # the word is over, and a letter is a tool again
    editor.page.keyboard.type("b")
    assert editor.page.locator(".ls-board").get_attribute("data-tool") == "brush"
    assert editor.document()["selection"] == ["1.0"]


def test_marks_are_typed_and_the_stack_is_used_by_keyboard(editor) -> None:
    editor.page.keyboard.press("m")
    editor.drag_canvas((310, 70), (390, 130))
    bar = editor.page.get_by_role("toolbar", name="Tool options")
    width = bar.get_by_role("textbox", name="Width, pixels")
    assert int(width.input_value()) == pytest.approx(80, abs=2)
    width.fill("50")
    width.press("Enter")
    assert bar.get_by_role("button", name="Box 1").get_attribute("aria-pressed") == "true"
    bar.get_by_role("button", name="Box 1").focus()
    editor.page.keyboard.press("Delete")
    assert bar.get_by_role("button", name="Box 1").count() == 0
    assert len(editor.document()["nodes"]) == 4

    editor.page.keyboard.press("p")
    bar.get_by_role("textbox", name="Left edge, pixels").fill("33")
    bar.get_by_role("textbox", name="Left edge, pixels").press("Enter")
    bar.get_by_role("button", name="Add a mark").click()
    assert bar.get_by_role("button", name="Point 1").is_visible()

    editor.page.keyboard.press("Escape")
    editor.page.keyboard.press("e")
    stack = editor.page.get_by_role("group", name="Stack in 3-D")
    stack.wait_for()
    stack.get_by_role("button", name="Red").focus()
    editor.page.keyboard.press("Enter")
    editor.settle()
    assert editor.document()["selection"] == ["2"]
    editor.page.keyboard.press("Escape")
    assert not stack.is_visible()
