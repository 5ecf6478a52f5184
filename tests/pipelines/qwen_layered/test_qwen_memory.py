"""How runs of the published size are planned; nothing is loaded."""

from dataclasses import replace
from pathlib import Path

import pytest

from layerstudio import Extent, InvalidRequest
from layerstudio.errors import OutOfMemory
from layerstudio.machine import GIB
from layerstudio.pipelines.preflight import Free
from layerstudio.pipelines.qwen_layered import memory, sizes
from layerstudio.pipelines.qwen_layered.memory import plan
from layerstudio.pipelines.qwen_layered.sources import Source
from layerstudio.pipelines.runtime import Runtime

PUBLISHED = Source(
    folder=Path("qwen"), weights="qwen-image-layered", revision="", file=None, stored="full",
    bytes=2 * sizes.TRANSFORMER,
    parameters=(("text_encoder", sizes.TEXT_ENCODER), ("vae", sizes.VAE),
                ("transformer", sizes.TRANSFORMER)),
    stamps=(),
)  # fmt: skip
GGUF = replace(PUBLISHED, stored="gguf", file=Path("q4.gguf"), bytes=12 * GIB)
WORKING = Extent(640, 640)


def gpu(device, host=128):
    return Free(device="cuda", device_bytes=int(device * GIB), host_bytes=int(host * GIB))


def cpu(host):
    return Free(host_bytes=int(host * GIB))


def planned(free, source=PUBLISHED, runtime=None, layers=4, working=WORKING, **options):
    layout = plan(source, working, layers, free, runtime or Runtime(), **options).layout
    return layout.weights, layout.encoder, layout.placement, layout.dtype


@pytest.mark.parametrize(("free", "wanted"), [
    (gpu(80), ("full", "full", "together", "bfloat16")),
    (gpu(48), ("full", "full", "offloaded", "bfloat16")),
    (gpu(48, host=45), ("full", "full", "staged", "bfloat16")),
    (gpu(24), ("fp8", "fp8", "offloaded", "bfloat16")),
    (gpu(16), ("4bit", "4bit", "offloaded", "bfloat16")),
    (gpu(16, host=14), ("4bit", "4bit", "staged", "bfloat16")),
    (cpu(128), ("full", "full", "together", "float32")),
    (cpu(96), ("full", "full", "staged", "float32")),
    (cpu(64), ("full", "full", "together", "bfloat16")),
    (cpu(48), ("full", "full", "staged", "bfloat16")),
    (cpu(32), ("fp8", "fp8", "staged", "float32")),
    (cpu(20), ("4bit", "4bit", "staged", "float32")),
], ids=str)  # fmt: skip
def test_the_most_exact_that_fits(free, wanted):
    assert planned(free) == wanted


def test_a_gguf_file_with_the_text_encoder_that_fits():
    assert planned(gpu(24), GGUF)[:2] == ("gguf", "full")
    assert planned(gpu(16), GGUF) == ("gguf", "fp8", "offloaded", "bfloat16")


def test_what_is_fixed_is_kept():
    assert planned(gpu(80), weights="4bit")[:2] == ("4bit", "4bit")
    assert planned(gpu(80), weights="bf16", encoder="fp8")[:2] == ("full", "fp8")
    assert planned(gpu(80), runtime=Runtime(offload="model"))[2] == "offloaded"
    assert planned(cpu(128), runtime=Runtime(dtype="bfloat16"))[3] == "bfloat16"
    with pytest.raises(InvalidRequest, match="GGUF"):
        planned(gpu(80), weights="gguf")
    with pytest.raises(InvalidRequest, match="GGUF"):
        planned(gpu(80), GGUF, weights="4bit")
    with pytest.raises(InvalidRequest, match="layer by layer"):
        planned(gpu(80), runtime=Runtime(offload="sequential"))


def test_what_does_not_fit_is_said_with_what_would():
    with pytest.raises(OutOfMemory) as caught:
        planned(gpu(24), weights="bf16")
    assert "with 4 layers at 640 x 640" in caught.value.message
    assert "24.0 GiB are usable" in caught.value.message
    assert caught.value.advice.startswith("What would fit: the setting weights=fp8; or the setting")
    with pytest.raises(OutOfMemory) as caught:
        planned(gpu(17), layers=20, working=Extent(1024, 1024))
    assert "resolution=640" in caught.value.advice and "layers" in caught.value.advice
    with pytest.raises(OutOfMemory, match="GGUF file of its transformer"):
        planned(gpu(6))


def test_without_bitsandbytes(monkeypatch):
    monkeypatch.setattr(memory, "installed_version", lambda package: None)
    assert planned(gpu(24))[0] == "fp8"
    with pytest.raises(InvalidRequest, match="quantised"):
        planned(gpu(80), weights="4bit")
    with pytest.raises(OutOfMemory):
        planned(gpu(16))


def test_weights_are_what_users_report():
    """40 GB and 15 GB in bfloat16, and a quarter and a half of it."""
    layout = plan(PUBLISHED, WORKING, 4, gpu(80), Runtime()).layout
    assert 40e9 < layout.held("transformer") < 42e9
    assert 15e9 < layout.held("text_encoder") < 17e9
    small = replace(layout, weights="4bit", encoder="4bit")
    assert 11e9 < small.held("transformer") < 13e9


def test_tiles_where_one_frame_is_too_much():
    """A frame of 1024 x 1024 takes 6.8 GiB in float32."""
    tight = plan(GGUF, Extent(1024, 1024), 2, cpu(18), Runtime(dtype="float32"), encoder="4bit")
    assert tight.layout.tiled
    assert not plan(GGUF, Extent(1024, 1024), 2, cpu(64), Runtime()).layout.tiled
