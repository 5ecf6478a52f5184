"""Files that were made to do harm, and files damaged at random: each is read, or refused in words.

``fixtures/hostile`` holds what once crashed, hung, or took a gigabyte; the first word of a name is
the reader's in ``benchmarks/fuzz.py``, which says what the outcomes are.
"""

import io
import json
import multiprocessing
import os
import struct
import tempfile
import time
import zipfile
import zlib
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks import fuzz, fuzz_seeds
from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.generate_request import GenerateRequest
from layerstudio.io import manifest, open_document, recipe, save
from layerstudio.io.limits import Limits
from layerstudio.io.picture import read_picture
from layerstudio.pipelines.batch.rows import row_of
from layerstudio.requests import DecomposeRequest

CASES = sorted((Path(__file__).parents[1] / "fixtures" / "hostile").iterdir())
# Journals go on behind a line that is damaged.
STILL_READ = {"rows-journal-nested", "rows-journal-of-infinite-size"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def _all_outcomes(out):
    """In a process of its own, whose memory is limited for good."""
    fuzz.limit_memory()
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            reader = fuzz.READERS[case.name.split("-")[0]]
            out.send((case.name, fuzz.outcome(reader, case.read_bytes(), Path(folder))))


@pytest.fixture(scope="module")
def outcomes():
    context = multiprocessing.get_context("fork")
    out, into = context.Pipe(duplex=False)
    process = context.Process(target=_all_outcomes, args=(into,))
    process.start()
    into.close()
    found = {}
    while len(found) < len(CASES) and out.poll(30):
        try:
            name, result = out.recv()
        except EOFError:
            break
        found[name] = result
    process.kill()
    process.join()
    return found


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_what_once_did_harm_is_refused(outcomes, name):
    expected = "read" if name in STILL_READ else "refused"
    assert outcomes.get(name, "died").startswith(expected)


@cache
def sound(name):
    return fuzz.READERS[name].make()


@pytest.mark.parametrize("name", fuzz.READERS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_damaged_files_are_read_or_refused(name, seed):
    data = fuzz.input_of(name, sound(name), 0, seed)
    with tempfile.TemporaryDirectory() as folder:
        try:
            fuzz.READERS[name].read(data, Path(folder))
        except (UnreadableFile, InvalidRequest):
            return


@pytest.mark.parametrize("kind", [DecomposeRequest, GenerateRequest])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_requests_of_any_json(kind, data):
    names = st.sampled_from(list(kind.__dataclass_fields__))
    fields = data.draw(st.dictionaries(names, JSON, max_size=3))
    try:
        request = kind.from_dict(fields)
    except InvalidRequest:
        return
    again = kind.from_dict(json.loads(json.dumps(request.to_dict())))
    assert again == request or "nan" in repr(request)
    assert row_of({"task": kind.task, "source": "", **fields}, "here").origin == "here"


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_manifests_and_recipes_of_any_json(data):
    for text in (fuzz_seeds.manifests()[0], fuzz_seeds.recipes()[0]):
        fields = json.loads(text)
        fields |= data.draw(st.dictionaries(st.sampled_from(list(fields)), JSON, max_size=2))
        recipe.from_json(json.dumps(fields))
        try:
            manifest.references(fields, fuzz_seeds.LIMITS)
            manifest.restore(fields, {})
        except UnreadableFile:
            continue


def refused_soon(read, words):
    start = time.process_time()
    with pytest.raises(UnreadableFile, match=words):
        read()
    assert time.process_time() - start < 5


def written(path, data):
    path.write_bytes(data)
    return path


def test_names_that_lead_elsewhere(tmp_path):
    secret = written(tmp_path / "secret.png", b"secret")
    folder = tmp_path / "x.layers"
    folder.mkdir()
    (folder / "link.png").symlink_to(secret)
    (folder / "circle.png").symlink_to("circle.png")
    data = json.loads(fuzz_seeds.manifests()[0])
    layer = data["children"][0] | {"mask": None}
    for name in (str(secret), "../secret.png", "link.png", "circle.png", "a\0b", "x" * 5000):
        data["children"] = [layer | {"pixels": name}]
        (folder / "manifest.json").write_text(json.dumps(data))
        refused_soon(lambda: open_document(folder), "no file|leads nowhere|cannot be read")


def test_pipes_and_names_too_long_are_not_waited_for(tmp_path):
    for suffix in (".psd", ".ora", ".zip", ".tif"):
        os.mkfifo(tmp_path / f"pipe{suffix}")
        refused_soon(lambda suffix=suffix: open_document(tmp_path / f"pipe{suffix}"), "not a file")
        refused_soon(lambda suffix=suffix: open_document("x" * 5000 + suffix), "cannot be read")


def test_a_directory_of_700_000_entries(tmp_path):
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, *[0] * 7, 1, *[0] * 6)[:46] + b"a"
    directory = entry * 700_000
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, len(directory), 0, 0)
    path = written(tmp_path / "a.zip", directory + end)
    refused_soon(lambda: open_document(path), "directory is too large")


