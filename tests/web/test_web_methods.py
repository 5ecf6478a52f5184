"""What the page is told of methods: quickly, without networks, and right."""

import subprocess
import sys

import pytest
from studio_client import application, running

from layerstudio.machine import GIB
from layerstudio.pipelines.methods import card_of, cards, load_decomposer
from layerstudio.pipelines.preflight import Free
from layerstudio.settings import resolve
from layerstudio.ui.web.jobs.estimates import Measure, Timings
from layerstudio.ui.web.method_costs import Device, cost_of
from layerstudio.ui.web.methods_view import methods_view, setting_view
from layerstudio.weights.registry import checkpoint

BIG = Device("H100", 80 * GIB, Free(device="cuda", device_bytes=78 * GIB, host_bytes=128 * GIB))
SMALL = Device("CPU", 8 * GIB, Free(host_bytes=4 * GIB))


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))


def by_id(device=BIG, timings=None):
    view = methods_view(device, timings or Timings())
    return {method["id"]: method for method in view["methods"]}


def test_every_method_is_there_with_what_its_card_says(nothing_here):
    found = by_id()
    assert list(found) == [card.id for card in cards()]
    defaults = [id for id, method in found.items() if method["default"]]
    # The default generator's weights are not here, those of the built-in one always are.
    assert defaults == ["auto", "studio"]
    for card in cards():
        method = found[card.id]
        assert method["inputs"] == list(card.inputs) and method["modes"] == list(card.modes)
        assert method["ready"] == (not card.needs and not card.setup)


def test_what_is_missing_can_be_pulled_and_tells_its_terms(nothing_here):
    for method in by_id().values():
        for one in method["missing"]:
            row = checkpoint(one["id"])
            assert not row.withdrawn and one["licence"] == row.licence.name
            assert one["gated"] == row.gated
            assert (one["provenance_warning"] is None) == (not row.needs_provenance_acceptance)
    warned = {one["id"] for one in by_id()["cld"]["missing"] if one["provenance_warning"]}
    assert warned


def test_a_method_is_ready_once_its_weights_are_here(nothing_here, tmp_path):
    needed = card_of("layerd", "decompose").needs
    for id in needed:
        row = checkpoint(id)
        for pattern in row.patterns:
            path = tmp_path / row.repository / pattern.replace("*", "x")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    found = by_id()
    assert needed and found["layerd"]["ready"] and found["layerd"]["missing"] == []
    assert not found["qwen-layered"]["ready"]


def test_settings_say_what_a_form_needs(nothing_here):
    for card in cards():
        for setting in card.settings:
            view = setting_view(setting)
            assert view["kind"] in ("choice", "flag", "text", "number", "whole")
            chosen = view["choices"][-1] if view["choices"] else view["default"]
            assert resolve(card.settings, {setting.name: chosen}, card.id)
    kinds = {one["name"]: one["kind"] for one in by_id()["qwen-layered"]["settings"]}
    assert kinds["steps"] == "whole" and kinds["cfg_normalize"] == "flag"
    assert kinds["weights"] == "choice" and kinds["guidance"] == "number"


def test_memory_is_what_the_preflight_plans_and_fits_where_there_is_room(nothing_here):
    large, small = by_id(BIG), by_id(SMALL)
    for id in ("layerdiffuse-sdxl", "layerdiffuse-flux", "art", "qwen-layered", "cld"):
        assert large[id]["cost"]["fits"] is True, id
        assert 0 < large[id]["cost"]["memory_bytes"] <= 78 * GIB
    for id in ("layerdiffuse-flux", "art", "qwen-layered"):
        assert small[id]["cost"]["fits"] is False, id
        assert small[id]["cost"]["memory_bytes"] > 4 * GIB
    assert large["flat"]["cost"]["memory_bytes"] is None
    smaller = large["layerdiffuse-sd15"]["cost"]["memory_bytes"]
    assert smaller < large["layerdiffuse-sdxl"]["cost"]["memory_bytes"]


def test_time_is_told_once_it_was_measured_here():
    card, timings = card_of("flat", "decompose"), Timings()
    assert cost_of(card, SMALL.free, timings)["seconds"] is None
    timings.add(Measure("decompose/flat", 4.0), 10.0)
    cost = cost_of(card, SMALL.free, timings)
    assert (cost["seconds"], cost["basis"]) == (2.5, "measured here")


def test_stages_are_ranked_as_auto_takes_them(nothing_here):
    stages = methods_view(SMALL, Timings())["stages"]
    assert [one["id"] for one in stages["inpaint"]][:2] == ["lama", "flat-fill"]
    ready = {kind: [one["id"] for one in found if one["ready"]] for kind, found in stages.items()}
    assert ready["inpaint"] == ["flat-fill"] and "guided" in ready["matte"]
    assert ready["segment"] == [] and stages["segment"][0]["missing"]


def test_looking_loads_no_network_library():
    code = (
        "import sys; from layerstudio.ui.web.methods_view import methods_view;"
        "from layerstudio.ui.web.method_costs import Machine;"
        "from layerstudio.ui.web.jobs.estimates import Timings;"
        "methods_view(Machine().device(), Timings());"
        "print(*sorted({'torch', 'diffusers', 'transformers', 'gradio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_run_of_the_studio_is_a_measurement(nothing_here):
    with running() as client:
        cost = client.get("/studio/methods").json()["methods"][0]["cost"]
        application(client).state.jobs.timings.add(Measure("decompose/auto", 1.0), 7.0)
        after = client.get("/studio/methods").json()["methods"][0]["cost"]
        device = client.get("/studio/methods").json()["device"]
    assert after["seconds"] is not None and after != cost
    assert device["memory_bytes"] is None or device["memory_bytes"] > 2**20
    assert load_decomposer("auto").card.id == "auto"
