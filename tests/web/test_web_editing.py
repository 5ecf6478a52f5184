"""Editing over the wire: every command, what is refused, history, and pictures that follow."""

import numpy as np
import pytest
from studio_client import EXTENT, Editor, another, layer, opened, running, shown

from layerstudio.document import Document
from layerstudio.geometry import Bounds, Extent
from layerstudio.ui.web.commands import COMMANDS

# A sound call of each command, on "masked" (2) if not on another node; and arguments that are not.
STROKE = [[22, 8, 1], [30, 12, 0.5]]
CALLS = {
    "rename": (["2"], {"name": "<script>alert(1)</script>"}),
    "visible": (["2"], {"value": False}),
    "lock": (["2"], {"value": True}),
    "opacity": (["2"], {"value": 0.25}),
    "blend": (["2"], {"value": "screen"}),
    "clip": (["2"], {"value": True}),
    "reorder": (["4"], {"to": {"parent": "1", "index": 1}}),
    "raise": (["2"], {}),
    "lower": (["2"], {}),
    "to_top": (["2"], {}),
    "to_bottom": (["2"], {}),
    "group": (["2", "3"], {"name": "both"}),
    "ungroup": (["1"], {}),
    "duplicate": (["2"], {}),
    "delete": (["2", "1.0"], {}),
    "merge": (["2", "3"], {"name": "one"}),
    "add_layer": (["2"], {}),
    "fill_colour": ([], {"color": "#ff8000"}),
    "move": (["2", "1"], {"dx": 5, "dy": -3}),
    "transform": (["2"], {"matrix": [1.5, 0.2, -0.1, 1.25, 3, 4], "resample": "auto"}),
    "flip": (["2"], {"axis": "horizontal"}),
    "rotate90": (["2"], {"turns": 1}),
    "crop_to_content": (["1"], {}),
    "canvas": ([], {"width": 71, "height": 39, "x": -3, "y": 2}),
    "trim": ([], {}),
    "recolour": (["2"], {"color": "#00aa33", "amount": 0.75}),
    "adjust": (["2"], {"brightness": 0.2, "hue": 30, "gamma": 1.5, "invert": True}),
    "brush": (["2"], {"mode": "erase", "points": STROKE, "radius": 4, "hardness": 0.5,
                      "strength": 1}),
    "mask": (["2"], {"action": "invert"}),
    "shadow": (["2"], {"dx": 3, "dy": 4, "blur": 2.5, "color": "#000000", "opacity": 0.5}),
}  # fmt: skip
# What leaves the picture alone and knows it; what does so by painting it anew.
SAME_PICTURE = {"rename", "lock", "group", "ungroup", "add_layer"}
LOOKS_THE_SAME = {"crop_to_content", "merge"}
BAD = [
    ("rename", ["2"], {"name": ""}),
    ("rename", ["2"], {"name": 7}),
    ("rename", ["2"], {}),
    ("rename", ["2"], {"name": "a", "nmae": "b"}),
    ("visible", ["2"], {"value": "yes"}),
    ("opacity", ["2"], {"value": 1.5}),
    ("opacity", ["2"], {"value": True}),
    ("opacity", ["2"], {"value": "0.5"}),
    ("blend", ["2"], {"value": "glow"}),
    ("blend", ["2"], {"value": ["normal"]}),
    ("blend", ["2"], {"value": "pass-through"}),
    ("clip", ["0"], {"value": True}),
    ("reorder", ["2"], {"to": {"parent": "", "index": 17}}),
    ("reorder", ["1"], {"to": {"parent": "1", "index": 0}}),
    ("reorder", ["2"], {"to": {"parent": "2", "index": 0}}),
    ("reorder", ["2"], {"to": {"parent": "", "index": "0"}}),
    ("reorder", ["2"], {"to": "top"}),
    ("reorder", ["2"], {"to": {"parent": 5, "index": 0}}),
    ("group", [], {}),
    ("ungroup", ["2"], {}),
    ("move", ["2"], {"dx": 5}),
    ("move", ["2"], {"dx": 1e300, "dy": 0}),
    ("move", ["2"], {"dx": [1], "dy": 0}),
    ("move", ["9"], {"dx": 1, "dy": 0}),
    ("move", ["2.0"], {"dx": 1, "dy": 0}),
    ("move", ["../2"], {"dx": 1, "dy": 0}),
    ("move", [""], {"dx": 1, "dy": 0}),
    ("move", [2], {"dx": 1, "dy": 0}),
    ("move", "2", {"dx": 1, "dy": 0}),
    ("transform", ["2"], {"matrix": [1, 0, 0, 1, 0]}),
    ("transform", ["2"], {"matrix": [0, 0, 0, 0, 0, 0]}),
    ("transform", ["2"], {"matrix": [1e6, 0, 0, 1e6, 0, 0]}),
    ("transform", ["2"], {"matrix": "identity"}),
    ("transform", ["2"], {"matrix": [1, 0, 0, 1, 0, "0"]}),
    ("transform", ["2"], {"matrix": [1, 0, 0, 1, 0, 0], "resample": "fast"}),
    ("flip", ["2"], {"axis": "diagonal"}),
    ("flip", ["2"], {"axis": ["horizontal"]}),
    ("rotate90", ["2"], {"turns": 4}),
    ("canvas", [], {"width": 0, "height": 5, "x": 0, "y": 0}),
    ("canvas", [], {"width": 300_000, "height": 300_000, "x": 0, "y": 0}),
    ("recolour", ["2"], {"color": "red", "amount": 1}),
    ("recolour", ["2"], {"color": 255, "amount": 1}),
    ("adjust", ["2"], {"hue": 400}),
    ("adjust", ["2"], {"gamma": 0}),
    ("adjust", ["2"], {"sepia": 1}),
    ("adjust", ["2"], {"invert": 1}),
    ("brush", ["2"], {"mode": "smear", "points": STROKE, "radius": 4}),
    ("brush", ["2"], {"mode": "erase", "points": "all", "radius": 4}),
    ("brush", ["2"], {"mode": "erase", "points": [[1]], "radius": 4}),
    ("brush", ["2"], {"mode": "erase", "points": [], "radius": 4}),
    ("brush", ["2"], {"mode": "erase", "points": [[1, None]], "radius": 4}),
    ("brush", ["2"], {"mode": "erase", "points": STROKE, "radius": -1}),
    ("mask", ["2"], {"action": "paint"}),
    ("mask", ["0"], {"action": "remove"}),
    ("shadow", ["2"], {"dx": 0, "dy": 0, "blur": -1, "color": "#000000", "opacity": 1}),
    ("fill_colour", [], {"color": "#ff80"}),
    ("explode", ["2"], {}),
    ("__class__", ["2"], {}),
]  # fmt: skip
ALLOWED_WHEN_LOCKED = {
    "rename", "visible", "lock", "fill_colour", "canvas", "trim", "add_layer", "duplicate", "shadow"
}  # fmt: skip


