"""Plans for the cards and machines that people have, and what is said where nothing fits."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.errors import InvalidRequest, OutOfMemory
from layerstudio.geometry import Extent
from layerstudio.machine import GIB
from layerstudio.models.sizes import FAMILIES
from layerstudio.pipelines.memory_layout import Layout
from layerstudio.pipelines.preflight import Free, Needs, plan
from layerstudio.pipelines.runtime import Runtime


def run(family: str, side: int, **more) -> Needs:
    return Needs(family=family, extent=Extent(side, side), guided=family != "flux", **more)


def card(size: float, host: float = 64) -> Free:
    """A GPU of that many GB with a desktop on it, in a machine with plenty of memory."""
    return Free(
        device="cuda", device_bytes=int(size * 0.93 * GIB), host_bytes=int(host * GIB),
        attention="xformers",
    )  # fmt: skip


def cpu(size: float) -> Free:
    return Free(host_bytes=int(size * 0.9 * GIB))


# dtype is fp16 (bf16 for FLUX) on every card; “tiles” stands for a tiled autoencoder.
ON_CARDS = {
    ("sd15", 512): {8: "none", 12: "none", 24: "none", 80: "none"},
    ("sd15", 1024): {8: "none", 12: "none", 24: "none", 80: "none"},
    ("sd15", 2048): {8: "none tiles", 12: "none tiles", 24: "none", 80: "none"},
    ("sdxl", 512): {8: "model", 12: "none", 24: "none", 80: "none"},
    ("sdxl", 1024): {8: "model", 12: "none", 24: "none", 80: "none"},
    ("sdxl", 2048): {8: "model tiles", 12: "none tiles", 24: "none", 80: "none"},
    ("flux", 512): {8: "sequential", 12: "sequential", 24: "sequential", 80: "none"},
    ("flux", 1024): {8: "sequential", 12: "sequential", 24: "sequential", 80: "none"},
    ("flux", 2048): {8: "sequential", 12: "sequential", 24: "sequential", 80: "none"},
}


@pytest.mark.parametrize(("family", "side"), ON_CARDS)
def test_plans_for_cards(family, side):
    for size, expected in ON_CARDS[family, side].items():
        found = plan(run(family, side), card(size)).runtime
        words = f"{found.offload} tiles" if found.vae_tiling else found.offload
        assert words == expected, (size, found.reason)
        assert found.dtype == ("bfloat16" if family == "flux" else "float16")
        assert found.attention == "xformers"
        assert found.peak_bytes <= card(size).room


FLOAT, HALF = "float32", "bfloat16"
ON_CPUS = {
    ("sd15", 512): {8: FLOAT, 16: FLOAT, 24: FLOAT},
    ("sd15", 1024): {8: FLOAT, 16: FLOAT, 24: FLOAT},
    ("sd15", 2048): {8: HALF, 16: FLOAT, 24: FLOAT},
    ("sdxl", 512): {8: None, 16: HALF, 24: FLOAT},
    ("sdxl", 1024): {8: None, 16: HALF, 24: FLOAT},
    ("sdxl", 2048): {8: None, 16: HALF, 24: FLOAT},
    ("flux", 1024): {8: None, 16: None, 24: None},
}


@pytest.mark.parametrize(("family", "side"), ON_CPUS)
def test_plans_for_cpus(family, side):
    for size, dtype in ON_CPUS[family, side].items():
        if dtype is None:
            with pytest.raises(OutOfMemory, match="main memory"):
                plan(run(family, side), cpu(size))
            continue
        found = plan(run(family, side), cpu(size))
        assert (found.runtime.dtype, found.runtime.offload) == (dtype, "none")
        assert found.runtime.peak_bytes <= cpu(size).room


@settings(max_examples=60, deadline=None)
@given(
    family=st.sampled_from(sorted(FAMILIES)),
    side=st.sampled_from([256, 512, 768, 1024, 2048]),
    frames=st.sampled_from([1, 3]),
    augment=st.sampled_from([0, 1, 8]),
    size=st.floats(2, 90),
    on_cpu=st.booleans(),
)
def test_a_plan_fits_and_a_proposal_is_true(family, side, frames, augment, size, on_cpu):
    needs = run(family, side, frames=frames, augment=augment)
    free = cpu(size) if on_cpu else card(size)
    try:
        found = plan(needs, free)
    except OutOfMemory as error:
        if "augment 1" in error.advice:
            plan(replace(needs, augment=1), free)
        words = error.advice.partition(" pixels")[0].split()
        if words[-2:-1] == ["x"]:
            plan(replace(needs, extent=Extent(int(words[-3]), int(words[-1]))), free)
        return
    assert found.runtime.peak_bytes <= free.room


def test_what_is_merged_for_a_sampling_counts_while_sampling():
    merged = 2**30
    needs = run("sd15", 512, frames=2)
    for offload in ("none", "model", "sequential"):
        layout = Layout(needs, "cuda", "float16", offload, None)
        more = replace(layout, needs=replace(needs, sampling_values=merged))
        assert more.sample() - layout.sample() == 2 * merged
        assert more.decode() == layout.decode()
        assert more.host() - layout.host() == (2 * merged if offload == "model" else 0)


def test_weights_that_are_switched_are_not_offloaded_layer_by_layer():
    needs = run("sdxl", 1024, switches_weights=True)
    assert plan(replace(needs, switches_weights=False), card(5)).runtime.offload == "sequential"
    with pytest.raises(OutOfMemory) as caught:
        plan(needs, card(5))
    assert "sequential" not in caught.value.advice
    assert "a method on SD 1.5" in caught.value.advice
    with pytest.raises(InvalidRequest, match="changes weights on its way"):
        plan(needs, card(80), Runtime(offload="sequential"))


def test_what_the_user_fixes_is_kept():
    asked = Runtime(offload="sequential", dtype="float32")
    found = plan(run("sdxl", 1024), card(24), asked).runtime
    assert (found.offload, found.dtype, found.attention) == ("sequential", "float32", "sdpa")
    with pytest.raises(InvalidRequest, match="on the CPU"):
        plan(run("sd15", 512), cpu(16), Runtime(offload="model"))


@pytest.mark.parametrize(
    ("needs", "free", "asked", "expected"),
    [
        (run("sdxl", 1024), card(7), Runtime(offload="none"), "offload model"),
        (run("flux", 1024), card(12), Runtime(offload="model"), "offload sequential"),
        (run("sdxl", 1024), card(8), Runtime(dtype="float32", offload="model"), "float16"),
        (run("sdxl", 1024), cpu(14), Runtime(dtype="float32"), "bfloat16"),
        (run("sd15", 2048), cpu(5), Runtime(), "1536 x 1536 pixels"),
        (run("sdxl", 1024), cpu(8), Runtime(), "a method on SD 1.5"),
        (run("flux", 512), cpu(24), Runtime(), "a method on SDXL"),
        (run("sd15", 512), cpu(1), Runtime(), "more memory"),
        (run("flux", 1024), card(40), Runtime(dtype="float32", offload="none"), "bfloat16"),
        (run("sdxl", 1024, switches_weights=True), card(4), Runtime(), "the CPU"),
    ],
)
def test_the_advice_names_what_would_fit(needs, free, asked, expected):
    with pytest.raises(OutOfMemory) as caught:
        plan(needs, free, asked)
    assert expected in caught.value.advice


def test_offloading_needs_main_memory_too():
    with pytest.raises(OutOfMemory, match=r"main memory .* not on the GPU"):
        plan(run("flux", 1024), card(24, host=16))


def test_the_reason_says_what_and_why():
    reason = plan(run("sdxl", 1024), card(8)).runtime.reason
    for part in ("SDXL at 1024 x 1024", "float16", "one network at a time", "7.4 GiB usable"):
        assert part in reason
    assert "\n" not in reason


def test_it_answers_without_torch():
    code = "import sys, layerstudio.pipelines.preflight as p; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
