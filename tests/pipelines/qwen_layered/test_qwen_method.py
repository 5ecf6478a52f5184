"""``qwen-layered`` from a picture to a layered file and back, through the real loading."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import layerstudio
from layerstudio import Cancelled, CancelToken, InvalidRequest
from layerstudio.composite import composite_pixels
from layerstudio.document import Group
from layerstudio.errors import MissingWeights, NumericalFailure, OutOfMemory
from layerstudio.pipelines import loading
from layerstudio.pipelines.preflight import Free
from layerstudio.pipelines.qwen_layered import engine, running, texts
from layerstudio.pipelines.qwen_layered.pipeline import LayeredPipeline
from layerstudio.pipelines.runtime import Runtime
from layerstudio.ui.cli.main import app

pytestmark = pytest.mark.usefixtures("small_working_size")
CPU = Runtime(device="cpu")


def drawing(width=131, height=75) -> np.ndarray:
    pixels = np.full((height, width, 4), (200, 220, 240, 255), np.uint8)
    pixels[20:50, 30:70, :3] = (220, 30, 30)
    pixels[55:70, 90:120, :3] = (30, 160, 60)
    return pixels


@pytest.fixture
def taken_apart(qwen_folder):
    def take(picture=None, *, settings=None, **options):
        return layerstudio.decompose(
            drawing() if picture is None else picture,
            **{
                "method": "qwen-layered", "base": str(qwen_folder), "seed": 1, "runtime": CPU,
                "settings": {"steps": 2, **(settings or {})}, "layers": 3, "prompts": ("boxes",),
                **options,
            },
        )  # fmt: skip

    return take


def same(one, other):
    pairs = zip(one.layers, other.layers, strict=True)
    return (
        all(a.bounds == b.bounds and np.array_equal(a.pixels, b.pixels) for a, b in pairs)
        and one.metadata == other.metadata
        and one.notes == other.notes
    )


def error_of(document) -> float:
    return float(document.metadata["recomposition_max_error"])


def test_layers_that_recompose_and_again(taken_apart, tmp_path):
    document = taken_apart()
    assert document.extent == (131, 75) and len(document.layers) == 3
    assert error_of(document) <= 1 / 255 + 1e-6
    made_by = document.layers[1].provenance
    assert (made_by.method, made_by.prompt, made_by.seed) == ("qwen-layered", "boxes", 1)
    assert made_by.weights == "published"
    read = layerstudio.open(document.save(tmp_path / "parts.ora"))
    assert np.abs(composite_pixels(read).astype(int) - drawing()).max() <= 1
    loading.forget()
    assert same(document, taken_apart())
    assert not same(document, taken_apart(seed=2))


def test_raw_answers_keep_the_networks_own_alpha(taken_apart):
    raw = taken_apart(exact=False)
    alpha = raw.layers[0].pixels[..., 3]
    assert len(np.unique(alpha)) > 20 and alpha.max() < 255
    assert error_of(raw) > 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (400, 3), (17, 40), (640, 480)], ids=str)
def test_any_size(taken_apart, size):
    width, height = size
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    document = taken_apart(picture, layers=2)
    assert document.extent == size
    assert error_of(document) <= 1 / 255 + 1e-6


def test_sixteen_bits_and_alpha(taken_apart):
    picture = drawing().astype(np.uint16) * 257
    picture[:, :50, 3] = 0
    picture[:, 50:60, 3] = 30_000
    document = taken_apart(picture)
    assert document.layers[0].pixels.dtype == np.uint16
    assert error_of(document) <= 1 / 255 + 1e-6
    assert composite_pixels(document)[10, 10, 3] == 0


def test_a_caption_where_there_is_no_prompt(taken_apart, monkeypatch):
    document = taken_apart(prompts=())
    caption = document.metadata["caption"]
    assert caption and document.layers[0].provenance.prompt == caption
    assert any("captioner" in note for note in document.notes)
    opened = []
    own = texts.opened
    monkeypatch.setattr(texts, "opened", lambda *args: opened.append(args[2]) or own(*args))
    loading.forget()
    again = taken_apart(prompts=(), seed=5, layers=2)
    assert again.metadata["caption"] == caption and opened == []
    assert taken_apart(prompts=(), settings={"use_en_prompt": False}).metadata["caption"] != caption
    assert opened == ["text"]


def test_the_text_encoder_is_gone_before_the_transformer_is_read(taken_apart, monkeypatch):
    """Where both do not fit: at no time are both in memory."""
    alive = []
    own = LayeredPipeline.from_pretrained.__func__

    def watched(cls, *args, **kwargs):
        alive.append([type(network).__name__ for network in loading.idle_networks()])
        pipeline = own(cls, *args, **kwargs)
        alive.append(sorted(k for k, v in pipeline.components.items() if v is not None))
        return pipeline

    monkeypatch.setattr(LayeredPipeline, "from_pretrained", classmethod(watched))
    together = taken_apart()
    loading.forget()
    texts.EMBEDDINGS.clear()
    alive.clear()
    monkeypatch.setattr(
        "layerstudio.pipelines.qwen_layered.memory._placements", lambda *_: ("staged",)
    )
    staged = taken_apart()
    assert alive == [
        [], ["processor", "scheduler", "text_encoder", "tokenizer"],
        [], ["scheduler", "transformer", "vae"],
    ]  # fmt: skip
    assert same(staged, together)
    assert "Qwen2_5_VL" not in str([type(network) for network in loading.idle_networks()])


def test_the_count_is_found_and_what_is_empty_left_out(taken_apart, monkeypatch):
    asked = []
    own = running._sampled

    def sampled(chosen, text, image, side, job):
        asked.append(job.layers)
        made = list(own(chosen, text, image, side, job))
        made[1] = made[0]  # as the network does where it was asked for too many
        clear = made[2].pixels * np.array([1, 1, 1, 0], np.uint8)
        made[2] = type(made[2])("empty", made[2].bounds, clear)
        return made

    monkeypatch.setattr(running, "_sampled", sampled)
    document = taken_apart(layers="auto")
    assert asked == [4]  # the ground, two boxes, and one more
    assert len(document.layers) <= 3
    assert "4 layers were asked of the network, an estimate" in document.notes[0]
    fixed = taken_apart(layers=4)
    assert len(fixed.layers) >= len(document.layers)
    assert any("as wanted; 3 hold" in note for note in fixed.notes)


def test_a_layer_is_split_again(taken_apart, qwen_folder):
    document = taken_apart()
    options = {"method": "qwen-layered", "base": str(qwen_folder), "layers": 2}
    nested = layerstudio.split(
        document, [1], runtime=CPU, prompts=("a box",), settings={"steps": 2}, **options
    )
    assert isinstance(nested.children[1], Group) and len(nested.children[1].children) >= 1
    assert float(nested.metadata["split_max_error"]) <= 2 / 255


@pytest.mark.slow
def test_settings_reach_the_network(taken_apart):
    usual = taken_apart()
    for change in ({"cfg_normalize": False}, {"guidance": 2.0}, {"steps": 3},
                   {"resolution": "1024"}, {"weights": "fp8"}):  # fmt: skip
        assert not same(usual, taken_apart(settings=change)), change
    assert same(usual, taken_apart(settings={"resolution": "640", "weights": "bf16"}))


def test_progress_and_cancel(taken_apart):
    reports = []
    taken_apart(prompts=(), progress=reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    stages = [report.stage for report in reports]
    for stage in ("captioning", "sampling", "enlarging", "recomposition"):
        assert stage in stages
    assert any(stage.startswith("planned: Qwen-Image-Layered with 3 layers") for stage in stages)
    for stop in ("captioning", "sampling"):
        texts.CAPTIONS.clear()
        cancel = CancelToken()
        seen = []

        def until(report, stop=stop, cancel=cancel, seen=seen):
            seen.append(report.stage)
            if report.stage == stop:
                cancel.cancel()

        with pytest.raises(Cancelled):
            taken_apart(prompts=(), progress=until, cancel=cancel)
        assert seen.count(stop) == 1


def test_previews_are_of_the_layers(taken_apart):
    reports = []
    taken_apart(progress=reports.append, runtime=Runtime(device="cpu", previews=True))
    shown = [report.preview for report in reports if report.preview is not None]
    assert len(shown) == 2
    assert all(preview.dtype == np.uint8 and preview.shape == (64, 3 * 96, 3) for preview in shown)
    assert not np.array_equal(shown[0], shown[1])


def test_bad_requests(taken_apart, tmp_path, monkeypatch):
    with pytest.raises(InvalidRequest, match="1 to 20"):
        taken_apart(layers=21)
    with pytest.raises(InvalidRequest, match="weights cannot be"):
        taken_apart(settings={"weights": "int3"})
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(MissingWeights, match="models pull qwen-image-layered"):
        taken_apart(base=None)
    ignored = taken_apart(boxes=[(1, 1, 5, 5)], points=[(3, 3)])
    assert "takes no boxes or points" in ignored.notes[0]


def test_too_little_memory_before_and_during(taken_apart, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(engine, "free_now", lambda runtime: Free(host_bytes=2**20))
        with pytest.raises(OutOfMemory, match="Qwen-Image-Layered with 3 layers at 96 x 64"):
            taken_apart()

    def full(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(LayeredPipeline, "_denoised", full)
    with pytest.raises(OutOfMemory, match="weights=4bit"):
        taken_apart()


def test_numbers_that_are_none(taken_apart, monkeypatch):
    own = LayeredPipeline._noise
    monkeypatch.setattr(LayeredPipeline, "_noise", lambda *args: own(*args) * np.nan)
    with pytest.raises(NumericalFailure):
        taken_apart()


def test_the_command_line(qwen_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(drawing()).save("drawing.png")
    arguments = ["decompose", "drawing.png", "--method", "qwen-layered", "--base"]
    arguments += [str(qwen_folder), "--prompt", "boxes", "--layers", "2", "--set", "steps=2"]
    done = CliRunner().invoke(app, [*arguments, "--device", "cpu", "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)["results"][0]
    assert len(result["layers"]) == 2 and result["recomposition_max_error"] <= 1 / 255 + 1e-6