def inside(picture: np.ndarray, dirty: list[int]) -> np.ndarray:
    mask = np.zeros(picture.shape[:2], bool)
    mask[Bounds(*dirty).slices] = True
    return mask


def test_every_command_has_a_call_here():
    assert set(CALLS) == set(COMMANDS)


@pytest.mark.parametrize("name", CALLS)
def test_a_command_changes_what_it_says_and_undo_takes_it_back(editor, name):
    paths, args = CALLS[name]
    before, old = shown(editor), editor.document
    answer = editor.edit(name, *paths, **args)
    assert answer.status_code == 200, answer.text
    assert editor.document["revision"] == old["revision"] + 1
    assert editor.document["id"] == old["id"]
    entry = editor.document["history"]["entries"][-1]
    assert entry["label"] and entry["label_key"].startswith("history.")
    assert editor.document["nodes"] != old["nodes"] or name in ("canvas", "trim")
    after, dirty = shown(editor), answer.json()["dirty"]
    if name in SAME_PICTURE:
        assert dirty[2:] == [0, 0] and np.array_equal(before, after)
        assert editor.document["recomposition_max_error"] == 0.002
    elif before.shape == after.shape:
        changed = (before != after).any(axis=2)
        assert changed.any() != (name in LOOKS_THE_SAME)
        assert not (changed & ~inside(after, dirty)).any()
        assert editor.document["recomposition_max_error"] is None
    back = editor.post("undo").json()
    assert back["document"]["nodes"] == old["nodes"]
    assert np.array_equal(shown(editor), before)
    assert back["document"]["history"]["can_redo"]
    editor.post("redo")
    assert np.array_equal(shown(editor), after)


@pytest.mark.parametrize(("name", "paths", "args"), BAD)
def test_bad_arguments_are_sentences_and_change_nothing(editor, name, paths, args):
    old = editor.document
    body = {"revision": old["revision"], "command": name, "paths": paths, "args": args}
    answer = editor.client.post("/studio/edit", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["kind"]) == (400, "InvalidRequest"), answer.text
    assert error["message"].endswith((".", ". ")) and "Traceback" not in error["message"]
    assert editor.client.get("/studio/state").json()["document"] == old


