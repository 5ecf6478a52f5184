"""Who may ask: hosts, origins, sizes of bodies; and what every answer says to the browser."""

import asyncio
import base64
import contextlib
import hashlib
import re

import pytest
from starlette.exceptions import HTTPException
from studio_client import ADDRESS, another, running

from layerstudio.ui.web.guard import Guard, allowed_hosts
from layerstudio.ui.web.options import WebOptions
from layerstudio.ui.web.page_policy import policy_of

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client():
    with running(max_upload_bytes=200_000, allowed_hosts=("studio.example",)) as client:
        yield client


def kind(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["kind"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]:7860", "studio.example", "127.0.0.1"],
)
def test_hosts_of_this_machine_and_allowed_ones_are_answered(client, host):
    assert client.get("/studio/samples", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:7860", "192.168.0.7", "", "[::1",
     "a@localhost.evil", "localhost.", "127.1"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/studio/state", "/gradio_api/info", "/config"])
def test_other_hosts_are_refused(client, host, path):
    """A page elsewhere whose name points to this machine is of the "same origin"."""
    assert kind(client.get(path, headers={"host": host})) == (403, "Forbidden")


def test_any_number_is_answered_where_the_studio_listens():
    options = WebOptions(listen=True, host="0.0.0.0", auth=(("ann", "long enough"),))
    assert "evil.example" not in allowed_hosts(options)
    with running(listen=True, host="0.0.0.0", auth=(("ann", "long enough"),)) as client:
        assert client.get("/login", headers={"host": "192.168.0.7:7860"}).status_code == 200
        assert client.get("/login", headers={"host": "[fe80::1]:7860"}).status_code == 200
        assert kind(client.get("/login", headers={"host": "evil.example"}))[0] == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:3000", "http://localhost:7860", "file://"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/studio/undo"), ("POST", "/studio/upload"), ("GET", "/studio/events"),
     ("GET", "/studio/state"), ("POST", "/gradio_api/queue/join"), ("DELETE", "/studio/state")],
)  # fmt: skip
def test_foreign_origins_are_refused(client, origin, method, path):
    answer = client.request(method, path, headers={"origin": origin, **JSON})
    assert kind(answer) == (403, "Forbidden")


def test_the_own_origin_and_programs_are_answered(client):
    for headers in ({}, {"origin": ADDRESS}, {"origin": ADDRESS, "sec-fetch-site": "same-origin"}):
        answer = client.post("/studio/undo", json={}, headers=headers)
        assert kind(answer) == (400, "InvalidRequest")  # nothing to undo, but asked


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_requests_that_a_foreign_page_caused_are_refused(client, site):
    """Browsers send no Origin with pictures, but do say where a request comes from."""
    for path in ("/studio/state", "/studio/samples", "/studio/static/main.js"):
        assert kind(client.get(path, headers={"sec-fetch-site": site}))[0] == 403
    link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/", headers=link).status_code == 200
    assert client.get("/studio/state", headers=link).status_code == 403
    framed = {**link, "sec-fetch-dest": "iframe"}
    assert client.get("/", headers=framed).status_code == 403


def test_a_link_from_elsewhere_does_not_replace_the_session(client):
    """The browser holds back a strict cookie then; a new one would take its place."""
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    stranger = another(client)
    answer = stranger.get("/", headers={**link, "sec-fetch-dest": "document"})
    assert "set-cookie" not in answer.headers
    assert "layerstudio_session" in another(client).get("/").headers["set-cookie"]


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/file=http://192.0.2.1/a.png", "/gradio_api/file=HTTPS://example.com/a",
     "/file=http:/example.com", "/gradio_api/file=%68ttp://example.com",
     "/gradio_api/proxy=https://example.com/a"],
)  # fmt: skip
def test_the_server_fetches_nothing_for_anybody(client, path):
    assert kind(client.get(path)) == (403, "Forbidden")


