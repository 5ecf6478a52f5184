"""What must not get through: sizes, markup in names, paths, and other people's pages."""

from __future__ import annotations

import json
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pictures_to_upload import layered_file, png_of_size
from studio_page import StudioPage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MARKUP = "<script>window.caught = 1</script><img src=x onerror='window.caught = 2'>"


@pytest.fixture
def page(studio, pages) -> StudioPage:
    return StudioPage.open(pages, studio)


def test_sixty_megapixels_are_refused_with_both_numbers(page, pages, picture) -> None:
    pages.expected.append("413")
    data = png_of_size(10_000, 6_000)
    page.choose_file({"name": "big.png", "mimeType": "image/png", "buffer": data}, way="Decompose")
    notice = page.panel("notices").get_by_role("alert")
    notice.wait_for()
    assert re.search(r"60[.,]0* ?|60,000,000|10000 x 6000", notice.inner_text())
    assert "50" in notice.inner_text()
    picture(page.page, "refused")
    assert page.state()["document"] is None
    small = {"name": "small.png", "mimeType": "image/png", "buffer": png_of_size(300, 200)}
    page.choose_file(small, way="Decompose")
    page.panel("start").get_by_text("300 × 200 px").wait_for()


def test_markup_in_names_is_text(page, tmp_path, picture) -> None:
    page.choose_file(layered_file(tmp_path, "<b>bold<b>.ora"))
    page.wait_for_document()
    page.select("1")
    page.row("1").press("F2")
    page.page.keyboard.insert_text(MARKUP)
    page.page.keyboard.press("Enter")
    page.wait_for(lambda now: now["document"]["nodes"][1]["name"] == MARKUP)
    page.settle()
    assert MARKUP in page.names()
    page.page.get_by_role("tab", name="History").click()
    page.page.keyboard.press("e")  # the exploded view has the names too
    page.page.locator(".ls-sheet").nth(1).hover(force=True)
    picture(page.page, "markup")
    page.page.keyboard.press("Escape")
    page.reload()
    page.settle()
    assert MARKUP in page.names()
    assert page.page.evaluate("() => window.caught") is None
    assert page.page.locator("#studio script, #studio img[src=x], #studio b").count() == 0

    page.select("1")
    page.page.get_by_role("tab", name="Properties").click()
    page.panel("layers").get_by_role("button", name="Export alone").click()
    run = page.page.get_by_role("dialog").get_by_role("button", name="Export", exact=True)
    name = page.download(run.click).suggested_filename
    assert not re.search(r"[<>:\"/\\|?*]", name), name


@pytest.mark.parametrize("name", ["../../../etc/evil.ora", "..\\..\\evil.ora", "a\0b.ora", ".ora"])
def test_names_that_point_elsewhere_stay_names(page, studio, tmp_path, name: str) -> None:
    data = layered_file(tmp_path).read_bytes()
    upload = """async ([name, bytes]) => {
        const form = new FormData();
        form.append("file", new File([new Uint8Array(bytes)], name));
        const answer = await fetch("studio/upload", { method: "POST", body: form });
        return (await answer.json()).upload;
    }"""
    taken = page.page.evaluate(upload, [name, list(data)])
    assert taken["kind"] == "document"
    assert not re.search(r"[/\\\0]", taken["name"]), taken
    assert not [
        path for path in studio.folder.rglob("*evil*") if studio.temporary not in path.parents
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/studio/static/../app.py",
        "/studio/static/..%2f..%2f..%2fpyproject.toml",
        "/studio/static/%2e%2e/%2e%2e/app.py",
        "/studio/static//etc/passwd",
        "/studio/thumb/..%2f..%2fetc%2fpasswd.png",
        "/studio/jobs/../../files/0/passwd",
        "/studio/upload/..%2f..%2fsecret.png",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=..%2f..%2fetc/passwd",
        "/file=/etc/passwd",
    ],
)
def test_paths_that_climb_lead_nowhere(studio, path: str) -> None:
    status, body = studio.request("GET", path)
    assert status in (400, 403, 404), (status, body[:80])
    assert b"root:" not in body
    assert b"create_app" not in body


def test_other_hosts_and_origins_are_refused(studio) -> None:
    status, _ = studio.request("GET", "/", headers={"Host": f"evil.example:{studio.port}"})
    assert status in (400, 403, 421)
    body = json.dumps({"paths": []}).encode()
    plain = {"Content-Type": "application/json"}
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{studio.port + 1}"):
        headers = {**plain, "Origin": origin}
        status, _ = studio.request("POST", "/studio/select", headers=headers, body=body)
        assert status == 403, origin
        status, _ = studio.request("GET", "/studio/state", headers={"Origin": origin})
        assert status == 403, origin


def test_a_page_of_another_origin_gets_nothing(page, studio, pages, tmp_path) -> None:
    """The browser sends the session's cookie along only if it is made to; the studio says no."""
    page.choose_file(layered_file(tmp_path))
    before = page.wait_for_document()
    (tmp_path / "index.html").write_text("<title>elsewhere</title>")
    handler = partial(_Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        other = page.page.context.new_page()
        other.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        pages.expected += ["403", "CORS", "ERR_FAILED", "frame", "Frame", "ERR_BLOCKED"]
        for attack in _ATTACKS:
            assert other.evaluate(attack, studio.address) == "refused", attack
        server.shutdown()
    assert page.document() == before


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args) -> None:
        pass


_READS = """async (studio) => {
    const options = { credentials: "include" };
    return fetch(studio + "/studio/state", options).then((one) => one.text(), () => "refused");
}"""
_WRITES = """async (studio) => {
    const options = { method: "POST", credentials: "include", body: "{}", mode: "no-cors" };
    const answer = await fetch(studio + "/studio/close", options).catch(() => null);
    return answer === null || answer.type === "opaque" ? "refused" : "went through";
}"""
_FRAMES = """(studio) => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.onload = () => {
        let inside = null;
        try { inside = frame.contentDocument; } catch { inside = null; }
        resolve(inside === null ? "refused" : "shown");
    };
    frame.src = studio;
    document.body.append(frame);
})"""
_ATTACKS = [_READS, _WRITES, _FRAMES]