@pytest.mark.parametrize("name", sorted(set(CALLS) - ALLOWED_WHEN_LOCKED))
def test_locked_nodes_are_left_alone(editor, name):
    paths, args = CALLS[name]
    editor.edit("lock", paths[0], value=True)
    answer = editor.edit(name, *paths, **args)
    assert answer.status_code == 400
    assert "is locked" in answer.json()["error"]["message"]


def test_what_may_be_done_to_locked_nodes(editor):
    editor.edit("lock", "2", value=True)
    assert editor.edit("rename", "2", name="x").status_code == 200
    assert editor.edit("visible", "2", value=False).status_code == 200
    assert editor.post("select", paths=["2"]).json() == {"selection": ["2"]}
    assert editor.edit("lock", "2", value=False).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{", b"1", b'{"revision": "1"}', b'{"revision": 1}',
     b'{"revision": true, "command": "raise"}', b'{"revision": 1, "command": 5}',
     b'{"revision": 1, "command": "raise", "x": 1}', b'{"command": "raise", "paths": ["2"]}',
     b"\xff\xfe", b"[" * 100_000, b'{"revision": 1, "command": "raise", "paths": ["\\ud800"]}',
     b'{"revision": 1, "command": "raise", "paths": {"a": 1}}',
     b'{"revision": 1, "command": "raise", "args": []}'],
)  # fmt: skip
def test_bodies_that_are_no_edit(editor, body):
    kind = {"content-type": "application/json"}
    answer = editor.client.post("/studio/edit", content=body, headers=kind)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "InvalidRequest")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_read(editor, kind):
    """Forms on other sites can send the other kinds without being asked about it."""
    answer = editor.client.post("/studio/undo", content=b"{}", headers={"content-type": kind})
    assert answer.status_code == 400


def test_a_stale_edit_gets_the_document_as_it_is(editor):
    revision = editor.document["revision"]
    editor.edit("move", "2", dx=1, dy=1)
    body = {"revision": revision, "command": "delete", "paths": ["2"], "args": {}}
    answer = editor.client.post("/studio/edit", json=body)
    assert answer.status_code == 409
    assert answer.json()["error"]["kind"] == "StaleRevision"
    assert answer.json()["document"] == editor.document


def test_history_lists_and_jumps(editor):
    first = shown(editor)
    for dx in (1, 2, 3):
        editor.edit("move", "4", dx=-dx, dy=-dx)
    assert editor.labels == ["Opened", "Move", "Move", "Move"]
    answer = editor.post("history", index=0).json()
    assert answer["document"]["history"]["position"] == 0
    assert not answer["document"]["history"]["can_undo"]
    assert np.array_equal(shown(editor), first)
    editor.post("history", index=2)
    editor.edit("opacity", "4", value=0.5)  # cuts off what could be redone
    assert editor.labels == ["Opened", "Move", "Move", "Opacity"]
    for index in (-1, 4, "0", 1.5, None):
        assert editor.post("history", index=index).status_code == 400
    assert editor.post("redo").status_code == 400


def test_arrow_keys_add_up_and_sliders_do_not(editor):
    for _ in range(4):
        editor.edit("move", "2", merge="keys-1", dx=1, dy=0)
    assert editor.document["nodes"][2]["bounds"][0] == 24
    once = another(editor.client)
    opened(once)
    reference = Editor(once)
    reference.edit("move", "2", dx=4, dy=0)
    reference.edit("adjust", "2", brightness=0.3)
    for value in (0.9, -0.5, 0.3):
        editor.edit("adjust", "2", merge="slider-1", brightness=value)
    assert editor.labels == ["Opened", "Move", "Adjust"]
    assert np.array_equal(shown(editor), shown(reference))
    editor.post("undo")
    assert editor.document["nodes"][2]["bounds"][0] == 24
    assert editor.edit("move", "2", merge="x" * 101, dx=1, dy=0).status_code == 400


def test_a_canvas_has_a_limit_of_the_studio():
    with running(max_pixels=5_000) as client:
        opened(client)
        editor = Editor(client)
        assert editor.edit("canvas", width=70, height=71).status_code == 200
        answer = editor.edit("canvas", width=71, height=72)
        assert answer.status_code == 413
        assert "5,112" in answer.json()["error"]["message"]
        assert "5,000" in answer.json()["error"]["message"]