@pytest.mark.parametrize("inside", ["<a/>" * 300_000, "<a " + "b='' " * 500_000 + "/>"])
def test_a_stack_of_parts_without_end(tmp_path, inside):
    with zipfile.ZipFile(tmp_path / "a.ora", "w") as archive:
        archive.writestr("stack.xml", f"<image w='1' h='1'><stack>{inside}</stack></image>")
    small = Limits(nodes=5000)
    refused_soon(lambda: open_document(tmp_path / "a.ora", small), "more parts")


def test_entries_that_unpack_to_far_more_together(tmp_path):
    data = json.loads(fuzz_seeds.manifests()[0])
    layer = data["children"][0] | {"mask": None, "bounds": [0, 0, 1, 1]}
    data["children"] = [layer | {"pixels": f"{index}.png"} for index in range(80)]
    picture = pixel_and(4_000_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(data))
        for index in range(80):
            archive.writestr(f"{index}.png", picture)
    refused_soon(lambda: open_document(tmp_path / "a.zip"), "far more bytes")


def pixel_and(size):
    """A PNG of one pixel, and ``size`` bytes that mean nothing."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    header = struct.pack(">IIBBBBB", 1, 1, 8, 6, 0, 0, 0)
    pixel = zlib.compress(bytes(5))
    chunks = ((b"IHDR", header), (b"zzZz", bytes(size)), (b"IDAT", pixel), (b"IEND", b""))
    for kind, body in chunks:
        checksum = zlib.crc32(body, zlib.crc32(kind))
        parts += [struct.pack(">I", len(body)), kind, body, struct.pack(">I", checksum)]
    return b"".join(parts)


def test_32_000_layers_are_counted_before_they_are_parsed(tmp_path):
    record = bytes(18) + b"8BIMnorm\xff\0\0\0" + struct.pack(">III", 12, 0, 0) + b"\1a\0\0"
    layers = struct.pack(">h", 32_000) + record * 32_000
    sections = struct.pack(">IIII", 0, 0, len(layers) + 4, len(layers)) + layers
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, 8, 8, 8, 3)
    path = written(tmp_path / "a.psd", header + sections + bytes(300))
    refused_soon(lambda: open_document(path), "32,000 layers")


def directory(entries, place=0):
    packed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return struct.pack("<H", len(entries)) + packed + struct.pack("<I", place)


TINY = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, 8), (278, 3, 1, 2), (279, 4, 1, 4)]  # fmt: skip


def test_pages_of_a_tiff_are_not_all_counted():
    data = bytearray(struct.pack("<2sHI", b"II", 42, 8))
    data += directory(TINY, 8 + len(directory(TINY)))
    for _ in range(30_000):
        data += directory([], len(data) + 6)
    data += directory([])
    start = time.process_time()
    assert "several pictures" in read_picture(bytes(data)).notes[0]
    assert time.process_time() - start < 5


def test_entries_of_a_tiff_that_share_their_bytes():
    shared = [(40_000 + index, 2, 900_000, 60_000) for index in range(4000)]
    data = struct.pack("<2sHI", b"II", 42, 8) + directory([*TINY, *shared]) + bytes(10**6)
    refused_soon(lambda: read_picture(data), "broken")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_entries_that_share_their_bytes(kind):
    shared = [(1000 + index, 1, 50_000, 8) for index in range(5000)]
    block = b"Exif\0\0" + struct.pack("<2sHI", b"II", 42, 8) + directory(shared)
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind, exif=block)
    refused_soon(lambda: read_picture(out.getvalue()), "EXIF")


@pytest.mark.parametrize("suffix", [".psd", ".tif"])
def test_a_layer_far_off_the_canvas_is_no_layer_of(suffix, tmp_path):
    document = fuzz_seeds.document()
    document = document.replaced((0,), document.children[0].moved(2**29, -(2**29)))
    with pytest.raises(InvalidRequest, match="far"):
        save(document, tmp_path / f"far{suffix}")
    assert open_document(save(document, tmp_path / "far.zip")).children[0].bounds.x > 2**29


@pytest.mark.parametrize("inside", ["<a/>" * 900_000, "<a " + "b='' " * 900_000 + "/>"])
def test_a_recipe_among_parts_without_end_is_left_alone(inside):
    packet = f"<a xmlns:b='{recipe.NAMESPACE}'>{inside}<b:recipe>{{}}</b:recipe></a>"
    start = time.process_time()
    assert recipe.from_xmp(packet.encode()) is None
    assert time.process_time() - start < 1


@pytest.mark.parametrize("suffix", [".psd", ".psb"])
def test_pixels_behind_an_empty_section_are_no_count_of_layers(tmp_path, suffix):
    wide = suffix == ".psb"
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1 + wide, 3, 8, 8, 8, 3)
    data = header + bytes(16 if wide else 12) + bytes(2) + b"\x7f" * 192
    document = open_document(written(tmp_path / f"flat{suffix}", data))
    assert (document.layers[0].pixels[..., :3] == 0x7F).all()
