"""Every mode from text to a layered file and back, through the real loading of toy checkpoints."""

import numpy as np
import pytest
from tiny_single_files import write_single_file

import layerstudio
from layerstudio import Adapter, Cancelled, CancelToken, Runtime
from layerstudio.composite import composite_pixels
from layerstudio.pipelines import loading
from layerstudio.pipelines.layerdiffuse import previews

QUICK = {"steps": 2, "augment": 1, "seed": 3, "extent": (72, 100)}
SCENE = {"prompt": "a cup on a table", "foregrounds": ("a cup",), "background": "a table"}


def picture(alpha: bool, seed: int = 0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (100, 72, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    if alpha:
        pixels[:20, :, 3] = 0
        pixels[20:30, :, 3] = 128
    return pixels


MODES = [
    ("sdxl", "fg", {"foregrounds": ("cup", "tea"), "boxes": ((0, 0, 40, 72), (30, 9, 64, 64))}),
    ("sdxl", "fg+bg", SCENE),
    ("sdxl", "bg+fg", SCENE),
    ("sdxl", "fg2bg", {"prompt": "on a table", "foreground_image": picture(True)}),
    ("sdxl", "bg2fg", {"prompt": "a cat", "background_image": picture(False)}),
    ("sdxl", "img2img", {"prompt": "of glass", "image": picture(True)}),
    ("sd15", "fg", {"prompt": "a cup"}),
    ("sd15", "joint", SCENE),
    ("sd15", "fg2bg", {"prompt": "on a table", "foreground_image": picture(True)}),
    ("sd15", "bg2fg", {"prompt": "a cat", "background_image": picture(False)}),
    ("flux", "fg", {"foregrounds": ("a cup", "a spoon")}),
    ("flux", "img2img", {"prompt": "of glass", "image": picture(True)}),
]  # fmt: skip
LAYERS = {"fg": 1, "img2img": 1, "fg+bg": 3, "bg+fg": 3, "fg2bg": 3, "bg2fg": 3, "joint": 3}


def generated(family, **options):
    return layerstudio.generate(**{"method": f"layerdiffuse-{family}", **QUICK, **options})


def given(options):
    """The pictures among the options, by role, as ``again`` takes them."""
    names = {"image": "image", "foreground_image": "foreground", "background_image": "background"}
    return {role: options[name] for name, role in names.items() if name in options}


def same(one, other):
    return all(
        left.bounds == right.bounds and np.array_equal(left.pixels, right.pixels)
        for left, right in zip(one.layers, other.layers, strict=True)
    )


@pytest.mark.parametrize(("family", "mode", "options"), MODES)
def test_a_mode_to_a_file_and_again(with_weights, tmp_path, family, mode, options):
    document = generated(family, mode=mode, **options)
    count = max(LAYERS[mode], len(options.get("foregrounds", ())))
    assert len(document.layers) == count
    assert document.extent == (72, 100)
    assert any(np.ptp(layer.pixels) for layer in document.layers)
    path = document.save(tmp_path / "made.psd")
    read = layerstudio.open(path)
    assert read.request == document.request
    assert [layer.name for layer in read.layers] == [layer.name for layer in document.layers]
    difference = composite_pixels(read).astype(int) - composite_pixels(document)
    assert np.abs(difference).max() <= 1
    repeated = layerstudio.again(path, pictures=given(options))
    assert same(repeated, document)


def test_every_picture_is_what_its_seed_alone_makes(with_weights):
    many = layerstudio.generate_many(
        "a cup", 2, background="a table", method="layerdiffuse-sd15", **QUICK
    )
    alone = generated("sd15", prompt="a cup", background="a table", seed=4)
    assert same(many[1], alone) and not same(many[0], alone)


def test_layers_say_what_made_them(with_weights):
    document = generated("flux", foregrounds=("a cup", "a spoon"))
    first, second = (layer.provenance for layer in document.layers)
    assert (first.prompt, second.prompt) == ("a cup", "a spoon")
    assert first.seed == 3 != second.seed
    assert first.weights == "flux-dev + layerdiffuse-flux-lora + layerdiffuse-flux-vae"


def test_cancelled_in_the_middle(with_weights):
    token, reports = CancelToken(), []

    def watch(report):
        reports.append(report)
        if "sampling" in report.stage:
            token.cancel()

    with pytest.raises(Cancelled):
        generated("flux", prompt="a cup", progress=watch, cancel=token)
    assert reports[-1].fraction < 0.9
    before = generated("flux", prompt="a cup")
    loading.forget()
    assert same(generated("flux", prompt="a cup"), before)


def test_fractions_only_grow(with_weights):
    fractions = []
    generated(
        "flux", foregrounds=("a", "b"), progress=lambda report: fractions.append(report.fraction)
    )
    assert fractions == sorted(fractions)
    assert fractions[0] == 0 and fractions[-1] == 1


def test_weights_are_loaded_once(with_weights, monkeypatch):
    loaded = []
    load = loading.load
    monkeypatch.setattr(loading, "load", lambda wanted: loaded.append(1) or load(wanted))
    loading.forget()
    layerstudio.generate_many("a cup", 2, method="layerdiffuse-flux", **QUICK)
    generated("flux", prompt="a spoon", guidance=2.0)
    assert len(loaded) == 1


def test_published_forms_of_one_model_agree(with_weights):
    """Differences, factors and a LoRA of the same weights; the file of convolutions is another."""
    made = {
        variant: generated("sdxl", prompt="a cup", variant=variant)
        for variant in ("attn", "attn-full", "attn-lora", "conv")
    }
    reference = made["attn"].layers[0].pixels.astype(int)
    difference = {
        variant: np.abs(document.layers[0].pixels - reference).max()
        for variant, document in made.items()
    }
    assert max(difference["attn-full"], difference["attn-lora"]) <= 1 < difference["conv"]


def test_a_fine_tune_in_one_file_with_everything_on_it(with_weights, tmp_path):
    lora = with_weights / "rootonchair/diffuser_layerdiffuse"
    lora /= "diffuser_layer_xl_transparent_attn.safetensors"
    extras = {
        "base": str(write_single_file(tmp_path, "sdxl")),
        "loras": [Adapter(source=str(lora), weight=0.5)],
        "controlnet": Adapter(source="controlnet-canny-sdxl", weight=0.8),
        "control_image": picture(False, 1),
        "ip_adapter": Adapter(source="ip-adapter-sdxl", weight=0.6),
        "style_image": picture(False, 2),
    }
    document = generated("sdxl", prompt="a cup", **extras)
    assert document.layers[0].provenance.weights.startswith("tiny_sdxl.safetensors + ")
    assert [item["role"] for item in document.request["inputs"]] == ["control", "style"]
    pictures = {"control": extras["control_image"], "style": extras["style_image"]}
    assert same(layerstudio.again(document, pictures=pictures), document)
    assert not same(layerstudio.again(document, pictures=pictures, loras=()), document)


def test_the_published_script(with_weights):
    quick = {**QUICK, "prompt": "a cup", "method": "layerdiffuse-sdxl"}
    scripted = layerstudio.generate(**quick, parity="cli")
    own = layerstudio.generate(**quick, variant="attn-full", negative_prompt="", guidance=7.0)
    assert scripted.request["parity"] == "cli"
    assert not same(scripted, own)


def test_previews_where_they_are_asked_for(with_weights, monkeypatch):
    reports = []
    options = {"prompt": "a cup", "progress": reports.append}
    generated("sd15", **options)
    assert all(report.preview is None for report in reports)
    for small_autoencoder in (True, False):
        reports.clear()
        monkeypatch.setattr(previews, "is_present", lambda row, here=small_autoencoder: here)
        generated("sd15", **options, runtime=Runtime(previews=True))
        shown = [report.preview for report in reports if report.preview is not None]
        assert len(shown) == QUICK["steps"]
        assert all(picture.dtype == np.uint8 and np.ptp(picture) for picture in shown)
        loading.forget()
