"""The web page: one safe file, whose picture is the composite and whose controls work."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from slide_documents import (
    EXTENT,
    background,
    chromium_shot,
    difference,
    program,
    rich_document,
    text_layer,
)

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Group
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Extent
from layerstudio.io.files import save_with_notes
from layerstudio.io.html import write
from layerstudio.io.recipe import from_json

NASTY = '</script><script>alert(1)</script><img src=x onerror="alert(2)">\'&amp;'
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Elements as (tag, attributes), texts of scripts by id, and whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.open: list[str] = []
        self.script: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.script = dict(attrs).get("id") or "code"

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.script = None

    def handle_data(self, data):
        if self.script:
            self.scripts[self.script] = self.scripts.get(self.script, "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(document: Document, path, **options) -> Page:
    save_with_notes(document, path, **options)
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page


def dom_after(path, script: str) -> str:
    """The page's markup after ``script`` ran in it."""
    changed = path.with_name("driven.html")
    text = path.read_text(encoding="utf-8")
    changed.write_text(
        text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8"
    )
    command = [program("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]
    command += ["--no-first-run", "--disable-background-networking", "--disable-component-update"]
    command += ["--disable-sync", f"--user-data-dir={path.parent / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, changed.as_uri()], check=True, capture_output=True, timeout=120
    )
    return done.stdout.decode()


def test_every_layer_is_a_picture_at_its_place(tmp_path):
    document = rich_document()
    page = page_of(document, tmp_path / "a.html")
    tree = json.loads(page.scripts["tree-data"])
    names = [node["name"] for node in tree["children"]]
    assert names == [node.name for node in document.children]
    inner = tree["children"][2]["children"][0]
    assert inner["blend"] == "normal" and inner["name"] == "in group"  # its group is isolated
    assert tree["children"][1]["blend"] == "screen"
    hidden = next(d for d in page.all("div") if d.get("id") == "plane-7")
    assert "hidden" in hidden
    alts = [image["alt"] for image in page.all("img")]
    assert '"quoted" & <script>' in alts and "Überlappung 図" in alts and "empty" not in alts
    source = page.all("img")[0]["src"] or ""
    picture = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))
    assert picture.size == EXTENT


def test_nothing_in_a_name_becomes_markup(tmp_path):
    text = text_layer()
    assert text.text is not None
    nasty_text = replace(text, text=replace(text.text, string=NASTY, font=NASTY))
    document = Document(
        EXTENT,
        (replace(background(), name=NASTY), Group(NASTY, (nasty_text,)), background()),
        metadata={"title": NASTY},
        request={"prompt": NASTY},
    )
    page = page_of(document, tmp_path / "a.html")
    assert len(page.all("script")) == 3
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert page.all("img")[0]["alt"] == NASTY
    assert json.loads(page.scripts["tree-data"])["children"][0]["name"] == NASTY
    recipe = from_json(page.scripts["recipe-data"])
    assert recipe is not None and recipe.request == document.request


def test_names_with_template_tokens_and_lone_surrogates(tmp_path):
    document = Document(EXTENT, (replace(background(), name="{{css}} \ud800 \x00"),))
    page = page_of(document, tmp_path / "a.html", title="{{js}}")
    assert page.all("img")[0]["alt"] == "{{css}}  "
    assert page.all("h1")[0]["title"] == "{{js}}"


