"""What each kind of job does to the document, over the wire, with real methods at toy size."""

import io
import time
import urllib.parse

import numpy as np
import pytest
from PIL import Image
from studio_client import Editor, another, application, opened, running, session_of

from layerstudio.composite import composite_pixels
from layerstudio.document import Document, Group, Layer
from layerstudio.geometry import Bounds, Extent
from layerstudio.io.files import open_document, save
from layerstudio.pipelines import methods

PATIENCE = 30.0
EXTENT = Extent(97, 71)


@pytest.fixture(scope="module")
def studio():
    with running() as client:
        yield client


@pytest.fixture
def client(studio):
    return another(studio)


def png(pixels) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def poster_pixels() -> np.ndarray:
    pixels = np.full((*EXTENT.shape, 3), (240, 230, 210), np.uint8)
    pixels[9:40, 12:50] = (40, 90, 160)
    pixels[30:60, 45:85] = (220, 80, 60)
    return pixels


def block(name, place, colour, **more) -> Layer:
    pixels = np.empty((*place.extent.shape, 4), np.uint8)
    pixels[:] = (*colour, 255)
    return Layer(name, place, pixels, **more)


def upload(client, data: bytes, name: str) -> str:
    answer = client.post("/studio/upload", files={"file": (name, data)})
    answer.raise_for_status()
    return answer.json()["upload"]["id"]


def run(client, kind, **body):
    """Start a job and wait for it; its view."""
    answer = client.post("/studio/jobs", json={"kind": kind, **body})
    assert answer.status_code == 200, answer.text
    job_id = answer.json()["job"]["id"]
    application(client).state.jobs.of(session_of(client)).get(job_id).finished.wait(PATIENCE)
    return next(job for job in client.get("/studio/jobs").json()["jobs"] if job["id"] == job_id)


def done(client, kind, **body):
    view = run(client, kind, **body)
    assert view["state"] == "done", view
    return view


def names(client):
    return Editor(client).names


def shown(client) -> np.ndarray:
    return composite_pixels(session_of(client).studio.moment.document)


def test_a_picture_is_opened_as_one_layer_and_taken_apart_from_its_source(client):
    done(client, "open", upload=upload(client, png(poster_pixels()), "my poster.png"))
    editor = Editor(client)
    assert (editor.names, editor.document["name"]) == (["my poster"], "my poster")
    assert editor.document["has_source"]
    view = done(client, "decompose", upload="source", request={"method": "flat"})
    editor = Editor(client)
    assert len(editor.names) == 3 and view["result"]["document"]
    assert [one["label_key"] for one in editor.document["history"]["entries"]] == [
        "history.open", "history.decompose",
    ]  # fmt: skip
    assert np.abs(shown(client)[..., :3].astype(int) - poster_pixels()).max() <= 1
    editor.post("undo")
    assert editor.names == ["my poster"]
    recipe = client.get("/studio/recipe")
    assert recipe.status_code == 404
    editor.post("redo")
    recipe = client.get("/studio/recipe").json()
    assert recipe["cli"].startswith("layerstudio decompose 'my poster.png' --method flat")
    assert recipe["request"]["source"] == "my poster.png"


def test_a_layered_file_comes_back_as_it_was_exported(client, tmp_path):
    session = opened(client)
    before = session.studio.moment.document
    view = done(client, "export", formats=["psd", "ora", "png"])
    files = view["result"]["files"]
    assert [file["name"] for file in files] == ["drawn.psd", "drawn.ora", "drawn.png"]
    assert files[2]["notes"] == ["The layers are flattened into one picture."]
    for file in files:
        answer = client.get(file["url"])
        assert "attachment" in answer.headers["content-disposition"]
        assert len(answer.content) == file["bytes"]
        (tmp_path / file["name"]).write_bytes(answer.content)
    assert another(client).get(files[0]["url"]).status_code == 404
    done(client, "open", upload=upload(client, (tmp_path / "drawn.ora").read_bytes(), "a.ora"))
    after = session.studio.moment.document
    assert [node.name for _, node in after.walk()] == [node.name for _, node in before.walk()]
    assert np.array_equal(composite_pixels(after), composite_pixels(before))


def test_files_are_found_by_their_exact_names_only(client):
    opened(client)
    view = done(client, "export", formats=["png"])
    (file,) = view["result"]["files"]
    head = file["url"].rsplit("/", 2)[0]
    for tail in ("0/other.png", "1/drawn.png", "-1/drawn.png", "0/..%2fdrawn.png"):
        assert client.get(f"{head}/{tail}").status_code in (400, 404)
    client.post(f"/studio/jobs/{view['id']}/dismiss", json={}).raise_for_status()
    assert client.get(file["url"]).status_code == 404


