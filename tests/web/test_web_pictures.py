"""Pictures over the wire: what they show, what they cover, whose they are; picking by a point."""

import numpy as np
from studio_client import decoded, drawn, opened, shown

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.picture import Picture


def test_the_composite_is_the_documents_at_every_rectangle(editor):
    whole = composite_pixels(drawn())
    assert np.array_equal(shown(editor), whole)
    part = shown(editor, x=13, y=9, w=22, h=17)
    assert np.array_equal(part, whole[9:26, 13:35])
    behind = drawn().removed((2,))
    assert np.array_equal(shown(editor, without="2"), composite_pixels(behind))
    assert np.array_equal(shown(editor, without="1,2"), composite_pixels(behind.removed((1,))))


def test_pictures_say_what_they_cover_and_how_long_they_are_good(editor):
    revision = editor.document["revision"]
    named = editor.client.get(f"/studio/render.png?revision={revision}&x=-5&y=3&w=15&h=90&level=2")
    assert named.headers["x-bounds"] == "0,0,12,48"
    assert decoded(named).shape == (12, 3, 4)
    assert "immutable" in named.headers["cache-control"]
    now = editor.client.get("/studio/render.png?x=0&y=0&w=5&h=5")
    assert now.headers["cache-control"] == "private, no-store"
    off = editor.client.get("/studio/render.png?x=500&y=0&w=5&h=5")
    assert decoded(off).shape == (1, 1, 4) and off.headers["x-bounds"].endswith(",0,0")
    for query in ("x=0&y=0&w=5", "x=a&y=0&w=5&h=5", "x=0&y=0&w=-5&h=5", "x=0&y=0&w=5&h=5&level=40",
                  "x=0&y=0&w=1e30&h=5", "x=0&y=0&w=5&h=5&without=a"):  # fmt: skip
        answer = editor.client.get(f"/studio/render.png?{query}")
        assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "InvalidRequest")
    assert editor.client.get("/studio/render.png?x=0&y=0&w=5&h=5&without=9").status_code == 404
    stale = editor.client.get("/studio/render.png?x=0&y=0&w=5&h=5&revision=77")
    assert stale.status_code == 409


def test_a_picture_of_the_last_revision_still_comes(editor):
    revision = editor.document["revision"]
    before = shown(editor)
    editor.edit("delete", "4")
    assert np.array_equal(shown(editor, revision=revision), before)


def test_sprites_and_mattes_are_of_one_node(editor):
    sprite = editor.client.get("/studio/sprite.png?path=2")
    assert sprite.headers["x-bounds"] == "20,5,17,12"
    pixels = decoded(sprite)
    matte = decoded(editor.client.get("/studio/matte.png?path=2"))
    assert pixels.shape == (12, 17, 4) and np.array_equal(matte, pixels[..., 3])
    assert editor.client.get("/studio/sprite.png?path=1&level=1").status_code == 200
    for path, status in (("8", 404), ("0.0", 404), ("", 400), ("a", 400)):
        assert editor.client.get(f"/studio/sprite.png?path={path}").status_code == status
    editor.edit("add_layer", "4")
    assert decoded(editor.client.get("/studio/sprite.png?path=5")).shape == (1, 1, 4)


def test_thumbnails_are_of_the_sessions_document_only(editor):
    key = editor.document["nodes"][2]["thumb"]
    thumb = editor.client.get(f"/studio/thumb/{key}.png")
    assert thumb.status_code == 200 and "immutable" in thumb.headers["cache-control"]
    editor.edit("opacity", "2", value=0.5)
    assert editor.document["nodes"][2]["thumb"] == key
    editor.edit("adjust", "2", invert=True)
    assert editor.document["nodes"][2]["thumb"] != key
    for other in ("0" * 32, "x", "..%2f..%2fetc%2fpasswd", key.upper() + "1"):
        assert editor.client.get(f"/studio/thumb/{other}.png").status_code == 404


def test_layers_shown_alone(editor):
    editor.edit("visible", "4", value=False)
    answer = editor.post("solo", paths=["4"]).json()
    assert answer["document"]["solo"] == ["4"] and answer["dirty"] == [0, 0, 61, 47]
    assert editor.labels == ["Opened", "Hide"]
    alone = shown(editor)
    assert alone[:33, :, 3].max() == 0 and alone[33:, 50:, 3].min() == 255
    assert editor.client.post("/studio/pick", json={"x": 2, "y": 2}).json() == {"path": None}
    assert editor.post("solo", paths=["6"]).status_code == 400
    assert editor.post("solo", paths=[]).json()["document"]["solo"] == []


def test_picking_goes_down_the_stack_and_round(editor):
    def pick(**more):
        body = {"revision": editor.document["revision"], "x": 10.7, "y": 12.2, **more}
        return editor.client.post("/studio/pick", json=body)

    found = []
    for _ in range(4):
        path = pick(again=bool(found)).json()["path"]
        found.append(path)
        editor.post("select", paths=[path])
    assert found == ["1.1", "1.0", "0", "1.1"]
    assert pick(x=-4).json() == {"path": None}
    for bad in ({"x": "1"}, {"x": None}, {"y": 1e12}, {"again": 1}, {"x": True}):
        assert pick(**bad).status_code == 400


def test_the_source_is_there_for_comparison(editor):
    assert editor.client.get("/studio/source.png").status_code == 404
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (31, 43, 4)).astype(np.uint8)
    pixels[..., 3] = 255
    document = Document(Extent(43, 31), (Layer("all", Bounds(0, 0, 43, 31), pixels),))
    opened(editor.client)
    session = opened(editor.client)
    session.studio.open(
        document, name="b", source=Picture(pixels), label="Made", label_key="history.decompose"
    )
    assert editor.client.get("/studio/state").json()["document"]["has_source"]
    answer = editor.client.get("/studio/source.png")
    assert np.array_equal(decoded(answer), pixels)
    assert decoded(editor.client.get("/studio/source.png?level=1")).shape == (16, 22, 4)
    editor.post("undo")
    assert editor.client.get("/studio/source.png").status_code == 404
