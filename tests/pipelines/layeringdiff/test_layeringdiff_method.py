"""From text to a layered document and back, by toys of the published checkpoints."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import layerstudio
from layerstudio import Cancelled, CancelToken, InvalidRequest, MissingWeights
from layerstudio.composite import composite_pixels
from layerstudio.document import Layer, Role
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.layeringdiff.running import merged

QUICK = {"method": "layeringdiff", "steps": 2, "seed": 3, "extent": (91, 70)}
BOXES = [(8, 10, 40, 44), (50, 22, 35, 40)]
SCENE = {"prompt": "a [cat] beside a [lamp]", "background": "a room", "boxes": BOXES}


def generated(**options):
    return layerstudio.generate(**{**QUICK, **options})


def same(one, other):
    return len(one.layers) == len(other.layers) and all(
        left.bounds == right.bounds and np.array_equal(left.pixels, right.pixels)
        for left, right in zip(one.layers, other.layers, strict=True)
    )


def test_a_scene_to_a_file_and_again(with_toys, tmp_path):
    document = generated(**SCENE)
    names = [layer.name for layer in document.layers if layer.role is not Role.SHADOW]
    assert names[0] == "Background" and set(names[1:]) == {"cat", "lamp"}
    assert document.layers[0].role is Role.BACKGROUND
    assert document.metadata["recomposition_max_error"] == "0.000000"
    request = document.request
    assert request["foregrounds"] == ["cat", "lamp"] and request["base"] == "sdxl-base"
    assert request["settings"]["segment"] == "sam-vit-b"
    assert request["settings"]["complete"] == "lama"
    assert (request["guidance"], request["scheduler"]) == (5.0, "")
    path = document.save(tmp_path / "scene.psd")
    repeated = layerstudio.again(path)
    assert same(repeated, document) and repeated.request == request
    assert not same(layerstudio.again(path, seed=4), document)
    background = document.layers[0].provenance
    assert background.weights == "sdxl-base + grounding-dino-tiny + sam-vit-b + big-lama"
    assert background.prompt == "a cat beside a lamp, a room"


def test_the_picture_is_the_models_own(with_toys):
    """Taken apart differently, the layers show the same picture."""
    whole = composite_pixels(generated(**SCENE))
    assert whole[..., 3].min() == 255 and np.ptp(whole[..., :3]) > 20
    bare = generated(prompt="a cat beside a lamp", background="a room", settings={"exact": False})
    assert [layer.name for layer in bare.layers] == ["Background"]
    assert "No object was found" in bare.notes[-1]
    assert np.array_equal(composite_pixels(bare), whole)


def test_every_picture_is_what_its_seed_alone_makes(with_toys):
    many = layerstudio.generate_many(SCENE["prompt"], 2, **QUICK, boxes=BOXES)
    alone = generated(prompt=SCENE["prompt"], boxes=BOXES, seed=4)
    assert same(many[1], alone) and not same(many[0], alone)


def test_one_foreground_as_in_the_publication(with_toys):
    document = generated(**SCENE, mode="foreground", settings={"shadows": "no"})
    assert [layer.name for layer in document.layers] == ["Background", "cat, lamp"]
    assert np.array_equal(composite_pixels(document), composite_pixels(generated(**SCENE)))


def test_what_a_phrase_does_not_name_is_told(with_toys):
    document = generated(prompt="a [cat] on a [red] table")
    told = " ".join(document.notes)
    for phrase in ("cat", "red"):
        is_there = any(layer.name.startswith(phrase) for layer in document.layers)
        assert is_there != (f"Nothing was found for '{phrase}'" in told)
    assert "Nothing was found" in told


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_given_picture_as_it_is(with_toys, depth):
    """No base is loaded, depth and transparency are kept, and hidden parts follow the seed."""
    full = np.iinfo(depth).max
    pixels = np.random.default_rng(1).integers(0, full, (53, 61, 4)).astype(depth)
    pixels[..., 3] = full
    pixels[:9, :, 3] = full // 2
    document = layerstudio.generate(
        "", method="layeringdiff", foregrounds=("cup",), boxes=[(5, 14, 30, 30)],
        image=pixels, strength=0, seed=1,
    )  # fmt: skip
    shown = composite_pixels(document)
    assert document.extent == (61, 53) and shown.dtype == depth
    visible = pixels[..., 3:] > 0
    assert np.abs(np.where(visible, shown.astype(int) - pixels, 0)).max() <= full // 255
    assert document.request["base"] == ""
    assert "sdxl" not in document.layers[0].provenance.weights
    assert same(layerstudio.again(document, pictures={"image": pixels}), document)


def test_a_given_picture_varied(with_toys):
    pixels = np.random.default_rng(1).integers(0, 255, (70, 91, 3), dtype=np.uint8)
    document = generated(prompt="a cup", image=pixels, strength=0.6, boxes=[(5, 14, 30, 30)])
    assert document.request["strength"] == 0.6 and len(document.layers) >= 2
    assert not np.array_equal(composite_pixels(document)[..., :3], pixels)


def kind_of(stage):
    """Without names of objects, and what memory was free."""
    return " ".join(stage.split()[:2])


@pytest.mark.slow
def test_progress_and_cancel_in_every_stage(with_toys):
    reports = []
    generated(**SCENE, progress=reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions) and (fractions[0], fractions[-1]) == (0, 1)
    kinds = list(dict.fromkeys(kind_of(report.stage) for report in reports))
    assert kinds[:3] == ["loading", "loaded: SDXL", "picture: sampling"]
    assert {"layers: completing", "layers: cutting", "layers: detail"} <= set(kinds)
    for kind in kinds[:-1]:
        token, after = CancelToken(), []

        def watch(report, kind=kind, token=token, after=after):
            if token.is_cancelled:
                after.append(report)
            if kind_of(report.stage) == kind:
                token.cancel()

        with pytest.raises(Cancelled):
            generated(**SCENE, progress=watch, cancel=token)
        assert len(after) <= 1, (kind, after)


def test_all_that_is_missing_is_named_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights) as caught:
        generated(prompt="a [cat]", base="somebody/some-model")
    for name in ("somebody/some-model", "sam2-tiny", "grounding-dino-tiny"):
        assert name in caught.value.advice.split("pull ")[1]
    with pytest.raises(MissingWeights, match="sdxl-base"):
        generated(prompt="a [cat]")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"prompt": " "}, "prompt is empty"),
        ({"prompt": "x", "mode": "fg"}, "no mode 'fg'"),
        ({"prompt": "x", "layers": 3}, "no use for 'layers'"),
        ({"prompt": "x", "planner": "rules"}, "no use for 'planner'"),
        ({"prompt": "x", "strength": 0.5}, "none was given"),
        ({"prompt": "[a] [b]", "boxes": [(0, 0, 9, 9)]}, "1 boxes for 2"),
        ({"prompt": "x", "settings": {"segment": "scissors"}}, "segment cannot be"),
        ({"prompt": "x", "settings": {"segmenter": "x"}}, "Did you mean 'segment'"),
        ({"prompt": "x", "style_image": np.zeros((9, 9, 3), np.uint8)}, "picture as style"),
        ({"prompt": "x", "control_image": np.zeros((9, 9, 3), np.uint8)}, "go together"),
    ],
)
def test_requests_that_make_no_sense(options, expected):
    with pytest.raises(InvalidRequest, match=expected):
        generated(**options)


def test_a_picture_left_as_it_is_takes_no_lora(with_toys):
    lora = layerstudio.Adapter(source="taesdxl")
    picture = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(InvalidRequest, match="nothing to change"):
        layerstudio.generate("", method="layeringdiff", image=picture, strength=0, loras=[lora])


def test_on_the_command_line(with_toys, tmp_path, monkeypatch):
    from layerstudio.ui.cli.main import app

    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save("in.png")
    words = ["generate", "--method", "layeringdiff", "--image", "in.png", "--strength", "0"]
    words += ["--foreground", "cup", "--box", "5,5,20,20", "--set", "shadows=no", "--seed", "1"]
    done = CliRunner().invoke(app, [*words, "-o", "out.psd", "--json"])
    assert done.exit_code == 0, done.output
    (result,) = json.loads(done.stdout)["results"]
    assert result["request"]["settings"]["shadows"] is False
    assert layerstudio.open("out.psd").extent == (50, 40)


def test_merging_keeps_what_shows():
    rng = np.random.default_rng(2)

    def layer(name, place, role=Role.OBJECT):
        pixels = rng.integers(0, 256, (place[3], place[2], 4), dtype=np.uint8)
        return Layer(name, Bounds(*place), pixels, role=role)

    ground = layer("Background", (0, 0, 30, 20), Role.BACKGROUND)
    shadows = [layer(f"s{k}", (k, 3, 12, 9), Role.SHADOW) for k in (2, 9)]
    things = [layer("a", (1, 1, 10, 12)), layer("b", (15, 6, 15, 14))]
    extent = Extent(30, 20)
    found = merged((ground, *shadows, *things), extent, "a, b")
    assert [one.name for one in found] == ["Background", "Shadow", "a, b"]
    before = composite_pixels(layerstudio.Document(extent, (ground, *shadows, *things)))
    after = composite_pixels(layerstudio.Document(extent, found))
    opaque = before[..., 3] > 0
    assert np.abs(before.astype(int) - after)[opaque].mean() < 1
    assert merged((ground,), extent, "x") == (ground,)