def test_a_layer_is_split_in_its_place_even_if_it_moved_meanwhile(client, monkeypatch):
    flat = np.dstack([poster_pixels(), np.full(EXTENT.shape, 255, np.uint8)])
    picture = Layer("picture", Bounds(5, 3, *EXTENT), flat, opacity=0.5)
    canvas = Extent(120, 90)
    ground = block("ground", Bounds.full(canvas), (9, 9, 9))
    session = opened(client, Document(canvas, (ground, picture)))
    monkeypatch.setitem(methods._METHODS, "gated", f"{__name__}:GatedMethod")
    GatedMethod.reset()
    answer = client.post(
        "/studio/jobs", json={"kind": "split", "path": "1", "request": {"method": "gated"}}
    )
    assert GatedMethod.begun.wait(PATIENCE)
    editor = Editor(client)
    assert editor.edit("move", "1", dx=7, dy=-2).status_code == 200
    assert editor.edit("rename", "1", name="renamed").status_code == 200
    GatedMethod.gate.set()
    job = session.jobs.get(answer.json()["job"]["id"])
    assert job.finished.wait(PATIENCE) and job.state == "done", job.error
    group = session.studio.moment.document.at((1,))
    assert isinstance(group, Group) and (group.name, group.opacity) == ("renamed", 0.5)
    assert len(group.children) == 3 and group.bounds == Bounds(12, 1, *EXTENT)


def test_the_result_for_a_layer_that_is_gone_is_refused(client, monkeypatch):
    session = opened(client)
    monkeypatch.setitem(methods._METHODS, "gated", f"{__name__}:GatedMethod")
    GatedMethod.reset()
    answer = client.post(
        "/studio/jobs", json={"kind": "split", "path": "0", "request": {"method": "gated"}}
    )
    assert GatedMethod.begun.wait(PATIENCE)
    assert Editor(client).edit("delete", "0").status_code == 200
    revision = session.studio.revision
    GatedMethod.gate.set()
    job = session.jobs.get(answer.json()["job"]["id"])
    assert job.finished.wait(PATIENCE) and job.state == "failed"
    assert "changed or deleted" in job.error["message"]
    assert session.studio.revision == revision


def test_a_cancelled_job_leaves_the_session_usable(client, monkeypatch):
    session = opened(client)
    monkeypatch.setitem(methods._METHODS, "gated", f"{__name__}:GatedMethod")
    GatedMethod.reset()
    name = upload(client, png(poster_pixels()), "p.png")
    request = {"kind": "decompose", "upload": name, "request": {"method": "gated"}}
    job_id = client.post("/studio/jobs", json=request).json()["job"]["id"]
    assert GatedMethod.begun.wait(PATIENCE)
    preview = client.get(f"/studio/jobs/{job_id}/preview.png")
    assert np.asarray(Image.open(io.BytesIO(preview.content))).shape == (*EXTENT.shape, 4)
    before, start = session.studio.moment, time.monotonic()
    client.post(f"/studio/jobs/{job_id}/cancel", json={}).raise_for_status()
    assert session.jobs.get(job_id).finished.wait(PATIENCE)
    assert time.monotonic() - start < 2
    assert session.jobs.get(job_id).state == "cancelled" and session.studio.moment is before
    assert Editor(client).edit("opacity", "0", value=0.5).status_code == 200
    done(client, "decompose", upload=name)
    assert len(names(client)) == 3


class GatedMethod:
    """``flat``, after it was let; shows the picture as its preview while it waits."""

    card = methods.MethodCard(
        "gated", "decompose", "Gated", "Waits.", "none", "Apache-2.0", None, (), ()
    )

    @classmethod
    def reset(cls):
        import threading

        cls.begun, cls.gate = threading.Event(), threading.Event()

    def run(self, request, picture, *, runtime, progress, cancel):
        from layerstudio.pipelines.flat.method import FlatMethod
        from layerstudio.progress import Progress

        progress(Progress("waiting", 0.1, np.asarray(picture.pixels)))
        self.begun.set()
        while not self.gate.is_set():
            cancel.check()
            time.sleep(0.005)
        return FlatMethod().run(request, picture, runtime=runtime, progress=progress, cancel=cancel)


def disc(extent: Extent, radius: float) -> np.ndarray:
    """Alpha of a soft disc in the middle, in [0, 1]."""
    y, x = np.mgrid[: extent.height, : extent.width]
    distance = np.hypot(x - (extent.width - 1) / 2, y - (extent.height - 1) / 2)
    return np.clip((radius - distance) / 3 + 0.5, 0, 1)


