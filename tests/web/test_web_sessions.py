"""Sessions: whose they are, how many, how long, and what stays of them."""

import os
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from served_studio import served
from studio_client import Editor, another, application, drawn, opened, running, session_of

from layerstudio.ui.web.cookies import Signer
from layerstudio.ui.web.errors_json import NoRoom, NotFound
from layerstudio.ui.web.events import Events
from layerstudio.ui.web.options import WebOptions
from layerstudio.ui.web.sessions import Sessions
from layerstudio.ui.web.temporary import TemporaryRoot


@pytest.fixture(scope="module")
def client():
    with running() as client:
        yield client


@pytest.fixture
def sessions():
    made = Sessions(WebOptions(max_sessions=4, session_idle_s=30.0, memory_bytes=1000))
    yield made
    made.close_all()


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client):
    cookie = another(client).get("/studio/state").headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie and "Max-Age" not in cookie


def test_a_page_gets_its_cookie_before_anything_is_kept_for_it(client):
    before = len(application(client).state.sessions)
    browser = another(client)
    assert "layerstudio_session" in browser.get("/").headers["set-cookie"]
    assert len(application(client).state.sessions) == before
    for _ in range(3):  # then all requests, at whatever order, are of one session
        assert "set-cookie" not in browser.get("/studio/state").headers
    assert len(application(client).state.sessions) == before + 1


def test_a_cookie_that_was_made_up_opens_nothing(client):
    opened(client)
    value = client.cookies["layerstudio_session"]
    number, signature = value.split(".")
    unsigned = f"{number}.{'0' * len(signature)}"
    for forged in ("x", number, f"{number}.", unsigned, f"{number}x.{signature}"):
        stranger = another(client, cookies={"layerstudio_session": forged})
        answer = stranger.get("/studio/state")
        assert answer.json()["document"] is None
        assert f"layerstudio_session={forged};" not in answer.headers["set-cookie"]


def test_signatures_are_of_one_user_and_one_process():
    signer = Signer()
    value = signer.issue("ann")
    assert signer.check(value, "ann") == value.split(".")[0]
    for user in ("bob", None, "", "-"):
        assert signer.check(value, user) is None
    assert Signer().check(value, "ann") is None
    assert signer.check(signer.issue(None), None)
    assert signer.check(signer.issue("-"), None) is None
    assert signer.check("é.ü", None) is None


@pytest.mark.parametrize(
    "other", ['state={"open": true}', "odd name=1", "flag", 'text="half', "w\u00e9=1", "a[0]=1"]
)
@pytest.mark.parametrize("order", ["{other}; {own}", "{own}; {other}"])
def test_cookies_of_other_programs_do_not_hide_ours(client, order, other):
    """Browsers send the cookies of all ports of a machine to all of them."""
    own = f"layerstudio_session={another(client).get('/').cookies['layerstudio_session']}"
    line = order.format(own=own, other=other).encode("latin-1")
    answer = another(client).get("/studio/state", headers={"cookie": line})
    assert answer.status_code == 200 and "set-cookie" not in answer.headers


def test_a_session_that_waits_does_not_take_the_threads_of_all():
    """Forty-five requests behind one long edit: the server has forty threads."""
    with served() as studio, ThreadPoolExecutor(46) as pool:
        with urllib.request.urlopen(f"{studio.address}studio/state") as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        (session,) = studio.app.state.sessions._all()
        headers = {"Cookie": cookie, "Content-Type": "application/json"}
        undo = urllib.request.Request(f"{studio.address}studio/undo", b"{}", headers)
        with session.studio.lock:
            edits = [pool.submit(urllib.request.urlopen, undo, timeout=20) for _ in range(45)]
            time.sleep(0.5)
            with urllib.request.urlopen(f"{studio.address}studio/state", timeout=10) as answer:
                assert answer.status == 200
            assert not any(edit.done() for edit in edits)
        refusals = [edit.exception(timeout=20) for edit in edits]
        assert {getattr(refusal, "code", refusal) for refusal in refusals} == {400}


def test_pages_that_listen_are_not_more_than_a_browser_has():
    events, heard = Events(), []
    for number in range(40):
        events.subscribe(lambda name, data, number=number: heard.append((name, number)))
    assert heard == [("close", number) for number in range(8)]
    events.publish("ping", {})
    assert heard[8:] == [("ping", number) for number in range(8, 40)]


def test_studios_on_other_ports_have_cookies_of_their_own():
    with running(port=7861) as client:
        cookie = client.get("/studio/state", headers={"host": "127.0.0.1:7861"})
        assert "layerstudio_session_7861=" in cookie.headers["set-cookie"]


def test_what_is_anothers_is_not_there(client):
    """Pictures, thumbnails, uploads and edits of one session, asked for by another."""
    opened(client)
    editor = Editor(client)
    upload = client.post("/studio/sample", json={"id": "poster"}).json()["upload"]
    key = editor.document["nodes"][0]["thumb"]
    paths = [
        "/studio/render.png?x=0&y=0&w=9&h=9",
        "/studio/sprite.png?path=0",
        "/studio/matte.png?path=0",
        f"/studio/thumb/{key}.png",
        upload["thumb"],
    ]
    assert [client.get(path).status_code for path in paths] == [200] * 5
    stranger = another(client)
    assert [stranger.get(path).status_code for path in paths] == [404] * 5
    assert stranger.get("/studio/source.png").status_code == 404
    body = {"revision": editor.document["revision"], "command": "delete", "paths": ["0"]}
    assert stranger.post("/studio/edit", json=body).status_code in (404, 409)
    assert stranger.get("/studio/state").json()["document"] is None
    assert client.get("/studio/state").json()["document"] == editor.document


