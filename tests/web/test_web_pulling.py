"""Fetching weights from the page: progress, terms, cancelling, going on where it ended."""

import random
import time
from collections.abc import Iterator

import hub_stand_in
import pytest
from studio_client import PATIENCE, another, application, running, session_of, until

from layerstudio.ui.web.jobs.job import JobResult
from layerstudio.ui.web.methods_view import weights_view
from layerstudio.weights import store
from layerstudio.weights.registry import checkpoint, checkpoints

ID = "layerdiffuse-sdxl-attn"
ROW = checkpoint(ID)
(FILE,) = ROW.patterns
BODY = random.Random(3).randbytes(200_000)


@pytest.fixture(scope="module")
def studio():
    with running() as client:
        yield client


@pytest.fixture
def client(studio):
    return another(studio)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[hub_stand_in.HubStandIn]:
    """A hub that everything here asks, and an empty cache."""
    from huggingface_hub import constants

    from layerstudio.weights import transfer

    for name in ("HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "LAYERSTUDIO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("LAYERSTUDIO_WEIGHTS", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(transfer, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(transfer, "LONGEST_PAUSE", 0.05)
    with hub_stand_in.running() as running_hub:
        monkeypatch.setenv("HF_ENDPOINT", running_hub.endpoint)
        running_hub.publish(ROW.repository, {FILE: BODY, "README.md": b"read me"})
        yield running_hub


def start(client, **body):
    answer = client.post("/studio/jobs", json={"kind": "pull", "weights": ID, **body})
    assert answer.status_code == 200, answer.text
    jobs = application(client).state.jobs.of(session_of(client))
    return jobs.get(answer.json()["job"]["id"])


def wait(job):
    assert job.finished.wait(PATIENCE), job.view()
    return job.view()


def test_weights_arrive_with_progress_and_are_missing_no_more(client, hub):
    seen = []
    session_of(client).events.subscribe(lambda name, data: seen.append(data))
    assert [one["id"] for one in weights_view([ID])] == [ID]
    hub.fail(FILE, hub_stand_in.Fault(pause=0.01))
    view = wait(start(client))
    assert view["state"] == "done" and store.is_present(ID)
    assert weights_view([ID]) == []
    fractions = [data["fraction"] for data in seen if data.get("fraction") is not None]
    assert fractions == sorted(fractions) and any(0 < one < 1 for one in fractions)
    assert any(FILE in data.get("stage", "") for data in seen)


def test_a_cancelled_download_goes_on_where_it_ended(client, hub):
    hub.fail(FILE, hub_stand_in.Fault(pause=0.02))
    job = start(client)
    until(lambda: (job.fraction or 0) > 0.1)
    client.post(f"/studio/jobs/{job.id}/cancel", json={}).raise_for_status()
    begun = time.monotonic()
    assert wait(job)["state"] == "cancelled" and time.monotonic() - begun < 3
    assert not store.is_present(ID)
    assert wait(start(client))["state"] == "done"
    assert hub.downloads(FILE)[-1].range is not None and hub.sent[FILE] < 2 * len(BODY)


def test_terms_that_are_not_accepted_are_named(client, hub):
    view = wait(start(client, accept_licence=False))
    assert view["state"] == "failed" and "licence" in view["error"]["message"].lower()
    assert hub.downloads(FILE) == []


def test_doubtful_provenance_has_to_be_accepted(client, hub):
    row = next(
        one for one in checkpoints() if one.needs_provenance_acceptance and not one.withdrawn
    )
    files = {pattern.replace("*", "x"): b"{}" for pattern in row.patterns}
    hub.publish(row.repository, files)
    view = wait(start(client, weights=row.id))
    assert view["state"] == "failed" and "provenance" in view["error"]["message"]
    assert not any(hub.downloads(path) for path in files)
    view = wait(start(client, weights=row.id, accept_provenance=True))
    assert view["state"] == "done" and store.is_present(row.id)


def test_a_download_does_not_hold_up_exports_or_runs(client, hub):
    hub.fail(FILE, hub_stand_in.Fault(pause=0.05))
    job = start(client)
    until(lambda: job.state == "running")
    session = session_of(client)
    queue = application(client).state.jobs
    for lane in ("light", "compute"):
        other = queue.submit(session, "x", "x", lambda progress, cancel: JobResult(), lane=lane)
        assert other.finished.wait(PATIENCE) and job.state == "running"
    client.post(f"/studio/jobs/{job.id}/cancel", json={}).raise_for_status()
    wait(job)


def test_a_hub_that_is_away_is_a_sentence(client, hub, monkeypatch):
    hub.fail("info", *[hub_stand_in.Fault(status=503)] * 20)
    view = wait(start(client))
    assert view["state"] == "failed" and view["error"]["kind"] == "MissingWeights"


def test_offline_is_a_sentence(client, hub, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_OFFLINE", "1")
    view = wait(start(client))
    assert "switched off" in view["error"]["message"]