def test_a_rough_outline_becomes_a_soft_one(client):
    """A disc with soft edges, cut out with hard ones too wide: matte finds the true alpha."""
    extent = Extent(151, 121)
    alpha = disc(extent, 35)[..., None]
    colour = alpha * (200, 40, 30) + (1 - alpha) * (30, 60, 190)
    flat = np.dstack([colour.round().astype(np.uint8), np.full(extent.shape, 255, np.uint8)])
    rough = np.array(flat)
    rough[..., 3] = (disc(extent, 37) > 0.5) * 255
    place = Bounds.of_mask(rough[..., 3] > 0)
    layers = (
        Layer("flat", Bounds.full(extent), flat),
        Layer("disc", place, rough[place.slices].copy(), opacity=0.8),
    )
    session = opened(client, Document(extent, layers))
    done(client, "matte", path="1", matter="guided")
    found = session.studio.moment.document.at((1,))
    assert isinstance(found, Layer) and (found.name, found.opacity) == ("disc", 0.8)
    got = np.zeros(extent.shape)
    got[found.bounds.slices] = found.pixels[..., 3] / 255
    wrong = np.abs(rough[..., 3] / 255 - alpha[..., 0]).mean()
    assert np.abs(got - alpha[..., 0]).mean() < wrong / 2
    assert session.studio.moment.selection == ((1,),)


def test_what_is_behind_is_filled_in_the_layer_below(client):
    """The ground has a hole where the badge was, and another layer that ends behind it."""
    ground = block("ground", Bounds.full(EXTENT), (10, 120, 60))
    hurt = ground.pixels.copy()
    hurt[20:45, 30:60] = (250, 0, 250, 255)
    ground = Layer("ground", ground.bounds, hurt)
    badge = block("badge", Bounds(30, 20, 30, 25), (250, 0, 250))
    aside = block("aside", Bounds(0, 0, 9, 9), (1, 2, 3))
    session = opened(client, Document(EXTENT, (ground, aside, badge)))
    done(client, "fill", paths=["2"], completer="flat-fill")
    document = session.studio.moment.document
    filled = document.at((0,))
    assert isinstance(filled, Layer)
    assert (filled.pixels == (10, 120, 60, 255)).all()
    assert document.at((1,)) is aside and document.at((2,)) is badge
    entries = Editor(client).document["history"]["entries"]
    assert [one["label_key"] for one in entries][1:] == ["history.fill"]


def test_a_locked_layer_below_is_not_filled(client):
    ground = block("ground", Bounds.full(EXTENT), (10, 120, 60), locked=True)
    opened(client, Document(EXTENT, (ground, block("badge", Bounds(30, 20, 30, 25), (9, 9, 9)))))
    view = run(client, "fill", paths=["1"])
    assert view["state"] == "failed" and "is locked" in view["error"]["message"]


@pytest.fixture
def noise(monkeypatch):
    monkeypatch.setitem(methods._METHODS, "noise", "tiny_generator:NoiseMethod")
    monkeypatch.setattr("tiny_generator.NoiseMethod.card", NOISE)


NOISE = methods.MethodCard(
    "noise", "generate", "Noise", "Noise.", "none", "Apache-2.0", None, (), ("prompt", "inputs")
)


def test_a_layer_is_replaced_within_its_box(client, noise):
    badge = block("badge", Bounds(30, 20, 40, 25), (9, 9, 9), opacity=0.7)
    session = opened(
        client, Document(EXTENT, (block("ground", Bounds.full(EXTENT), (1, 1, 1)), badge))
    )
    done(client, "replace", path="1", prompt="a red kite", method="noise", seed=5)
    made = session.studio.moment.document.at((1,))
    assert isinstance(made, Layer) and (made.name, made.opacity) == ("a red kite", 0.7)
    assert badge.bounds.contains(made.bounds)
    assert made.bounds.width == badge.bounds.width or made.bounds.height == badge.bounds.height
    assert made.provenance.prompt == "a red kite" and made.provenance.seed == 5


def test_generations_are_entries_of_the_history_and_can_run_again(client, noise):
    pixels = np.random.default_rng(2).integers(0, 256, (19, 23, 3), np.uint8)
    given = upload(client, png(pixels), "start.png")
    request = {"task": "generate", "prompt": "snow", "method": "noise", "count": 2, "seed": 4}
    done(client, "generate", request=request, inputs={"image": given})
    editor = Editor(client)
    assert (len(editor.labels), editor.document["name"]) == (2, "snow")
    second = shown(client)
    view = done(client, "regenerate")
    assert view["kind"] == "regenerate" and not np.array_equal(shown(client), second)
    done(client, "regenerate", seed=5)
    assert np.array_equal(shown(client), second)


