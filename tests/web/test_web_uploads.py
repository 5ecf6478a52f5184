"""Uploads: what they are by content, how much is taken, and what stays on the disk."""

import io
import logging
import os
import socket
import struct
import threading
import time
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from served_studio import served
from studio_client import another, drawn, running, session_of

from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.io.files import save
from layerstudio.io.limits import DEFAULT_LIMITS
from layerstudio.io.probe import probe
from layerstudio.ui.web.multipart import _Reader
from layerstudio.ui.web.uploads import shown_name

LIMIT = 300_000


@pytest.fixture(scope="module")
def client():
    with running(max_upload_bytes=LIMIT, max_pixels=50_000_000) as client:
        yield client


def encoded(kind: str = "PNG", size=(37, 23), mode="RGB", **options) -> bytes:
    rng = np.random.default_rng(3)
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    pixels = rng.integers(0, 256, (size[1], size[0], channels), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(), mode).save(file, kind, **options)
    return file.getvalue()


def upload(client, data: bytes, name: str = "a.png"):
    return client.post("/studio/upload", files={"file": (name, data, "application/octet-stream")})


def files_of(client) -> list[str]:
    """Everything that a client's session has on the disk."""
    root = session_of(client).folder
    return sorted(name for _, _, names in os.walk(root) for name in names)


