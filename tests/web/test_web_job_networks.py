"""Jobs that run networks, with tiny checkpoints in the published layout."""

import io

import numpy as np
import pytest
from PIL import Image
from studio_client import another, application, opened, running, session_of

from layerstudio.document import Document, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.weights import registry

PATIENCE = 120.0
EXTENT = Extent(93, 71)


@pytest.fixture(scope="module")
def weights(tmp_path_factory, one_thread):
    """LaMa and ViTMatte, tiny."""
    from tiny_registry import write_row

    folder = tmp_path_factory.mktemp("weights")
    for row in ("big-lama", "vitmatte-small"):
        write_row(row, folder / registry.checkpoint(row).repository)
    return folder


@pytest.fixture(scope="module")
def studio():
    with running() as client:
        yield client


@pytest.fixture
def client(studio, weights, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(weights))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    return another(studio)


def block(name, place, colour) -> Layer:
    pixels = np.empty((*place.extent.shape, 4), np.uint8)
    pixels[:] = (*colour, 255)
    return Layer(name, place, pixels)


def two_layers() -> Document:
    ground = block("ground", Bounds.full(EXTENT), (90, 120, 60))
    return Document(EXTENT, (ground, block("badge", Bounds(31, 17, 27, 33), (200, 40, 30))))


def done(client, kind, **body):
    answer = client.post("/studio/jobs", json={"kind": kind, **body})
    assert answer.status_code == 200, answer.text
    job = session_of(client).jobs.get(answer.json()["job"]["id"])
    assert job.finished.wait(PATIENCE) and job.state == "done", job.error
    return job


def test_lama_fills_only_what_is_hidden(client):
    session = opened(client, two_layers())
    before = session.studio.moment.document.at((0,))
    done(client, "fill", paths=["1"])  # the best that is here: LaMa
    after = session.studio.moment.document.at((0,))
    assert isinstance(before, Layer) and isinstance(after, Layer)
    changed = (after.pixels != before.pixels).any(axis=2)
    hidden = np.zeros(EXTENT.shape, bool)
    hidden[14:53, 28:61] = True  # three pixels around the badge
    assert changed.any() and not changed[~hidden].any()
    assert (after.pixels[..., 3] == 255).all()


def test_vitmatte_keeps_a_layer_in_its_place(client):
    session = opened(client, two_layers())
    done(client, "matte", path="1", matter="vitmatte-small")
    found = session.studio.moment.document.at((1,))
    assert isinstance(found, Layer) and found.name == "badge"
    middle = found.pixels[45 - found.bounds.y - 10, 45 - found.bounds.x]
    assert tuple(middle) == (200, 40, 30, 255)
    assert Bounds(31, 17, 27, 33).padded(12).contains(found.bounds)


@pytest.mark.slow
def test_sdxl_makes_and_replaces_with_previews_and_stops_within_a_step(
    studio, with_weights, tmp_path
):
    client = another(studio)
    request = {"task": "generate", "method": "layerdiffuse-sdxl", "prompt": "a cat",
               "extent": [64, 64], "steps": 3, "seed": 1}  # fmt: skip
    job = done(client, "generate", request=request)
    assert job.preview_number > 0
    recipe = client.get("/studio/recipe").json()
    assert recipe["cli"].startswith("layerstudio generate 'a cat'")
    session = opened(client, two_layers())
    done(client, "replace", path="1", prompt="a kite", method="layerdiffuse-sdxl",
         request={"steps": 2, "extent": [64, 64]})  # fmt: skip
    made = session.studio.moment.document.at((1,))
    assert isinstance(made, Layer) and made.provenance.prompt == "a kite"
    body = {"kind": "generate", "request": {**request, "steps": 900}}
    name = client.post("/studio/jobs", json=body).json()["job"]["id"]
    running_job = session.jobs.get(name)
    while running_job.preview_number < 2:
        assert not running_job.is_over, running_job.error
    png = client.get(f"/studio/jobs/{name}/preview.png").content
    assert Image.open(io.BytesIO(png)).mode == "RGBA"
    application(client).state.jobs.cancel(session, name)
    at = running_job.stage
    assert running_job.finished.wait(PATIENCE) and running_job.state == "cancelled", at