@pytest.mark.parametrize(
    "path",
    ["process_recording", "component_server/", "deep_link", "dev/reload", "vibe-edit",
     "custom_component/a/server/b/c", "stream/a/b/1/playlist-file", "run-history/records", ""],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_routes_of_gradio_that_nobody_needs_are_closed(client, method, path):
    assert kind(client.request(method, f"/gradio_api/{path}")) == (404, "NotFound")
    assert client.get("/gradio_api/info").status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//"])
def test_an_origin_that_is_no_address_is_foreign(client, origin):
    assert kind(client.get("/studio/samples", headers={"origin": origin})) == (403, "Forbidden")


def test_every_answer_has_the_headers(client):
    script = "/studio/static/main.js"
    for path in ("/", "/studio/state", script, "/studio/nothing", "/nothing", "/config"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
    refused = client.get("/", headers={"host": "evil.example"})
    assert refused.headers["x-frame-options"] == "DENY"


def test_data_of_a_session_can_do_nothing_as_a_page(client):
    policy = client.get("/studio/state").headers["content-security-policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy
    page = client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in page and "unsafe-eval" not in page and "http:" not in page


def test_bodies_over_the_limit_are_refused_whether_announced_or_not(client):
    size = 17 * 2**20
    answer = client.post("/studio/undo", content=b"x" * size, headers=JSON)
    assert kind(answer) == (413, "TooLarge")
    chunks = (b"x" * 2**20 for _ in range(17))
    answer = client.post("/studio/undo", content=chunks, headers=JSON)
    assert kind(answer) == (413, "TooLarge")
    assert answer.headers["x-frame-options"] == "DENY"


def test_a_body_without_end_is_read_no_further_than_the_limit():
    """The application swallows the error, as parsers in frameworks do; it is 413 all the same."""
    taken, sent = 0, []

    async def receive():
        nonlocal taken
        taken += 2**16
        return {"type": "http.request", "body": bytes(2**16), "more_body": True}

    async def send(message):
        sent.append(message)

    async def careless(scope, receive, send):
        with contextlib.suppress(HTTPException):
            while True:
                await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"all is well"})

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/studio/upload",
        "headers": [(b"host", b"127.0.0.1")],
    }
    guard = Guard(careless, WebOptions(max_upload_bytes=200_000))
    asyncio.run(guard(scope, receive, send))
    assert taken <= 200_000 + 2**20 + 2**16
    assert [message.get("status") for message in sent] == [413, None]
    assert b"TooLarge" in sent[1]["body"] and b"all is well" not in sent[1]["body"]


def test_gradio_takes_no_larger_files_than_the_studio(client):
    files = {"files": ("a.bin", bytes(250_000))}
    assert client.post("/gradio_api/upload", files=files).status_code == 413
    files = {"files": ("a.bin", bytes(2_000_000))}
    assert kind(client.post("/gradio_api/upload", files=files)) == (413, "TooLarge")


def test_no_files_are_taken_while_the_disk_is_full():
    """A full disk cannot be had here, but one that is too small for the largest file can."""
    with running(max_upload_bytes=2**60) as small:
        for path in ("/studio/upload", "/gradio_api/upload"):
            answer = small.post(path, files={"file": ("a.bin", b"1")})
            assert kind(answer) == (503, "NoRoom")
        assert small.get("/studio/samples").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/studio/nothing"), ("GET", "/studio/undo"), ("POST", "/studio/state"),
     ("DELETE", "/studio/"), ("OPTIONS", "/studio/edit")],
)  # fmt: skip
def test_unknown_addresses_are_errors_as_json(client, method, path):
    assert kind(client.request(method, path)) == (404, "NotFound")


@pytest.mark.parametrize(
    "path",
    ["../app.py", "%2e%2e/app.py", "..%2fapp.py", "editor/../../app.py", "/etc/passwd",
     "%2Fetc%2Fpasswd", "editor", "", "main.js/", "main.js%00.css", "..\\app.py"],
)  # fmt: skip
def test_files_of_the_page_are_those_of_its_folder_only(client, path):
    assert client.get(f"/studio/static/{path}").status_code == 404


def test_files_of_the_page_have_their_types_and_are_not_sent_twice(client):
    first = client.get("/studio/static/main.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    again = client.get("/studio/static/main.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    style = client.get("/studio/static/tokens.css")
    assert style.headers["content-type"] == "text/css; charset=utf-8"


def test_our_own_routes_are_no_api_that_is_described(client):
    for path in ("/docs", "/redoc"):
        assert client.get(path).status_code == 404
    assert "/studio/" not in client.get("/openapi.json").text  # which is Gradio's


def test_inline_scripts_of_the_page_are_allowed_by_their_hashes_only(client):
    """Gradio's configuration is one of them, and is another one with every start."""
    answer = client.get("/", headers={"accept-encoding": "br, gzip"})
    policy = answer.headers["content-security-policy"]
    scripts = policy.split("script-src ")[1].split(";")[0].split()
    assert scripts[0] == "'self'" and len(scripts) > 2
    assert all(re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", script) for script in scripts[1:])
    assert policy_of(answer.content) == policy
    assert "unsafe" not in policy.split("script-src ")[1]


def test_a_policy_counts_each_inline_script_as_it_stands():
    page = (
        b'<SCRIPT>one</SCRIPT><script src="a.js"></script><script data-src="x">one</script>'
        b'<script type="module">\n two </script>'
    )
    policy = policy_of(page)
    for text in (b"one", b"\n two "):
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        assert policy.count(f"'sha256-{digest}'") == 1
    assert policy.count("sha256-") == 2
