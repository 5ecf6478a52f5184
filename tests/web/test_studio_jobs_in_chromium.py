"""Jobs, sessions and reloads as a user sees them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pictures_to_upload import busy_picture, layered_file
from studio_page import StudioPage, changed_share

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def page(studio, pages) -> StudioPage:
    return StudioPage.open(pages, studio)


def _running(state: dict) -> bool:
    return any(job["state"] == "running" and job["stage"] for job in state["jobs"])


def _start_decomposing(page: StudioPage, folder: Path) -> None:
    page.choose_file(busy_picture(folder), way="Decompose")
    page.panel("start").get_by_text("busy.png").wait_for()
    page.panel("start").get_by_text("Automatic", exact=True).wait_for()
    page.page.get_by_role("button", name="Decompose", exact=True).click()
    page.wait_for(_running)


def _over(state: dict) -> bool:
    return all(job["state"] not in ("queued", "running") for job in state["jobs"])


def test_a_running_job_is_cancelled_and_the_next_one_runs(page, picture, tmp_path) -> None:
    _start_decomposing(page, tmp_path)
    picture(page.page, "decomposing")
    page.panel("stage").get_by_role("button", name="Cancel").click()
    state = page.wait_for(_over, patience_s=15)
    assert [job["state"] for job in state["jobs"]] == ["cancelled"]
    assert state["document"] is None
    page.page.get_by_text("Decomposing: cancelled.").wait_for()
    page.choose_file(layered_file(tmp_path))
    assert [node["name"] for node in page.wait_for_document()["nodes"]] == ["white", "red", "boxes"]


def test_a_reload_in_the_middle_finds_the_job_and_the_edits_again(page, tmp_path) -> None:
    page.choose_file(layered_file(tmp_path))
    first = page.wait_for_document()
    page.press_on_layer("1", "Control+j")
    page.select("2")
    before, shown = page.document(), page.screen()
    _start_decomposing(page, tmp_path)
    page.reload()
    page.panel("stage").get_by_role("progressbar").wait_for()
    page.panel("stage").get_by_role("button", name="Cancel").click()
    page.wait_for(_over)
    after = page.document()
    assert after == {**before, "id": first["id"]}
    assert after["selection"] == ["2"]
    assert page.row("2").get_attribute("aria-selected") == "true"
    page.page.get_by_role("button", name="Remove the picture").click()
    assert changed_share(shown, page.screen()) == 0
    page.page.get_by_role("button", name="Undo").first.click()
    page.settle()
    assert len(page.document()["nodes"]) == 3


def test_two_sessions_do_not_see_each_other(page, studio, pages, tmp_path) -> None:
    page.choose_file(layered_file(tmp_path))
    mine = page.wait_for_document()
    other = StudioPage.open(pages, studio)
    assert other.state()["document"] is None
    assert other.state()["jobs"] == []
    other.choose_file(layered_file(tmp_path, "theirs.psd"))
    theirs = other.wait_for_document()
    assert theirs["id"] != mine["id"]
    other.press_on_layer("1", "Delete")
    assert [node["name"] for node in other.document()["nodes"]] == ["white", "boxes"]
    assert page.document() == mine

    page.page.get_by_role("button", name="Export", exact=True).click()
    run = page.page.get_by_role("dialog").get_by_role("button", name="Export 1 file")
    page.download(run.click)
    (made,) = [job for job in page.state()["jobs"] if job["kind"] == "export"]
    url = made["result"]["files"][0]["url"]
    status = "(url) => fetch(url).then((one) => one.status)"
    assert page.page.evaluate(status, url) == 200
    pages.expected.append("404")
    assert other.page.evaluate(status, url) == 404


def test_two_tabs_of_one_session_show_the_same(page, tmp_path) -> None:
    page.choose_file(layered_file(tmp_path))
    page.wait_for_document()
    tab = StudioPage(page.page.context.new_page())
    tab.page.goto(page.page.url)
    tab.ready()
    tab.settle()
    assert tab.names() == page.names()
    page.toggle("1", "visible")
    tab.row("1").and_(tab.page.locator(".is-hidden")).wait_for()
    assert changed_share(page.screen(), tab.screen()) == 0
