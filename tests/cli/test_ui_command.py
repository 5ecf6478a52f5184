"""``layerstudio ui``: what it refuses before it starts, and a studio from its start to its end."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from typer.testing import CliRunner

from layerstudio.ui.cli import ui as ui_module
from layerstudio.ui.cli.main import app
from layerstudio.ui.web.options import DEFAULT_PORT, WebOptions
from layerstudio.ui.web.serving import addresses, is_loopback, listening_socket

STUDIO = (sys.executable, "-m", "layerstudio.ui.cli.main", "ui", "--no-open", "--max-upload", "4")


def refused(*options: str, **environment: str) -> str:
    """What the command says, and that it ends with the code for what a user can change."""
    done = CliRunner().invoke(app, ["ui", "--no-open", *options], env=environment)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    return done.stderr


@pytest.fixture
def taken():
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("options", [["--listen"], ["--host", "0.0.0.0"], ["--host", "::"]])
def test_other_machines_need_a_login(options):
    message = refused(*options, LAYERSTUDIO_AUTH="")
    assert "needs a login" in message and "--auth USER:PASSWORD" in message
    assert message.count("\n") == 1


def test_passwords_that_others_can_try_are_not_short():
    message = refused("--listen", "--auth", "ann:short")
    assert "'ann' is too short" in message and "short:" not in message


@pytest.mark.parametrize("text", ["ann", ":secret-password", "ann:", ""])
def test_a_login_is_a_pair_and_a_bad_one_is_not_repeated(text, tmp_path):
    if text:
        message = refused("--auth", text)
        assert "USER:PASSWORD" in message and "secret-password" not in message
    path = tmp_path / "users"
    path.write_text(f"{text}\n\n")
    assert refused("--auth-file", str(path))


def test_files_of_users_that_cannot_be_read(tmp_path):
    assert "could not be read" in refused("--auth-file", str(tmp_path / "none"))
    path = tmp_path / "users"
    path.write_bytes(b"\xff\xfe\xfa")
    assert "UTF-8" in refused("--auth-file", str(path))


def test_two_users_of_one_name():
    assert "same name" in refused("--auth", "ann:one", "--auth", "ann:two")


def test_users_come_from_options_or_else_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_AUTH", "bob:two words\ncy:a:b")
    assert ui_module._users(None, None) == (("bob", "two words"), ("cy", "a:b"))
    assert ui_module._users(["ann:x"], None) == (("ann", "x"),)
    path = tmp_path / "users"
    path.write_text("\ufeffdé:ü\r\n\n", encoding="utf-8")
    assert ui_module._users(["ann:x"], path) == (("ann", "x"), ("dé", "ü"))


def test_a_port_that_is_taken(taken):
    message = refused("--port", str(taken))
    assert f"Port {taken} is taken" in message and "--port" in message


def test_a_host_that_is_not_this_machine():
    message = refused("--host", "192.0.2.1", "--auth", "ann:long enough")
    assert "cannot listen on '192.0.2.1'" in message


def test_without_the_packages_it_says_which_to_install(monkeypatch):
    monkeypatch.setattr(ui_module, "find_spec", lambda name: None)
    message = refused()
    assert "gradio" in message and "pip install 'layerstudio[web]'" in message


def test_the_next_port_is_taken_when_none_was_asked_for():
    with (
        listening_socket("127.0.0.1", None) as first,
        listening_socket("127.0.0.1", None) as second,
    ):
        ports = [it.getsockname()[1] for it in (first, second)]
    assert DEFAULT_PORT <= ports[0] < ports[1] < DEFAULT_PORT + 20


def test_addresses_are_those_that_one_types():
    assert addresses(WebOptions(port=5)) == ["http://127.0.0.1:5/"]
    assert addresses(WebOptions(host="::1", port=5)) == ["http://[::1]:5/"]
    assert addresses(WebOptions(host="0.0.0.0", port=5))[-1] == "http://127.0.0.1:5/"
    loopback = ("127.0.0.1", "127.8.8.8", "::1", "localhost")
    assert all(map(is_loopback, loopback)) and not any(map(is_loopback, ("0.0.0.0", "::", "a.b")))


def test_help_tells_of_it_and_loads_no_server():
    code = (
        "import sys; from typer.testing import CliRunner; from layerstudio.ui.cli.main import app\n"
        "print(CliRunner().invoke(app, ['ui', '--help']).output)\n"
        "assert not {'gradio', 'fastapi', 'uvicorn', 'numpy', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for option in ("--listen", "--auth", "--port", "--max-pixels", "--max-upload", "--device"):
        assert option in done.stdout


def test_the_studio_needs_no_network_library():
    """It starts in seconds, and where only layerstudio[web] is installed."""
    code = (
        "import sys, layerstudio.ui.web.app\n"
        "print(*{'torch', 'diffusers', 'transformers', 'scipy', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A studio with a login, as a process; what it printed, and its temporary folder."""
    folder = tmp_path_factory.mktemp("studio")
    environment = {**os.environ, "TMPDIR": str(folder), "LAYERSTUDIO_AUTH": "ann:correct horse"}
    process = subprocess.Popen(
        STUDIO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    yield process, line, folder
    process.kill()
    process.communicate()


def asked(port: int, method: str, path: str, body=None, **headers: str):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names, encode_chunked="transfer-encoding" in names)
    answer = connection.getresponse()
    return answer, answer.read()


def test_a_studio_from_its_start_to_its_end(studio):
    process, line, folder = studio
    found = re.fullmatch(r"The studio is at (http://127\.0\.0\.1:(\d+)/)\n", line)
    assert found, (line, process.stderr.read())
    port = int(found[2])
    answer, _ = asked(port, "GET", "/", accept="text/html")
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert answer.headers["server"] is None
    form = {"content_type": "application/x-www-form-urlencoded"}
    answer, _ = asked(port, "POST", "/login", b"username=ann&password=correct+horse", **form)
    cookie = answer.headers["set-cookie"].split(";")[0]
    answer, page = asked(port, "GET", "/", accept="text/html", cookie=cookie)
    assert answer.status == 200 and b"gradio_config" in page
    session = answer.headers["set-cookie"].split(";")[0]
    cookies = f"{cookie}; {session}"

    # A file without end is cut off while it streams, and the answer arrives all the same.
    def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(20):
            yield bytes(2**20)

    answer, body = asked(
        port, "POST", "/studio/upload", endless(), cookie=cookies,
        content_type="multipart/form-data; boundary=b", transfer_encoding="chunked",
    )  # fmt: skip
    assert answer.status == 413 and b"TooLarge" in body
    assert [path.name for path in folder.rglob("*") if path.is_file()] == [".lock"]

    # A page listens to events: the end does not wait for it.
    listening = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    listening.request("GET", "/studio/events", headers={"cookie": cookies})
    stream = listening.getresponse()
    assert stream.status == 200
    rest = []
    reader = threading.Thread(target=lambda: rest.append(stream.read()))
    reader.start()
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert time.monotonic() - start < 10
    reader.join(timeout=10)
    assert not reader.is_alive()
    assert "The studio has ended." in process.stderr.read()
    assert list(folder.iterdir()) == []