def test_the_page_asks_nobody_for_anything(tmp_path):
    page = page_of(rich_document(), tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    policy = next(m for m in page.all("meta") if "http-equiv" in m)
    assert (policy["content"] or "").startswith("default-src 'none'")
    for tag, attributes in page.elements:
        for key in ("src", "href", "srcset", "data", "action"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:", "#")), (tag, key, value)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", text)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_chromium_shows_the_composite(tmp_path, dtype):
    document = rich_document(dtype)
    save_with_notes(document, tmp_path / "a.html")
    shot = chromium_shot((tmp_path / "a.html").as_uri() + "#embed", EXTENT, tmp_path)
    # Chromium rounds premultiplied colours to 8 bits after every layer that blends.
    assert difference(shot, composite_pixels(document, dtype=np.uint8)) <= 3


def test_the_controls_work(tmp_path):
    save_with_notes(rich_document(), tmp_path / "a.html")
    script = """
      const rows = [...document.querySelectorAll(".row")];
      const row = (name) => rows.find((r) => r.querySelector("b").textContent === name);
      row("masked").querySelector(".eye").click();
      document.getElementById("spread").value = 100;
      document.getElementById("spread").dispatchEvent(new Event("input"));
      const report = { rows: rows.length, off: [], names: [] };
      document.querySelectorAll(".plane").forEach((p) => p.hidden && report.off.push(p.id));
      report.apart = getComputedStyle(document.getElementById("plane-5")).transform;
      row("vivid").querySelector(".pick").click();
      const planes = [...document.querySelectorAll(".plane")];
      report.alone = planes.filter((p) => !p.hidden).map((p) => p.id);
      report.save = row("vivid").querySelector("a[download]").download;
      report.buttons = [...document.querySelectorAll("button, input, a")]
        .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim())).length;
      document.body.innerHTML = "<pre id=report></pre>";
      document.getElementById("report").textContent = JSON.stringify(report);
    """
    found = re.search(r'<pre id="report">(.*?)</pre>', dom_after(tmp_path / "a.html", script))
    assert found is not None
    report = json.loads(found[1])
    assert report["rows"] == 13
    assert report["off"] == ["plane-3", "plane-7"]
    assert report["apart"].startswith("matrix3d")
    assert report["alone"] == ["plane-6"]
    assert report["save"] == "vivid.png"
    assert report["buttons"] == 0


def test_pointer_and_keys_on_the_picture(tmp_path):
    save_with_notes(rich_document(), tmp_path / "a.html")
    script = """
      const stage = document.getElementById("stage"), scene = document.getElementById("scene");
      stage.setPointerCapture = () => {};  // refuses pointers that no hand moves
      const at = (x, y) => {
        const box = scene.getBoundingClientRect();
        return { clientX: box.left + box.width * x / 157, clientY: box.top + box.height * y / 111 };
      };
      const send = (kind, place) => stage.dispatchEvent(
        new PointerEvent(kind, { pointerId: 1, bubbles: true, ...place }));
      const shown = () => [...document.querySelectorAll(".plane")]
        .filter((p) => !p.hidden).map((p) => p.id);
      const press = (key) => stage.dispatchEvent(
        new KeyboardEvent("keydown", { key, bubbles: true }));
      const report = {};
      send("pointerdown", at(150.5, 100.5)); send("pointerup", at(150.5, 100.5));
      report.dot = shown();
      press("Escape");
      report.all = shown().length;
      const before = scene.style.transform;
      send("pointerdown", at(80, 50)); send("pointermove", at(90, 60));
      send("pointerup", at(90, 60));
      report.moved = scene.style.transform !== before && shown().length === report.all;
      press("+");
      report.zoomed = document.getElementById("zoom").textContent;
      press("0");
      report.reset = scene.style.transform === before;
      document.body.innerHTML = "<pre id=report></pre>";
      document.getElementById("report").textContent = JSON.stringify(report);
    """
    found = re.search(r'<pre id="report">(.*?)</pre>', dom_after(tmp_path / "a.html", script))
    assert found is not None
    report = json.loads(found[1])
    assert report["dot"] == ["plane-10"]
    assert report["all"] == 11
    assert report["moved"] and report["reset"]
    assert int(report["zoomed"].split()[0]) > 100


@pytest.mark.parametrize("text", ["live", "pixels"])
def test_text_can_be_selected_over_its_pixels(tmp_path, text):
    page = page_of(Document(EXTENT, (text_layer(),)), tmp_path / "a.html", text=text)
    assert len(page.all("img")) == 1
    assert len(page.all("tspan")) == (2 if text == "live" else 0)
    assert all(words["fill"] == "transparent" for words in page.all("text"))


def test_text_is_live_or_pixels(tmp_path):
    with pytest.raises(InvalidRequest):
        write(rich_document(), tmp_path / "a.html", text="curves")


@pytest.mark.parametrize("children", [(), (Group("nothing"),)])
def test_empty_documents(tmp_path, children):
    page = page_of(Document(Extent(3, 1), children), tmp_path / "a.html")
    assert page.all("img") == []
