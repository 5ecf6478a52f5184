"""Jobs over the wire: events as they come, lists that survive a reload, one session's own."""

import http.client
import json
import time
from urllib.parse import urlsplit

import pytest
from served_studio import served
from studio_client import another, application, opened, running, session_of

from layerstudio.progress import Progress
from layerstudio.ui.web.jobs.job import JobResult

PATIENCE = 20.0
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def studio():
    with running() as client:
        yield client


@pytest.fixture
def client(studio):
    return another(studio)


def steps(progress, cancel):
    for number in range(400):
        progress(Progress(f"step {number}", number / 400))
        time.sleep(0.005)
    return JobResult(notes=("a note",))


def submit(client, work=steps, **more):
    session = session_of(client)
    return application(client).state.jobs.submit(session, "x", "a title", work, **more)


def test_a_job_is_there_after_a_reload_and_nobody_elses(client, studio):
    job = submit(client)
    for answer in (client.get("/studio/jobs"), client.get("/studio/state")):
        (view,) = answer.json()["jobs"]
        assert view["id"] == job.id and view["title"] == "a title"
    stranger = another(studio)
    assert stranger.get("/studio/jobs").json()["jobs"] == []
    for route in ("cancel", "dismiss"):
        answer = stranger.post(f"/studio/jobs/{job.id}/{route}", json={})
        assert answer.status_code == 404 and answer.json()["error"]["kind"] == "NotFound"
    assert stranger.get(f"/studio/jobs/{job.id}/preview.png").status_code == 404
    assert client.post(f"/studio/jobs/{job.id}/dismiss", json={}).status_code == 400
    assert client.post(f"/studio/jobs/{job.id}/cancel", json={}).status_code == 200
    assert job.finished.wait(PATIENCE)
    answer = client.post(f"/studio/jobs/{job.id}/dismiss", json={})
    assert answer.json() == {"jobs": []}


def test_too_many_jobs_are_refused_with_a_status(client):
    jobs = [submit(client) for _ in range(21)]
    answer = client.post("/studio/jobs", json={"kind": "export", "formats": ["psd"]})
    assert answer.status_code == 404  # no document
    opened(client)
    name = client.post("/studio/upload", files={"file": ("p.png", PNG)}).json()["upload"]["id"]
    answer = client.post("/studio/jobs", json={"kind": "decompose", "upload": name})
    assert answer.status_code == 503 and answer.json()["error"]["kind"] == "QueueFull"
    for job in jobs:
        client.post(f"/studio/jobs/{job.id}/cancel", json={})
    assert all(job.finished.wait(PATIENCE) for job in jobs)


def test_half_a_character_does_not_get_into_what_is_shown(client):
    """A title with it would make every later answer of the session impossible to write."""
    opened(client)
    bodies = (
        rb'{"kind": "generate", "request": {"prompt": "a cat \ud83d"}}',
        rb'{"kind": "replace", "path": "0", "prompt": "\uDC08"}',
        rb'{"kind": "generate", "request": {"prompt": "a", "settings": {"\udbff": 1}}}',
    )
    for body in bodies:
        answer = client.post("/studio/jobs", content=body, headers=JSON)
        assert answer.status_code == 400, body
        assert "surrogate" in answer.json()["error"]["message"]
    assert client.get("/studio/state").json()["jobs"] == []
    whole = rb'{"request": {"task": "generate", "prompt": "\ud83d\udc08"}}'
    answer = client.post("/studio/recipe", content=whole, headers=JSON)
    assert answer.json()["request"]["prompt"] == "\N{CAT}"


@pytest.mark.parametrize(
    ("kind", "more"),
    [("fill", {"seed": -1}), ("fill", {"seed": 10**30}), ("replace", {"request": 5}),
     ("replace", {"request": [["a", 1]]}), ("replace", {"seed": -1})],
)  # fmt: skip
def test_what_a_job_cannot_use_is_said_at_once(client, kind, more):
    opened(client)
    body = {"kind": kind, "path": "3", **more} | ({"prompt": "a"} if kind == "replace" else {})
    answer = client.post("/studio/jobs", json=body)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "InvalidRequest")


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8"
    "ffff3f0005fe02fea135819e0000000049454e44ae426082"
)


class Listener:
    """A page's event stream over a real connection."""

    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
        self.cookie = ""
        self.get("/studio/state")

    def request(self, method: str, path: str, body=None):
        headers = {"Cookie": self.cookie, "Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, headers)
        return self.connection.getresponse()

    def get(self, path: str):
        answer = self.request("GET", path)
        given = answer.getheader("Set-Cookie")
        self.cookie = given.partition(";")[0] if given else self.cookie
        return json.loads(answer.read())

    def events(self, cookie: str):
        """Name and data of each event."""
        self.cookie = cookie
        answer = self.request("GET", "/studio/events")
        assert answer.getheader("Content-Type", "").startswith("text/event-stream")
        name = ""
        while line := answer.readline().decode():
            if line.startswith("event: "):
                name = line[7:].strip()
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])


def test_events_tell_of_jobs_and_documents_while_they_happen():
    with served() as studio:
        asking = Listener(studio.address)
        hearing = Listener(studio.address)
        events = hearing.events(asking.cookie)
        assert next(events) == ("ping", {})
        sample = json.loads(
            asking.request("POST", "/studio/sample", {"id": first_sample(asking)}).read()
        )
        body = {"kind": "open", "upload": sample["upload"]["id"]}
        job = json.loads(asking.request("POST", "/studio/jobs", body).read())["job"]
        states, revisions = [], []
        for name, data in events:
            if name == "document":
                revisions.append(data["revision"])
            if name == "job" and data["id"] == job["id"]:
                states.append(data["state"])
                if data["state"] == "done":
                    break
        assert states[0] in ("queued", "running") and states[-1] == "done"
        assert revisions == [1]
        assert asking.get("/studio/state")["document"]["revision"] == 1


def first_sample(listener: Listener) -> str:
    return listener.get("/studio/samples")["samples"][0]["id"]


def test_a_stream_ends_with_its_page():
    """The session is busy while a page listens, and no longer after it went away."""
    with served() as studio:
        page = Listener(studio.address)
        events = page.events(page.cookie)
        assert next(events) == ("ping", {})
        (session,) = studio.app.state.sessions._all()
        assert session.is_busy
        events.close()
        page.connection.close()
        deadline = time.monotonic() + PATIENCE
        while session.is_busy:
            session.events.publish("nobody", {"hears": "it"})
            assert time.monotonic() < deadline, "The stream is still open."
            time.sleep(0.05)
