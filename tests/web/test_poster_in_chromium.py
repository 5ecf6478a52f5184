"""The bundled poster from a flat picture to a PSD, by hand in a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from studio_page import StudioPage, changed_share

import layerstudio.ui.web
from layerstudio.composite import composite_pixels
from layerstudio.io.files import open_document
from layerstudio.io.picture import read_picture

POSTER = Path(layerstudio.ui.web.__file__).parent / "samples" / "poster.png"

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def _path(document: dict, role: str) -> str:
    """The largest layer of a role."""
    nodes = [node for node in document["nodes"] if node["role"] == role]
    return max(nodes, key=lambda node: node["bounds"][2] * node["bounds"][3])["path"]


def _node(document: dict, path: str) -> dict:
    return document["nodes"][int(path)]


@pytest.fixture
def poster(studio, pages, picture) -> StudioPage:
    """The poster in layers."""
    opened = StudioPage.open(pages, studio)
    picture(opened.page, "start")
    opened.decompose_sample("Poster")
    picture(opened.page, "layers")
    return opened


def test_the_layers_show_the_poster(poster) -> None:
    document = poster.document()
    assert len(document["nodes"]) > 4
    assert document["method"] == "auto"
    assert document["recomposition_max_error"] <= 1.001 / 255
    assert len(poster.names()) == len(document["nodes"])
    assert poster.panel("status").get_by_text("Exact to 1/255").is_visible()
    layers = poster.screen()
    poster.page.keyboard.press("c")
    poster.page.get_by_role("slider", name="Before").press("End")
    # All of it is the source now; its signs "before" and "after" are the only difference.
    assert changed_share(layers, poster.screen()) < 0.02


def test_edits_show_and_are_undone(poster, picture) -> None:
    first = poster.screen()
    fruit = _path(poster.document(), "object")

    poster.toggle(fruit, "visible")
    hidden = poster.screen()
    assert not _node(poster.document(), fruit)["visible"]
    assert changed_share(first, hidden) > 0.02

    poster.toggle(fruit, "visible")
    assert changed_share(first, poster.screen()) == 0

    poster.press_on_layer(fruit, "Alt+Shift+ArrowDown")
    assert poster.document()["nodes"][0]["bounds"] == _node_bounds(poster, "0")
    behind = poster.screen()
    assert changed_share(first, behind) > 0.02
    poster.page.keyboard.press("Control+z")
    assert changed_share(first, poster.screen()) == 0

    x, y, w, h = _node(poster.document(), fruit)["bounds"]
    poster.select(fruit)
    poster.drag_canvas((x + w / 2, y + h / 2), (x + w / 2 - 200, y + h / 2 - 150))
    moved = _node(poster.document(), fruit)["bounds"]
    assert abs(moved[0] - x + 200) <= 8  # edges snap
    assert abs(moved[1] - y + 150) <= 8
    assert changed_share(first, poster.screen()) > 0.05
    poster.panel("layers").get_by_label("New colour").fill("#1060ff")
    poster.settle()
    blue = poster.screen()
    picture(poster.page, "editing")
    assert (blue[..., 2] > blue[..., 0].astype(int) + 60).mean() > 0.02

    steps = poster.document()["history"]
    assert len(steps["entries"]) >= 5
    for _ in range(steps["position"]):
        poster.page.get_by_role("button", name="Undo").first.click()
        poster.settle()
    assert poster.document()["history"]["can_undo"] is False
    assert changed_share(first, poster.screen()) == 0
    poster.page.get_by_role("tab", name="History").click()
    poster.page.locator(".ls-history-entry").last.click()
    assert changed_share(blue, poster.screen()) < 0.001


def _node_bounds(poster: StudioPage, path: str) -> list[int]:
    return _node(poster.document(), path)["bounds"]


def test_a_layer_is_split_into_a_group(poster, picture) -> None:
    first = poster.screen()
    fruit = _path(poster.document(), "object")
    poster.select(fruit)
    poster.panel("layers").get_by_role("button", name="Split again").click()
    dialog = poster.page.get_by_role("dialog")
    picture(poster.page, "split")
    dialog.get_by_role("button", name="Split", exact=True).click()
    poster.wait_for(lambda now: now["document"]["nodes"][int(fruit)]["kind"] == "group")
    poster.settle()
    group = _node(poster.document(), fruit)
    assert len(group["children"]) >= 2
    assert poster.row(group["children"][0]["path"]).is_visible()
    assert changed_share(first, poster.screen(), 4) < 0.01


def test_a_psd_is_taken_away_and_opened_again(poster, picture, tmp_path) -> None:
    shown = poster.screen()
    poster.page.get_by_role("button", name="Export", exact=True).click()
    dialog = poster.page.get_by_role("dialog")
    dialog.get_by_text("PSD", exact=False).first.wait_for()
    picture(poster.page, "export")
    download = poster.download(lambda: dialog.get_by_role("button", name="Export 1 file").click())
    assert download.suggested_filename == "poster.psd"
    path = tmp_path / "poster.psd"
    download.save_as(path)
    picture(poster.page, "exported")
    source = read_picture(POSTER)
    again = composite_pixels(open_document(path), dtype=np.uint8)
    np.testing.assert_allclose(again[..., :3], source.pixels[..., :3], atol=1)

    dialog.get_by_role("button", name="Close").click()
    before = poster.document()
    poster.choose_file(path)
    opened = poster.wait_for_document(other_than=before["id"])
    assert [node["name"] for node in opened["nodes"]] == [node["name"] for node in before["nodes"]]
    assert changed_share(shown, poster.screen()) < 0.001
