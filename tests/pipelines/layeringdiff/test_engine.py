"""Pictures by any pipeline: each is what diffusers' own call makes, whatever the family."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_pixart import write_pixart

from layerstudio.errors import Cancelled, InvalidRequest, OutOfMemory
from layerstudio.generate_request import Adapter, GenerateRequest, InputPicture
from layerstudio.geometry import Extent
from layerstudio.picture import Picture
from layerstudio.pipelines import loading
from layerstudio.pipelines.layeringdiff import planning
from layerstudio.pipelines.layeringdiff.checking import checked
from layerstudio.pipelines.layeringdiff.engine import opened
from layerstudio.pipelines.layeringdiff.resolving import base_of, resolve
from layerstudio.pipelines.preflight import Free
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ignore_progress

FAMILIES = ["sdxl", "sd15", "flux", "pixart"]
PADDED = {"sdxl": (96, 96), "sd15": (128, 128), "flux": (96, 80), "pixart": (96, 80)}
GUIDED = {"sdxl": 5.0, "sd15": 7.5, "flux": 3.5, "pixart": 4.5}
EXTENT = Extent(91, 70)


@pytest.fixture(scope="session")
def tiny_pixart(one_thread, tmp_path_factory):
    return write_pixart(tmp_path_factory.mktemp("checkpoints") / "pixart")


@pytest.fixture
def folders(tiny_sdxl, tiny_sd15, tiny_flux, tiny_pixart):
    return {"sdxl": tiny_sdxl, "sd15": tiny_sd15, "flux": tiny_flux, "pixart": tiny_pixart}


def resolved(folder, pictures=None, **fields):
    inputs = tuple(InputPicture(role=role) for role in pictures or {})
    asked = {"prompt": "a [cup]", "extent": EXTENT, "steps": 2, "seed": 5, "base": str(folder)}
    request = GenerateRequest(**(asked | fields), inputs=inputs)
    return resolve(checked(request, pictures or {}, "layeringdiff"), pictures or {})


def made(request, pictures=None, *, seed=5, runtime=None, progress=ignore_progress, cancel=None):
    cancel = cancel or CancelToken()
    base = base_of(request)
    with opened(base, request, pictures or {}, runtime or Runtime(), cancel) as engine:
        return engine.make(seed, progress)


def picture(seed=0, shape=(70, 91)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    return Picture(pixels)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_what_diffusers_makes(folders, family):
    request = resolved(folders[family])
    found = made(request)
    assert (found.pixels.shape, found.prompt, found.notes) == ((70, 91, 4), "a cup", ())
    assert request.guidance == GUIDED[family]
    base = base_of(request)
    width, height = PADDED[family]
    options = {"safety_checker": None} if family == "sd15" else {}
    pipeline = base.kind.from_pretrained(folders[family], **options)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.watermark = None
    binning = {"use_resolution_binning": False} if family == "pixart" else {}
    whole = pipeline(
        "a cup", width=width, height=height, num_inference_steps=2, output_type="np",
        generator=torch.Generator().manual_seed(5), **binning,
    ).images[0]  # fmt: skip
    top, left = (height - 70) // 2, (width - 91) // 2
    expected = whole[top : top + 70, left : left + 91] * 255
    assert np.abs(found.pixels[..., :3] - expected).max() <= 0.51
    assert np.ptp(found.pixels[..., :3]) > 20


@pytest.mark.parametrize("family", FAMILIES)
def test_seeds_cancel_and_progress(folders, family):
    request = resolved(folders[family], steps=3)
    token, seen = CancelToken(), []

    def stop_after_one(report):
        seen.append(report)
        token.cancel()

    with pytest.raises(Cancelled):
        made(request, progress=stop_after_one, cancel=token)
    assert [report.stage for report in seen] == ["sampling"]
    seen.clear()
    first = made(request, progress=seen.append)
    fractions = [report.fraction for report in seen]
    assert len(fractions) >= 3 and fractions == sorted(fractions)
    assert np.array_equal(first.pixels, made(request).pixels)
    assert not np.array_equal(first.pixels, made(request, seed=6).pixels)


def test_the_older_callback_and_none_at_all(folders, monkeypatch):
    """PixArt calls back in the older way; without that its transformer is watched."""
    request = resolved(folders["pixart"], steps=4)
    base = base_of(request)
    assert "callback_on_step_end" not in base.takes and "callback" in base.takes
    fewer = {name: p for name, p in base.takes.items() if "callback" not in name}
    monkeypatch.setattr(type(base), "takes", fewer)
    token, seen = CancelToken(), []

    def stop_at_the_third(report):
        seen.append(report.fraction)
        if len(seen) == 3:
            token.cancel()

    with pytest.raises(Cancelled):
        made(request, progress=stop_at_the_third, cancel=token)
    assert seen == [0.0, 0.225, 0.45]


@pytest.mark.parametrize("family", ["sdxl", "sd15", "flux"])
def test_a_given_picture_is_varied(folders, family):
    given = {"image": picture()}
    little = resolved(folders[family], given, extent=None, strength=0.1, steps=10)
    assert little.extent == EXTENT
    much = replace(little, strength=0.9)
    pixels = given["image"].pixels.astype(int)

    def distance(request):
        return np.abs(made(request, given).pixels.astype(int) - pixels).mean()

    assert (
        resolved(folders[family], given).strength == {"sdxl": 0.3, "sd15": 0.8, "flux": 0.6}[family]
    )
    assert distance(little) != distance(much)
    assert made(much, given).pixels.shape == (70, 91, 4)


def test_a_family_that_varies_none(folders):
    with pytest.raises(InvalidRequest, match="varies a picture"):
        resolved(folders["pixart"], {"image": picture()})


@pytest.mark.parametrize("family", ["sdxl", "flux"])
def test_a_controlnet_and_its_picture(folders, family, tmp_path):
    from tiny_checkpoints import write_controlnet

    source = str(write_controlnet(tmp_path / "control", family))
    given = {"control": picture(1)}
    fields = {"controlnet": Adapter(source=source, weight=0.7), "extent": None}
    request = resolved(folders[family], given, **fields)
    assert request.extent == EXTENT
    steered = made(request, given).pixels
    assert not np.array_equal(steered, made(request, {"control": picture(2)}).pixels)
    with pytest.raises(InvalidRequest, match="go together"):
        resolved(folders[family], None, controlnet=Adapter(source=source))
    with pytest.raises(InvalidRequest, match="goes with SDXL"):
        resolved(folders["pixart"], given, **fields)


def test_what_cannot_be_taken_is_told(folders):
    flux = made(resolved(folders["flux"], negative_prompt="bad"))
    assert flux.notes == ("Flux minds a negative prompt only with a true guidance above 1.",)
    assert made(resolved(folders["flux"], negative_prompt="bad", true_guidance=2.0)).notes == ()
    told = made(resolved(folders["sdxl"], true_guidance=2.0, prompt="word " * 90)).notes
    assert told[0] == "StableDiffusionXL takes no true guidance."
    assert "the first 77 are read" in told[1]
    with pytest.raises(InvalidRequest, match="takes no LoRA"):
        resolved(folders["pixart"], loras=(Adapter(source="x"),))


def test_schedulers_of_the_same_kind(folders):
    own = made(resolved(folders["sdxl"]))
    other = made(resolved(folders["sdxl"], scheduler="DPM++ 2M"))
    assert not np.array_equal(own.pixels, other.pixels)
    assert np.array_equal(own.pixels, made(resolved(folders["sdxl"])).pixels)
    with pytest.raises(InvalidRequest, match="no scheduler 'euler'"):
        resolved(folders["flux"], scheduler="euler")
    with pytest.raises(InvalidRequest, match="own scheduler"):
        resolved(folders["flux"], scheduler="flow heun")


def test_previews_of_the_families_that_have_one(folders):
    seen = []
    made(resolved(folders["flux"]), runtime=Runtime(previews=True), progress=seen.append)
    assert [report.preview.shape for report in seen] == [(10, 12, 3)] * 2
    seen.clear()
    made(resolved(folders["pixart"]), runtime=Runtime(previews=True), progress=seen.append)
    assert all(report.preview is None for report in seen) and seen


def test_a_pipeline_is_kept_for_the_next_run(folders, monkeypatch):
    loaded, load = [], loading.load
    monkeypatch.setattr(loading, "load", lambda wanted: loaded.append(1) or load(wanted))
    loading.forget()
    for fields in ({}, {"prompt": "a hat"}, {"guidance": 2.0, "extent": (70, 91)}):
        made(resolved(folders["pixart"], **fields))
    assert len(loaded) == 1
    made(resolved(folders["pixart"], extent=(300, 91)))
    assert len(loaded) == 2


def test_memory_is_planned_before_anything_is_loaded(folders, monkeypatch):
    request = resolved(folders["pixart"], extent=(1024, 1024))
    base = base_of(request)

    def with_room(**room):
        monkeypatch.setattr(planning, "free_now", lambda runtime: Free(**room))
        return planning.planned(base, request, Runtime()).runtime

    gib = 2**30
    whole = with_room(host_bytes=64 * gib)
    assert (whole.dtype, whole.vae_tiling) == ("float32", False)
    assert "PixArtSigma at 1024 x 1024" in whole.reason
    assert with_room(host_bytes=2 * gib).vae_tiling
    assert with_room(device="cuda", device_bytes=4 * gib, host_bytes=gib).dtype == "bfloat16"
    monkeypatch.setattr(loading, "load", lambda wanted: pytest.fail("loaded"))
    monkeypatch.setattr(planning, "free_now", lambda runtime: Free(host_bytes=gib // 4))
    with pytest.raises(OutOfMemory, match=r"PixArtSigma at .* needs at least"):
        made(request)
