"""Gradio's endpoints through its own client: files, reports, refusals, login, cancelling."""

import base64
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from pictures_to_upload import layered_file
from PIL import Image
from served_studio import served
from studio_client import PATIENCE, until

from layerstudio.composite import composite_pixels
from layerstudio.io.files import open_document
from layerstudio.pipelines import methods
from layerstudio.progress import Progress

FILE_DATA = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def studio():
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def poster(tmp_path_factory) -> Path:
    """Two rectangles on a ground, 83 x 61 pixels."""
    pixels = np.full((61, 83, 3), (240, 230, 210), np.uint8)
    pixels[9:40, 12:50] = (40, 90, 160)
    pixels[25:50, 40:75] = (220, 80, 60)
    path = tmp_path_factory.mktemp("pictures") / "a poster.png"
    Image.fromarray(pixels).save(path)
    return path


def client_of(studio, folder, **options) -> Client:
    return Client(studio.address, download_files=str(folder), verbose=False, **options)


def test_a_picture_becomes_files_and_a_report(studio, poster, tmp_path):
    client = client_of(studio, tmp_path)
    files, report = client.predict(
        picture=handle_file(poster),
        request={"method": "flat", "read_text": False},
        formats=["ora", "png"],
        api_name="/decompose",
    )
    assert [Path(file).name for file in files] == ["a poster.ora", "a poster.png"]
    document = open_document(files[0])
    assert len(document.layers) == len(report["documents"][0]["layers"]) == 3
    shown = composite_pixels(document)[..., :3].astype(int)
    assert np.abs(shown - np.asarray(Image.open(poster))).max() <= 1
    made = report["documents"][0]
    assert made["recomposition_max_error"] <= 1 / 255 + 1e-6
    assert made["request"]["source"] == "a poster.png" and report["state"] == "done"
    assert "flattened" in " ".join(report["files"][1]["notes"])


def test_a_layered_file_is_written_in_other_formats(studio, poster, tmp_path):
    client = client_of(studio, tmp_path)
    ((layered,), _) = client.predict(
        picture=handle_file(poster), formats=["psd"], api_name="/decompose"
    )
    ((zipped,), report) = client.predict(
        layered=handle_file(layered), formats=["zip"], api_name="/export"
    )
    before, after = open_document(layered), open_document(zipped)
    assert [layer.name for layer in after.layers] == [layer.name for layer in before.layers]
    assert report["files"] == [{"name": "a poster.zip", "notes": []}]


