"""Undo, redo, merging, and what the history keeps in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studio_client import drawn, layer, noise

from layerstudio import edits
from layerstudio.document import Document, Layer
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.ui.web.errors_json import NotFound, StaleRevision
from layerstudio.ui.web.events import Events
from layerstudio.ui.web.following import followed
from layerstudio.ui.web.history import Entry, History, Snapshot
from layerstudio.ui.web.studio import Studio

MIB = 2**20


def snapshot(*layers: Layer) -> Snapshot:
    return Snapshot(Document(Extent(33, 21), layers), (), "x", "id")


def entry(*layers: Layer, label="edit", merge=None) -> Entry:
    return Entry(snapshot(*layers), label, f"history.{label}", merge)


def studio(document=None, budget=10 * MIB) -> Studio:
    made = Studio(Events(), lambda: budget)
    made.open(document or drawn(), name="d", source=None, label="Opened", label_key="history.open")
    return made


def moved(made: Studio, path, dx: int, merge=None, **more):
    return made.edit(
        lambda document, paths: edits.move(document, paths, dx, 0), (path,),
        label="Move", label_key="history.move", merge=merge, **more,
    )  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["edit", "undo", "redo", "same", "first", "last"]), max_size=40))
def test_a_history_is_a_list_and_a_place_in_it(steps):
    """Held against a model: a list of numbers, where an edit cuts off what could be redone."""
    made = History(lambda: 10**12)
    made.push(entry(label="0"))
    model, position, merges = ["0"], 0, False
    for number, step in enumerate(steps, 1):
        if step in ("edit", "same"):
            joins = step == "same" and merges
            model[position + (0 if joins else 1) :] = [str(number)]
            position, merges = len(model) - 1, step == "same"
            made.push(entry(label=str(number), merge="key" if step == "same" else None))
        else:
            last = len(model) - 1
            target = {"undo": position - 1, "redo": position + 1, "first": 0, "last": last}[step]
            if 0 <= target <= last:
                position, merges = target, False
                made.jump(position)
            else:
                with pytest.raises(IndexError):
                    made.jump(target)
        assert [it.label for it in made.entries] == model
        assert made.position == position
        assert made.current is not None and made.current.label == model[position]
        assert made.can_undo == (position > 0) and made.can_redo == (position < len(model) - 1)


def test_shared_pixels_cost_nothing_and_only_what_history_holds_is_counted():
    made = History(lambda: 10**12)
    ground = layer("ground", Bounds(0, 0, 33, 21), 1)
    big = layer("big", Bounds(2, 3, 31, 17), 2)
    made.push(entry(ground, big))
    assert made.held_bytes == 0
    made.push(entry(ground, big.moved(5, 0)))
    assert made.held_bytes == 0
    made.push(entry(ground))
    assert made.held_bytes == big.pixels.nbytes
    view = Layer("part", Bounds(0, 0, 3, 3), noise(Bounds(0, 0, 90, 90), 3)[:3, :3])
    made.push(entry(ground, view))
    made.push(entry(ground))  # a part of an array keeps all of it
    assert made.held_bytes == big.pixels.nbytes + 90 * 90 * 4
    made.jump(0)
    assert made.held_bytes == 90 * 90 * 4


def test_the_oldest_entries_go_when_they_cost_too_much():
    one = 40 * 30 * 4
    made = History(lambda: 3 * one)
    for number in range(20):
        place = Bounds(0, 0, 40, 30)
        made.push(entry(layer(str(number), place, number), label=str(number)))
        assert made.held_bytes <= 3 * one
    assert [it.label for it in made.entries] == ["16", "17", "18", "19"]
    assert made.position == 3
    made.jump(0)
    assert [it.label for it in made.entries] == ["16", "17", "18", "19"]


def test_the_number_of_entries_is_bounded_and_the_shown_one_stays():
    made = History(lambda: 0, max_entries=5)
    for number in range(12):
        made.push(entry(label=str(number)))
    assert len(made.entries) == 5 and made.position == 4
    made = History(lambda: 0)
    made.push(entry(layer("a", Bounds(0, 0, 9, 9), 1), label="a"))
    made.push(entry(layer("b", Bounds(0, 0, 9, 9), 2), label="b"))
    assert [it.label for it in made.entries] == ["b"]


def test_memory_stays_flat_over_two_hundred_edits():
    """Each edit makes new pixels of 1 MiB; the history may hold 8 MiB."""
    side = 512
    place = Bounds(0, 0, side, side)
    ground = layer("ground", place, 0)
    made = studio(Document(Extent(side, side), (ground, layer("a", place, 1))), budget=8 * MIB)

    def repainted(number):
        def edit(document, paths):
            fresh = Layer("a", place, np.full((side, side, 4), number % 251, np.uint8))
            return edits.Edited(document.replaced((1,), fresh), ((1,),))

        return edit

    held = []
    for number in range(200):
        made.edit(repainted(number), ((1,),), label="Paint", label_key="history.paint")
        held.append(made.held_bytes)
    assert max(held) <= 8 * MIB
    assert held[-1] == held[20]
    assert len(made.moment.trail) == 9


def test_undo_brings_back_the_very_document_with_its_selection():
    made = studio()
    first = made.document
    made.select([(2,)])
    moved(made, (3,), 4)
    second = made.document
    assert made.selection == ((3,),)
    change = made.undo()
    assert made.document is first and made.selection == ((2,),)
    assert change.dirty == Bounds(24, 10, 35, 27)
    made.redo()
    assert made.document is second and made.selection == ((3,),)
    for nothing in (made.redo, lambda: made.jump(7), lambda: made.jump(-1)):
        with pytest.raises(InvalidRequest):
            nothing()


def test_edits_with_one_key_are_one_entry_until_something_comes_between():
    made = studio()
    for _ in range(3):
        moved(made, (2,), 1, merge="keys-1")
    assert len(made.moment.trail) == 2
    made.undo()
    assert made.document is not None and made.document.at((2,)).bounds.x == 20
    made.redo()
    moved(made, (2,), 1, merge="keys-1")  # after undo and redo it is another gesture
    moved(made, (2,), 1, merge="keys-2")
    moved(made, (2,), 1)
    moved(made, (2,), 1)
    assert len(made.moment.trail) == 6


def test_an_edit_that_starts_again_takes_the_place_of_the_one_before():
    """A slider says what is to be in the end: its steps must not add up."""
    made = studio()
    for dx in (5, 9, 2):
        moved(made, (2,), dx, merge="slider", starts_again=True)
    assert made.document is not None and made.document.at((2,)).bounds.x == 22
    assert len(made.moment.trail) == 2
    moved(made, (2,), 3, merge="other", starts_again=True)
    assert made.document.at((2,)).bounds.x == 25


def test_an_edit_that_inserts_a_layer_starts_again_at_the_same_node():
    made = studio()

    def shadowed(document, paths):
        new = layer("shadow", Bounds(0, 0, 5, 5), 8)
        return edits.Edited(document.inserted(paths[0], new), ((paths[0][0] + 1,),))

    for path in ((2,), (3,)):  # the page names the node where it is now
        made.edit(shadowed, (path,), label="", label_key="", merge="shadow", starts_again=True)
    assert made.document is not None
    names = [node.name for node in made.document.children]
    assert names == ["ground", "pair", "shadow", "masked", "words", "edge"]


def test_revisions_are_checked_and_the_last_ones_can_still_be_drawn():
    made = studio()
    revision = made.revision
    moved(made, (2,), 1, base_revision=revision)
    with pytest.raises(StaleRevision):
        moved(made, (2,), 1, base_revision=revision)
    assert made.at(revision).document is not made.document
    for _ in range(6):
        moved(made, (2,), 1)
    with pytest.raises(StaleRevision):
        made.at(revision)
    assert made.at(None) is made.moment


def test_an_edit_that_changes_nothing_makes_no_entry():
    made = studio()
    change = moved(made, (2,), 0)
    assert change.dirty.is_empty and len(made.moment.trail) == 1


def test_a_document_keeps_its_error_until_it_looks_different():
    made = studio()
    made.edit(lambda d, p: edits.rename(d, p, "new"), ((2,),), label="", label_key="")
    assert made.moment.snapshot is not None and made.moment.snapshot.as_made
    moved(made, (2,), 1)
    assert not made.moment.snapshot.as_made
    made.undo()
    assert made.moment.snapshot.as_made


def test_another_document_stays_behind_in_the_history_and_closing_forgets_all():
    made = studio()
    first = made.document
    made.open(drawn(), name="e", source=None, label="Made", label_key="history.decompose")
    made.undo()
    assert made.document is first
    revision = made.revision
    made.close()
    assert made.document is None and made.revision > revision and made.held_bytes == 0
    with pytest.raises(NotFound):
        moved(made, (0,), 1)
    with pytest.raises(InvalidRequest):
        made.undo()


def test_layers_shown_alone_are_followed_through_edits():
    made = studio()
    made.solo([(3,)])
    made.edit(lambda d, p: edits.delete(d, p), ((1,),), label="", label_key="")
    assert made.moment.solo == ((2,),)
    change = moved(made, (2,), 5)
    assert made.moment.solo == ((2,),)
    assert change.dirty == Bounds(0, 0, 61, 47)
    made.edit(lambda d, p: edits.delete(d, p), ((2,),), label="", label_key="")
    assert made.moment.solo == ()
    made.undo()
    with pytest.raises(InvalidRequest):
        made.solo([(9,)])


def test_paths_follow_nodes_that_an_edit_left_alone():
    before = drawn()
    after = edits.reorder(before, ((0,),), (), 5).document
    assert followed(((0,), (1, 1), (4,)), before, after) == ((4,), (0, 1), (3,))
    assert followed(((1, 0), (2,)), before, before.removed((1,))) == ((1,),)


def test_listeners_hear_of_every_revision():
    events = Events()
    heard = []
    events.subscribe(lambda name, data: heard.append((name, data["revision"])))
    made = Studio(events, lambda: MIB)
    made.open(drawn(), name="", source=None, label="", label_key="")
    moved(made, (2,), 1)
    made.undo()
    assert heard == [("document", 1), ("document", 2), ("document", 3)]
