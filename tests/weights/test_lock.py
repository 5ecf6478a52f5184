"""What is remembered: written whole, by several programs at once, or not at all."""

import threading
from dataclasses import replace

import pytest

from layerstudio.errors import UnwritableFile
from layerstudio.weights import lock


def accept(key):
    return lambda now: replace(now, accepted=now.accepted | {key: "2026-01-01"})


def test_what_was_recorded_is_read_back(cache):
    seen = lock.SeenRepository("a" * 40, {"unet/m.bin": lock.SeenFile(3, "0" * 64, "1" * 40)})
    lock.update(lambda now: replace(now, repositories={"org/name@main": seen}))
    lock.update(accept("licence of org/name: MIT"))
    found = lock.read()
    assert found.seen("org/name", "main") == seen
    assert found.seen("org/name", "v2") is None
    assert found.accepted == {"licence of org/name: MIT": "2026-01-01"}
    assert lock.lock_path() == cache.with_name("hub-layerstudio.json")


def test_records_made_at_once_are_all_kept(cache):
    threads = [
        threading.Thread(target=lock.update, args=(accept(f"terms {number}"),))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lock.read().accepted) == 12


def test_a_record_that_cannot_be_written_leaves_the_old_one(cache, monkeypatch):
    lock.update(accept("first"))

    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lock.os, "replace", refuse)
    with pytest.raises(UnwritableFile, match="No space left"):
        lock.update(accept("second"))
    assert list(lock.read().accepted) == ["first"]
    visible = [path.name for path in cache.parent.iterdir() if not path.name.endswith(".lock")]
    assert visible == ["hub-layerstudio.json"]