def test_a_document_does_not_grow_over_what_may_be_opened():
    """By doubling, by nesting and by enlarging, each of which costs a request of a few bytes."""
    with running(max_pixels=250_000) as client:
        session = opened(client)
        editor = Editor(client)

        def refused(command, *paths, **args) -> str:
            for _ in range(60):
                answer = editor.edit(
                    command, *(paths or map(str, range(len(editor.names)))), **args
                )
                if not answer.is_success:
                    break
            before = editor.document
            assert answer.status_code == 413
            assert client.get("/studio/state").json()["document"] == before
            return answer.json()["error"]["message"]

        assert "2,000" in refused("duplicate")
        session.studio.jump(0)
        editor = Editor(client)
        assert "33 levels" in refused("group", "0")
        session.studio.jump(0)
        editor = Editor(client)
        assert "2,500,000" in refused("transform", "2", matrix=[1.5, 0, 0, 1.5, 0, 0])
        assert editor.edit("delete", "0").is_success


def test_labels_say_what_a_flag_did(editor):
    editor.edit("visible", "2", value=False)
    editor.edit("visible", "2", value=True)
    editor.edit("mask", "2", action="disable")
    entries = editor.document["history"]["entries"][1:]
    assert [(it["label"], it["label_key"]) for it in entries] == [
        ("Hide", "history.visible_off"),
        ("Show", "history.visible_on"),
        ("Switch mask off", "history.mask_disable"),
    ]


def test_the_selection_is_kept_for_a_reload(editor):
    answer = editor.post("select", paths=["1.0", "2", "2"])
    assert answer.json() == {"selection": ["1.0", "2"]}
    again = editor.client.get("/studio/state").json()["document"]
    assert again["selection"] == ["1.0", "2"]
    assert again["revision"] == editor.document["revision"]
    for paths in (["7"], ["1.5"], ["x"], [""], "2", [[2]]):
        assert editor.post("select", paths=paths).status_code == 400
    assert editor.post("select", paths=[]).json() == {"selection": []}


def test_a_node_says_what_it_is(editor):
    nodes = editor.document["nodes"]
    assert [node["path"] for node in nodes] == ["0", "1", "2", "3", "4"]
    assert nodes[1]["kind"] == "group" and nodes[1]["role"] is None
    assert [child["path"] for child in nodes[1]["children"]] == ["1.0", "1.1"]
    assert "children" not in nodes[0]
    assert nodes[2]["has_mask"] and nodes[2]["mask_enabled"] and not nodes[0]["has_mask"]
    assert nodes[3]["text"] == "Hello" and nodes[3]["role"] == "text"
    assert nodes[4]["blend"] == "multiply" and nodes[4]["bounds"] == [50, 33, 19, 21]
    assert editor.document["method"] == "flat" and editor.document["has_recipe"]
    assert not editor.document["has_source"]


def test_names_are_data(editor):
    name = '<img src=x onerror=alert(1)> & "quotes" \''
    assert editor.edit("rename", "2", name=name).status_code == 200
    assert editor.names[2] == name
    answer = editor.client.get("/studio/state")
    assert answer.headers["content-type"] == "application/json"


def test_closing_leaves_an_empty_studio(editor):
    state = editor.client.post("/studio/close", json={}).json()
    assert state["document"] is None
    body = {"revision": editor.document["revision"] + 1, "command": "raise", "paths": ["0"]}
    assert editor.client.post("/studio/edit", json=body).status_code == 404
    assert editor.client.post("/studio/undo", json={}).status_code == 400
    assert editor.client.get("/studio/render.png?x=0&y=0&w=1&h=1").status_code == 404


def test_a_fault_of_ours_is_a_sentence_and_the_document_is_as_it_was(editor, monkeypatch, caplog):
    def broken(*args, **more):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("layerstudio.ui.web.studio.changed_bounds", broken)
    answer = editor.edit("move", "2", dx=1, dy=1)
    error = answer.json()["error"]
    assert answer.status_code == 500 and error["kind"] == "OurFault"
    assert "secret" not in answer.text and "Traceback" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"
    assert "secret detail" in caplog.text
    monkeypatch.undo()
    assert editor.client.get("/studio/state").json()["document"] == editor.document


def test_two_hundred_edits_leave_memory_flat(app_client):
    """New pixels with every edit, through the wire; the history may hold 2 MiB."""
    with running(memory_bytes=2 * 2**20) as client:
        place = Bounds(0, 0, 257, 255)
        session = opened(client, Document(Extent(257, 255), (layer("a", place, 1),)))
        editor = Editor(client)
        held = []
        for number in range(200):
            answer = editor.edit("adjust", "0", brightness=0.1 if number % 2 else -0.1)
            assert answer.status_code == 200
            held.append(session.studio.held_bytes)
        assert max(held) <= 2 * 2**20
        assert held[-1] == held[50] > 2**20
        assert EXTENT.width == 61  # the shared document is another one