def huge_png(width: int, height: int, rows: int | None = None) -> bytes:
    """A PNG of zeros, written row by row: a few kilobytes, however large it is. It is sound unless
    it has fewer ``rows`` than it says."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    packer = zlib.compressobj(9)
    count = height if rows is None else rows
    data = b"".join(packer.compress(bytes(1 + width)) for _ in range(count)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("path", ["/studio/upload", "/studio/undo"])
def test_a_body_that_is_broken_off_leaves_nothing_and_is_no_fault(path, caplog):
    """People close pages; a log of tracebacks would hide what is wrong."""
    kind = "multipart/form-data; boundary=XX" if path.endswith("upload") else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    part = '--XX\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nabc'
    with served() as studio:
        address = urlsplit(studio.address)
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(f"{head}Content-Length: 100000\r\n\r\n{part}".encode())
            wait_until(lambda: len(studio.app.state.sessions) == 1)
        root = studio.app.state.sessions.root
        wait_until(lambda: not list(root.rglob("upload-*")))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def wait_until(is_so) -> None:
    ends = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("GIF", ".gif"), ("BMP", ".bmp"),
     ("TIFF", ".tif"), ("PPM", ".ppm"), ("AVIF", ".avif"), ("JPEG2000", ".jp2")],
)  # fmt: skip
def test_pictures_are_known_by_their_content(client, kind, suffix):
    answer = upload(client, encoded(kind), "holiday.xyz")
    made = answer.json()["upload"]
    assert (made["kind"], made["width"], made["height"]) == ("picture", 37, 23)
    assert made["name"] == "holiday.xyz"
    kept = session_of(client).uploads.get(made["id"])
    assert kept.path.suffix == suffix
    thumb = client.get(made["thumb"])
    assert thumb.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(thumb.content)).size == (37, 23)


@pytest.mark.parametrize("suffix", [".psd", ".psb", ".ora", ".zip", ".tif"])
def test_layered_files_are_documents(client, tmp_path, suffix):
    path = save(drawn(), tmp_path / f"layers{suffix}")
    made = upload(client, path.read_bytes(), "whatever.png").json()["upload"]
    assert (made["kind"], made["width"], made["height"]) == ("document", 61, 47)
    kept = session_of(client).uploads.get(made["id"])
    assert kept.path.name == f"whatever{suffix}"
    assert Image.open(io.BytesIO(client.get(made["thumb"]).content)).size == (61, 47)


def test_upright_and_sixteen_bits(client):
    exif = Image.Exif()
    exif[0x0112] = 6
    made = upload(client, encoded("JPEG", exif=exif)).json()["upload"]
    assert (made["width"], made["height"]) == (23, 37)
    file = io.BytesIO()
    Image.fromarray(np.full((11, 7), 40_000, np.uint16)).save(file, "PNG")
    made = upload(client, file.getvalue()).json()["upload"]
    thumb = np.asarray(Image.open(io.BytesIO(client.get(made["thumb"]).content)))
    assert thumb[0, 0].tolist() == [156, 156, 156, 255]


def test_sixty_megapixels_are_refused_before_they_are_decoded(client):
    """The file is 60 kB, and its pixels would be 240 MB."""
    browser = another(client)
    answer = upload(browser, huge_png(10_000, 6_000), "sky.png")
    error = answer.json()["error"]
    assert answer.status_code == 413 and error["kind"] == "TooLarge"
    assert "60,000,000" in error["message"] and "50,000,000" in error["message"]
    assert "10000 x 6000" in error["message"] and "--max-pixels" in error["advice"]
    assert files_of(browser) == []


def test_a_canvas_over_the_limit_is_refused_in_layered_files_too(client):
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 4, 10_000, 6_000, 8, 3)
    answer = upload(client, header + bytes(100), "a.psd")
    assert answer.status_code == 413
    assert "60,000,000" in answer.json()["error"]["message"]


def test_a_file_over_the_limit_is_cut_off_and_nothing_stays(client):
    browser = another(client)
    for size in (LIMIT + 1, 3 * 2**20):
        answer = upload(browser, encoded() + bytes(size))
        assert answer.status_code == 413
        assert answer.json()["error"]["kind"] == "TooLarge"
        assert files_of(browser) == []
    assert upload(browser, encoded() + bytes(1000)).status_code == 200


def test_a_stream_of_a_length_that_nothing_announces_is_cut_off(client):
    browser = another(client)

    def body():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(40):
            yield bytes(2**16)

    kind = {"content-type": "multipart/form-data; boundary=b"}
    answer = browser.post("/studio/upload", content=body(), headers=kind)
    assert answer.status_code == 413
    assert files_of(browser) == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"just some text", "text file"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "broken"),
        (encoded()[:300], "ends too early"),
        (b"8BPS\0\1", "ends too early"),
        (b"PK\3\4" + bytes(30), "archive"),
        (bytes(2000), "not a picture"),
    ],
)
def test_what_is_no_picture_is_told_in_a_sentence(client, data, says):
    browser = another(client)
    answer = upload(browser, data, "../thing.png")
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["kind"] == "UnreadableFile"
    assert says in error["message"] and "/" not in error["message"]
    assert files_of(browser) == []


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "..\\..\\boot.ini", "/etc/cron.d/x", "a/../../b.png", "....//x", "con.png",
     "<script>alert(1)</script>.png", "\u202egnp.exe", "é" * 400 + ".png", ".thumbnail",
     ".incoming", "a\0b.png", "a\r\nX: y.png", "   ", "%2e%2e%2fx.png", "-rf.png"],
)  # fmt: skip
def test_names_are_data_and_never_a_path(client, name):
    browser = another(client)
    answer = upload(browser, encoded(), name.replace("\0", "%00").replace("\r\n", "%0D%0A"))
    made = answer.json()["upload"]
    kept = session_of(browser).uploads.get(made["id"])
    assert kept.path.resolve().is_relative_to(session_of(browser).folder.resolve())
    assert len(kept.path.name.encode()) < 200 and kept.path.is_file()
    assert browser.get(made["thumb"]).status_code == 200
    assert files_of(browser) == sorted([".thumbnail", kept.path.name])


def test_markup_in_a_name_comes_back_as_it_was(client):
    made = upload(client, encoded(), "<script>alert(1)<b>.png").json()["upload"]
    assert made["name"] == "<script>alert(1)<b>.png"


@given(st.text(max_size=300))
def test_shown_names_are_short_single_lines_without_folders(name):
    shown = shown_name(name)
    assert 1 <= len(shown) <= 120 and shown.isprintable()
    assert "/" not in shown and "\\" not in shown


@given(st.data())
def test_a_file_survives_any_cut_of_the_stream(data):
    """The pieces come as the network cuts them; the boundary may be cut too."""
    content = data.draw(st.binary(max_size=200)) + b"\r\n--b\r" + data.draw(st.binary(max_size=50))
    if b"\r\n--b\r\n" in content or b"\r\n--b--" in content:
        return
    head = b'Content-Disposition: form-data; name="file"; filename="x y.png"\r\n\r\n'
    other = b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    body = other + b"--b\r\n" + head + content + b"\r\n--b--\r\n"
    reader, pieces = _Reader("multipart/form-data; boundary=b"), []
    while body:
        size = data.draw(st.integers(1, 40))
        pieces += reader.read(body[:size])
        body = body[size:]
    reader.finish()
    assert {piece.name for piece in pieces} == {"x y.png"}
    assert b"".join(piece.data for piece in pieces) == content


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=b"),
        (b"--b--\r\n", "multipart/form-data; boundary=b"),
        (b"garbage", "multipart/form-data; boundary=b"),
        (b"x", "multipart/form-data"),
        (b"x", "image/png"),
        (b"{}", "application/json"),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx',
         "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nx\r\n--b--',
         "multipart/form-data; boundary=b"),
    ],
)  # fmt: skip
def test_forms_that_are_none_leave_nothing(client, body, kind):
    browser = another(client)
    answer = browser.post("/studio/upload", content=body, headers={"content-type": kind})
    assert answer.status_code == 400
    assert answer.json()["error"]["kind"] == "InvalidRequest"
    assert files_of(browser) == []


def test_two_files_in_one_form_are_refused():
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
    with pytest.raises(InvalidRequest, match="one file"):
        _Reader("multipart/form-data; boundary=b").read(part + part)


def test_the_oldest_files_go_when_there_are_too_many(client):
    browser = another(client)
    first = upload(browser, encoded()).json()["upload"]
    for _ in range(32):
        upload(browser, encoded())
    assert browser.get(first["thumb"]).status_code == 404
    assert len(files_of(browser)) == 64


def test_all_files_of_a_session_have_a_bound_together(client):
    browser = another(client)
    for _ in range(6):
        upload(browser, encoded() + bytes(280_000))
    kept = list(session_of(browser).folder.rglob("*.png"))
    assert sum(path.stat().st_size for path in kept) <= 4 * LIMIT
    assert len(kept) == 4


def test_samples_are_shown_and_used(client):
    listed = client.get("/studio/samples").json()["samples"]
    assert [it["id"] for it in listed] == ["poster", "slide", "illustration"]
    for it in listed:
        picture = client.get(it["thumb"])
        assert picture.headers["content-type"].startswith("image/")
        made = client.post("/studio/sample", json={"id": it["id"]})
        if len(picture.content) <= LIMIT:
            assert made.json()["upload"]["kind"] == "picture"
    assert client.post("/studio/sample", json={"id": "../app"}).status_code == 404
    assert client.get("/studio/sample/..%2fapp.py").status_code == 404


def test_samples_of_the_package_are_those_of_the_examples():
    root = Path(__file__).parents[2]
    for path in (root / "ui/web/samples").iterdir():
        assert path.read_bytes() == (root / "examples" / path.name).read_bytes()


def test_uploads_at_once_do_not_disturb_each_other(client):
    browser = another(client)
    session_of(browser)
    sizes = [(11 + number, 7) for number in range(8)]
    made = [None] * 8

    def send(number: int) -> None:
        made[number] = upload(browser, encoded(size=sizes[number])).json()["upload"]

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(it["width"], it["height"]) for it in made] == sizes  # type: ignore[index]
    assert len({it["id"] for it in made}) == 8  # type: ignore[index]


def test_a_probe_decodes_nothing(tmp_path):
    """Pixels that cannot be decoded, behind a sound header."""
    path = tmp_path / "a.bin"
    path.write_bytes(huge_png(30_000, 30_000, rows=1))
    found = probe(path, DEFAULT_LIMITS)
    assert (found.kind, found.suffix, found.extent) == ("picture", ".png", (30_000, 30_000))
    path.write_bytes(b"PK\3\4nothing")
    with pytest.raises(UnreadableFile):
        probe(path, DEFAULT_LIMITS)