def test_a_decomposition_runs_again_from_the_picture_of_the_session(client):
    done(client, "decompose", upload=upload(client, png(poster_pixels()), "p.png"))
    before = shown(client)
    done(client, "regenerate", seed=9)
    assert np.array_equal(shown(client), before)
    document = session_of(client).studio.moment.document
    assert document.request["seed"] == 9 and len(document.layers) == 3


def test_a_recipe_whose_picture_is_not_here_is_refused(client, tmp_path):
    recipe = {"task": "decompose", "source": "/etc/hostname", "method": "flat"}
    layers = (block("a", Bounds.full(EXTENT), (1, 2, 3)),)
    save(Document(EXTENT, layers, request=recipe), tmp_path / "a.zip")
    done(client, "open", upload=upload(client, (tmp_path / "a.zip").read_bytes(), "a.zip"))
    answer = client.post("/studio/jobs", json={"kind": "regenerate"})
    assert answer.status_code == 400 and "not here any more" in answer.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": "paint"}, "no job"),
        ({"kind": "decompose", "upload": "nothing"}, "not there any more"),
        ({"kind": "decompose", "upload": "source"}, "not made from a picture"),
        ({"kind": "split", "path": "1"}, "is a group"),
        ({"kind": "split", "path": "9"}, "no layer"),
        ({"kind": "split", "path": "0", "request": {"method": "art"}}, "no method that can"),
        ({"kind": "split", "path": "0", "request": [1]}, "JSON object"),
        ({"kind": "matte", "path": "0", "matter": "lama"}, "no stage that can matte"),
        ({"kind": "fill", "paths": []}, "No layer is selected"),
        ({"kind": "replace", "path": "0", "prompt": " "}, "Say what"),
        ({"kind": "export", "formats": ["doc"]}, "no format"),
        ({"kind": "export", "formats": ["png"], "options": {"canvas": 1}}, "true or false"),
        ({"kind": "generate", "request": {}, "inputs": {"hat": "x"}}, "no input"),
        ({"kind": "pull", "weights": "sdxl-bse"}, "no checkpoint"),
        ({"kind": "open", "upload": "x", "colour": 1}, "no field"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_before_it_waits(client, body, words):
    opened(client)
    answer = client.post("/studio/jobs", json=body)
    assert 400 <= answer.status_code < 500 and words in answer.text, answer.text
    assert client.get("/studio/jobs").json()["jobs"] == []


def test_requests_cannot_name_files_of_the_machine(client, tmp_path):
    """A source in a request is not read: the picture is the upload."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(np.zeros((5, 5, 3), np.uint8)))
    name = upload(client, png(poster_pixels()), "p.png")
    done(client, "decompose", upload=name, request={"source": str(secret), "source_sha256": "0"})
    assert session_of(client).studio.moment.document.extent == EXTENT
    wish = {"prompt": "x", "inputs": [{"role": "image", "source": str(secret)}]}
    answer = client.post("/studio/jobs", json={"kind": "generate", "request": wish})
    assert answer.status_code == 200  # without the picture: that file is not looked at
    assert str(secret) not in answer.text


def test_file_names_follow_the_document_and_stay_in_their_folder(client):
    session = session_of(client)
    evil = block("../../evil", Bounds(3, 3, 9, 9), (1, 2, 3))
    script = block("<script>", Bounds(9, 9, 4, 5), (3, 2, 1))
    session.studio.open(
        Document(EXTENT, (evil, script)), name="../CON: <b>", source=None, label="x", label_key="x"
    )
    view = done(client, "export", formats=["png"], paths=["0", "1"])
    (file,) = view["result"]["files"]
    assert file["name"].endswith(".zip") and "/" not in file["name"] and "<" not in file["name"]
    assert urllib.parse.quote(file["name"], safe="") in file["url"]
    assert client.get(file["url"]).status_code == 200
    written = {path.name for path in session.folder.glob("export-*/*")}
    assert written == {file["name"]}


def test_open_documents_read_what_the_core_wrote(client, tmp_path):
    document = Document(EXTENT, (block("a", Bounds.full(EXTENT), (1, 2, 3)),), dpi=144.0)
    for suffix in (".psd", ".tif"):
        path = save(document, tmp_path / f"x{suffix}")
        done(client, "open", upload=upload(client, path.read_bytes(), path.name))
        assert open_document(path).extent == session_of(client).studio.moment.document.extent