@pytest.mark.parametrize(
    ("request_json", "formats", "words"),
    [
        ({"method": "flut"}, ["psd"], "no method"),
        ({"colour": 1}, ["psd"], "unknown fields"),
        ({"boxes": [[500, 0, 9, 9]]}, ["psd"], "holds no pixel"),
        ({"settings": {"x": 1}}, ["psd"], "no setting"),
        ({}, ["doc"], "doc"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(studio, poster, tmp_path, request_json, formats, words):
    client = client_of(studio, tmp_path)
    with pytest.raises(AppError, match=words):
        client.predict(
            picture=handle_file(poster), request=request_json, formats=formats,
            api_name="/decompose",
        )  # fmt: skip


def test_a_broken_picture_is_a_sentence(studio, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnot more")
    with pytest.raises(AppError, match="broken"):
        client_of(studio, tmp_path).predict(picture=handle_file(broken), api_name="/decompose")


def test_a_generation_without_weights_names_the_command(studio, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    request = {"prompt": "a cat", "method": "layerdiffuse-sdxl"}
    with pytest.raises(AppError, match="layerstudio models pull"):
        client_of(studio, tmp_path).predict(request=request, api_name="/generate")


def test_a_generation_is_written_with_a_file_for_each_picture(studio, tmp_path, monkeypatch):
    monkeypatch.setitem(methods._METHODS, "noise", "tiny_generator:NoiseMethod")
    files, report = client_of(studio, tmp_path).predict(
        request={"prompt": "snow", "method": "noise", "count": 2, "seed": 4},
        formats=["zip"],
        api_name="/generate",
    )
    assert [Path(file).name for file in files] == ["snow-1.zip", "snow-2.zip"]
    assert [one["request"]["seed"] for one in report["documents"]] == [4, 5]


def test_pages_paths_and_models_of_the_machine_are_not_for_programs(poster, tmp_path):
    """What names files is taken from the request, or refused where others can ask."""
    with served(listen=True, auth=(("anna", "secret"),)) as studio:
        client = client_of(studio, tmp_path, headers=basic("anna", "secret"))
        with pytest.raises(AppError, match="not the id of a model"):
            client.predict(
                picture=handle_file(poster), request={"base": "/etc/passwd"}, api_name="/decompose"
            )


@pytest.mark.parametrize("endpoint", ["decompose", "export"])
def test_only_what_the_caller_uploaded_is_read(studio, poster, tmp_path, endpoint):
    """Gradio itself does not look, in an application that is mounted into another one."""
    (tmp_path / "folder").mkdir()
    layered_file(tmp_path)
    asked = []
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        other.settimeout(0.0)
        address = f"http://127.0.0.1:{other.getsockname()[1]}/a.png"
        for path in (str(poster), str(tmp_path / "layers.ora"), address, "", ".", "../a.png"):
            error = refusal_of(studio, endpoint, {"path": path, "meta": FILE_DATA})
            assert "client uploads" in error, path
            assert str(tmp_path) not in error and os.getcwd() not in error
        with suppress(BlockingIOError):
            asked.append(other.accept())
    assert asked == []
    assert "was given" in refusal_of(studio, endpoint, None)


def refusal_of(studio, endpoint: str, given) -> str:
    """What an endpoint says about an input that no client of Gradio would send."""
    values = [given, None, ["psd"]] if endpoint == "decompose" else [given, ["psd"]]
    address = f"{studio.address}gradio_api/call/{endpoint}"
    body, headers = json.dumps({"data": values}).encode(), {"Content-Type": "application/json"}
    asked = urllib.request.Request(address, body, headers)
    event = json.load(urllib.request.urlopen(asked))["event_id"]
    answer = urllib.request.urlopen(f"{address}/{event}", timeout=PATIENCE).read().decode()
    return json.loads(answer.rpartition("data: ")[2])["error"]


def test_outputs_are_found_by_nobody_else(studio, poster, tmp_path):
    client = client_of(studio, tmp_path)
    job = client.submit(picture=handle_file(poster), formats=["html"], api_name="/decompose")
    job.result(timeout=PATIENCE)
    root = studio.app.state.sessions.root
    (written,) = (root / "gradio" / "outputs").glob("*/a poster.html")
    served_file = urllib.request.urlopen(f"{studio.address}gradio_api/file={quoted(written)}")
    # A page that a session made must not run as one of ours.
    assert served_file.headers["Content-Disposition"].startswith("attachment")
    assert len(written.parent.name) >= 32
    for path in (root, written.parent, root / "gradio/outputs", Path("/etc/passwd")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{studio.address}gradio_api/file={quoted(path)}")
        assert refused.value.code in (403, 404)


def quoted(path) -> str:
    return str(path).replace(" ", "%20")


def basic(user: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def test_a_login_by_headers_opens_the_endpoints_and_nothing_else_does(poster, tmp_path):
    with served(auth=(("anna", "secret"),)) as studio:
        client = client_of(studio, tmp_path, headers=basic("anna", "secret"))
        ((file,), _) = client.predict(picture=handle_file(poster), api_name="/decompose")
        assert len(open_document(file).layers) == 3
        for route in ("gradio_api/info", "config", "gradio_api/queue/data?session_hash=x"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(studio.address + route)
            assert refused.value.code == 401
        with pytest.raises(Exception, match=r"401|[Ll]og ?in|[Uu]nauthori"):
            client_of(studio, tmp_path, headers=basic("anna", "wrong"))


class EndlessMethod:
    """Reports steps until it is told to stop."""

    card = methods.MethodCard(
        "endless", "decompose", "Endless", "Never ends.", "none", "Apache-2.0", None, (), ()
    )
    begun = threading.Event()
    ended = threading.Event()

    def run(self, request, picture, *, runtime, progress, cancel):
        self.begun.set()
        try:
            for step in range(1_000_000):
                cancel.check()
                progress(Progress(f"step {step}", step / 1_000_000))
                time.sleep(0.005)
        finally:
            self.ended.set()
        raise AssertionError("It was never cancelled.")


@pytest.fixture
def endless(monkeypatch):
    EndlessMethod.begun.clear()
    EndlessMethod.ended.clear()
    monkeypatch.setitem(methods._METHODS, "endless", f"{__name__}:EndlessMethod")
    return EndlessMethod


def test_a_cancelled_call_cancels_its_job(studio, poster, tmp_path, endless):
    client = client_of(studio, tmp_path)
    job = client.submit(
        picture=handle_file(poster), request={"method": "endless"}, api_name="/decompose"
    )
    assert endless.begun.wait(PATIENCE)
    until(job.outputs)  # before it has heard of its job, Gradio's client cancels nothing
    reports = [output[1] for output in job.outputs()]
    job.cancel()
    assert endless.ended.wait(PATIENCE)
    assert all(report["state"] in ("queued", "running") for report in reports)
    ((file,), _) = client_of(studio, tmp_path).predict(
        picture=handle_file(poster), api_name="/decompose"
    )
    assert open_document(file).layers


def test_a_client_that_goes_away_cancels_its_job(studio, poster, endless):
    """As a program that is killed: the connection ends, and nothing is said."""
    base = studio.address + "gradio_api/"
    info = json.load(urllib.request.urlopen(studio.address + "config"))
    number = next(one["id"] for one in info["dependencies"] if one["api_name"] == "decompose")
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="p.png"\r\n\r\n'
    body = head + poster.read_bytes() + b"\r\n--x--\r\n"
    (path,) = posted(base + "upload", body, "multipart/form-data; boundary=x")
    call = {
        "data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, {"method": "endless"}, None],
        "fn_index": number,
        "session_hash": "gone",
    }
    posted(base + "queue/join", json.dumps(call).encode(), "application/json")
    stream = urllib.request.urlopen(base + "queue/data?session_hash=gone")
    assert endless.begun.wait(PATIENCE)
    stream.close()
    assert endless.ended.wait(PATIENCE)


def posted(address: str, body: bytes, kind: str):
    request = urllib.request.Request(address, body, {"Content-Type": kind})
    return json.load(urllib.request.urlopen(request))


def test_the_description_names_every_parameter(studio):
    info = json.load(urllib.request.urlopen(studio.address + "gradio_api/info"))
    endpoints = info["named_endpoints"]
    assert set(endpoints) == {"/decompose", "/generate", "/export"}
    names = {
        route: [one["parameter_name"] for one in endpoint["parameters"]]
        for route, endpoint in endpoints.items()
    }
    assert names == {
        "/decompose": ["picture", "request", "formats"],
        "/generate": ["request", "formats"],
        "/export": ["layered", "formats"],
    }
    for endpoint in endpoints.values():
        assert endpoint["description"]
        assert all(len(one["label"]) > 10 for one in endpoint["parameters"])