def test_what_comes_too_late_for_a_session_leaves_nothing(client):
    session = session_of(another(client))
    folder = session.folder
    with session.uploads.incoming() as incoming:
        incoming.write(b"half of it")
        application(client).state.sessions.close(session)
        with pytest.raises(NotFound):
            session.uploads.incoming().__enter__()
        with pytest.raises(NotFound):
            session.uploads.add(incoming, "a.png")
    assert not folder.exists()


def test_the_folder_goes_with_the_session(client):
    browser = another(client)
    browser.post("/studio/sample", json={"id": "slide"}).raise_for_status()
    session = session_of(browser)
    assert session.folder.is_dir() and session.folder.stat().st_mode & 0o077 == 0
    application(client).state.sessions.close(session)
    assert not session._root.exists()
    assert browser.get("/studio/state").json()["document"] is None


def test_idle_sessions_are_swept_and_busy_ones_are_not(sessions):
    idle, watched, fresh = (sessions.create(None) for _ in range(3))
    idle.last_seen -= 31
    watched.last_seen -= 31
    end = watched.events.subscribe(lambda name, data: None)
    sessions.sweep()
    assert len(sessions) == 2
    assert watched.idle_s < 5
    end()
    watched.last_seen -= 31
    sessions.sweep()
    assert len(sessions) == 1 and fresh.idle_s < 5


def test_a_session_that_nobody_looks_at_gives_up_its_cache_and_keeps_its_document(client):
    browser = another(client)
    session = opened(browser)
    place = "/studio/render.png?x=0&y=0&w=61&h=47"
    before, viewer = browser.get(place).content, session.studio.viewer
    application(client).state.sessions.sweep()
    assert session.studio.viewer is viewer
    session.last_seen -= 601
    application(client).state.sessions.sweep()
    assert session.studio.viewer is not viewer
    assert browser.get(place).content == before


def test_the_number_is_bounded_and_the_least_needed_goes(sessions):
    first, *others = (sessions.create(None) for _ in range(4))
    for session in (first, *others):
        session.studio.open(drawn(), name="", source=None, label="", label_key="")
    with pytest.raises(NoRoom, match="4 sessions"):
        sessions.create(None)
    others[1].last_seen -= 400
    others[2].last_seen -= 500
    told = []
    others[2].events.subscribe(lambda name, data: told.append(name))
    made = sessions.create(None)  # others[2] is older, but a page listens to it
    assert len(sessions) == 4 and told == []
    assert others[1].studio.document is None and others[2].studio.document is not None
    again = sessions.create(None)  # one without a document goes first
    assert again is not made and len(sessions) == 4


def test_a_full_studio_says_so():
    with running(max_sessions=1) as client:
        opened(client)
        answer = another(client).get("/studio/state")
        assert answer.status_code == 503
        assert answer.json()["error"]["advice"]


def test_the_end_tells_the_pages_and_removes_everything():
    sessions = Sessions(WebOptions())
    session = sessions.create(None)
    told = []
    session.events.subscribe(lambda name, data: told.append(name))
    assert session.folder.is_dir()
    sessions.close_all()
    assert "close" in told and len(sessions) == 0
    assert not sessions.root.exists()
    late = []
    session.events.subscribe(lambda name, data: late.append(name))
    assert late == ["close"]


def test_memory_for_histories_is_shared(sessions):
    one = sessions.create(None)
    one.studio.open(drawn(), name="", source=None, label="", label_key="")
    one.studio.open(drawn(), name="", source=None, label="", label_key="")
    assert one.studio.held_bytes <= 1000  # a whole document is more, and is gone
    assert len(one.studio.moment.trail) == 1


def test_what_a_killed_studio_left_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        f"import tempfile; tempfile.tempdir = {str(tmp_path)!r}\n"
        "from layerstudio.ui.web.temporary import TemporaryRoot\n"
        "root = TemporaryRoot(); (root.path / 'a').write_text('x'); print(root.path, flush=True)\n"
        "import time; time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    strange, young = tmp_path / "layerstudio-studio-1", tmp_path / "layerstudio-studio-2"
    strange.mkdir()
    young.mkdir()
    os.utime(strange, (1, 1))
    alive = TemporaryRoot()
    assert not strange.exists() and young.exists()  # a young one may be about to be locked
    young.rmdir()
    assert left.is_dir() and alive.path.is_dir()  # it runs, so its folder is in use
    process.kill()
    process.wait()
    process.stdout.close()
    ends = time.monotonic() + 5
    while left.exists() and time.monotonic() < ends:
        TemporaryRoot().remove()
    assert not left.exists() and alive.path.is_dir()
    alive.remove()
    assert os.listdir(tmp_path) == []
