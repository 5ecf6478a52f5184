"""Every state of the page in both themes, three languages and at a phone's width: nothing without a
name, nothing too faint, nothing off the screen, no key in the place of its text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pictures_to_upload import layered_file
from studio_page import StudioPage

import layerstudio.ui.web

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PHONE = {"width": 390, "height": 844}

STRINGS = Path(layerstudio.ui.web.__file__).parent / "static" / "strings"
INSPECTION = Path(__file__).with_name("page_inspection.js").read_text(encoding="utf-8")
KEYS = [
    key
    for name in ("en.json", "editor.en.json")
    for key in json.loads((STRINGS / name).read_text(encoding="utf-8"))
]


def _inspect(page: StudioPage) -> None:
    """What holds in every state."""
    assert page.page.evaluate(INSPECTION, KEYS) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_states_of_the_editor(studio, pages, picture, tmp_path, theme: str) -> None:
    page = StudioPage.open(pages, studio, color_scheme=theme)

    def look(name: str) -> None:
        page.settle()
        picture(page.page, f"{name}-{theme}")
        _inspect(page)

    look("first-sight")
    for way in ("Generate", "Open"):
        page.page.get_by_role("tab", name=way).click()
        look(way.lower())
    page.page.get_by_role("tab", name="Decompose").click()
    page.panel("start").get_by_role("button", name="Change").click()
    look("methods")
    page.page.keyboard.press("Escape")

    page.decompose_sample("Illustration")
    look("document")
    page.rows().nth(0).locator(".ls-layer-text").click()
    look("selected")
    for tab in ("Adjust", "History", "Properties"):
        page.page.get_by_role("tab", name=tab).click()
        look(tab.lower())
    page.page.locator(".ls-board").focus()
    for keys, name in (
        ("b", "brush"),
        ("m", "box"),
        ("e", "exploded"),
        ("e", ""),
        ("c", "compare"),
    ):
        page.page.keyboard.press(keys)
        if name:
            look(name)
    page.page.keyboard.press("c")
    page.rows().nth(1).click(button="right")
    page.page.get_by_role("menu").wait_for()
    look("menu")
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("?")
    page.page.get_by_role("dialog").wait_for()
    look("shortcuts")
    page.page.keyboard.press("Escape")
    page.page.get_by_role("dialog").wait_for(state="detached")
    page.page.get_by_role("button", name="Export", exact=True).click()
    page.page.get_by_role("tab", name="Recipe").click()
    page.page.get_by_text("layerstudio decompose").first.wait_for()
    look("recipe")


@pytest.mark.parametrize(("locale", "lang"), [("zh-CN", "zh-Hans"), ("ja-JP", "ja")])
def test_other_languages(studio, pages, picture, tmp_path, locale: str, lang: str) -> None:
    page = StudioPage.open(pages, studio, locale=locale)
    assert page.page.evaluate("() => document.documentElement.lang") == lang
    _inspect(page)
    page.page.locator(".ls-welcome .ls-sample").first.click()
    page.wait_for_document()
    page.rows().nth(0).locator(".ls-layer-text").click()
    page.settle()
    picture(page.page, f"document-{lang}")
    _inspect(page)
    page.page.keyboard.press("?")
    page.page.get_by_role("dialog").wait_for()
    _inspect(page)


def test_a_phone_shows_one_panel_at_a_time(studio, pages, picture) -> None:
    page = StudioPage.open(pages, studio, viewport=PHONE, has_touch=True, is_mobile=True)
    picture(page.page, "phone-first")
    _inspect(page)
    page.page.locator(".ls-welcome .ls-sample").first.tap()
    page.wait_for(lambda now: now["document"] is not None)
    page.settle()
    assert page.page.locator(".ls-board").is_visible()
    picture(page.page, "phone-canvas")
    _inspect(page)
    for name in ("Layers", "Start", "Canvas"):
        page.panel("tabs").get_by_role("button", name=name).tap()
        page.settle()
        picture(page.page, f"phone-{name.lower()}")
        _inspect(page)
    board = page.page.locator(".ls-board").bounding_box()
    assert board is not None
    assert board["width"] > 0.9 * PHONE["width"]


def test_all_goes_by_keyboard(studio, pages, tmp_path) -> None:
    """From the first sight to a layer hidden, moved up and renamed, without a pointer."""
    page = StudioPage.open(pages, studio)
    page.choose_file(layered_file(tmp_path))
    page.wait_for_document()
    seen = []
    for _ in range(60):
        page.page.keyboard.press("Tab")
        seen.append(page.page.evaluate("() => document.activeElement.getAttribute('role')"))
        if seen[-1] == "treeitem":
            break
    assert seen[-1] == "treeitem", seen
    press = page.page.keyboard.press
    press("End")  # white, the lowest
    press("ArrowUp")
    page.settle()
    assert page.document()["selection"] == ["1"]
    for keys in ("Control+,", "Alt+ArrowUp", "F2"):
        press(keys)
        page.settle()
    page.page.keyboard.insert_text("By keyboard")
    press("Enter")
    page.settle()
    (found,) = [one for one in _walk(page.document()["nodes"]) if one["name"] == "By keyboard"]
    assert found["visible"] is False
    assert found["path"] != "1"
    focused = page.page.evaluate("() => document.activeElement.dataset.path")
    assert focused == found["path"]


def _walk(nodes: list[dict]):
    for node in nodes:
        yield node
        yield from _walk(node.get("children", []))


def test_a_broken_file_is_told_in_a_sentence(studio, pages, picture, tmp_path) -> None:
    page = StudioPage.open(pages, studio)
    pages.expected.append("status of 400")
    broken = tmp_path / "broken.psd"
    broken.write_bytes(layered_file(tmp_path, "sound.psd").read_bytes()[:900])
    page.choose_file(broken)
    notice = page.panel("notices").get_by_role("alert")
    notice.wait_for()
    assert "broken.psd" in notice.inner_text()
    assert "Traceback" not in notice.inner_text()
    picture(page.page, "broken")
    page.choose_file(layered_file(tmp_path))
    page.wait_for_document()
