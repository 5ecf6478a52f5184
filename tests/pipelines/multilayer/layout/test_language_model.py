"""Chat models as planners: real models that recite good, half-good and hopeless answers."""

import json
import threading
import time

import pytest
from scripted_chat import TEMPLATE, WITHOUT_SYSTEM, write_chat_model
from transformers import AutoTokenizer

from layerstudio.errors import Cancelled, InvalidRequest, MissingWeights, UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.multilayer.layout.answers import layers_in
from layerstudio.pipelines.multilayer.layout.instructions import correction, opening_messages
from layerstudio.pipelines.multilayer.layout.language_model import LanguageModelPlanner
from layerstudio.pipelines.multilayer.layout.planners import planner_for
from layerstudio.pipelines.multilayer.layout.planning import PlanRequest
from layerstudio.pipelines.multilayer.layout.repair import repaired_plan
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = Runtime(device="cpu")
GOOD = (
    '{"layers": [{"z": 0, "box": [0, 0, 400, 300], "role": "background", "prompt": "blue sky"}, '
    '{"z": 1, "box": [40, 60, 200, 180], "role": "image", "prompt": "one red kite"}, '
    '{"z": 2, "box": [250, 70, 120, 44], "role": "text", "prompt": "bold", "text": "Fly — été"}]}'
)
IN_PROSE = f"Sure! Here is your layout:\n```json\n{GOOD}\n```\nShall I change anything?"
OUTSIDE = (
    'A try: {"layers": [{"z": 0, "box": [900, 0, 40, 30], "role": "image", "prompt": "kite"}]}'
)


def wanted(**options) -> PlanRequest:
    return PlanRequest(prompt="a kite festival", extent=Extent(400, 300), **options)


def test_a_good_answer_in_prose_becomes_a_layout(tmp_path):
    planner = planner_for(str(write_chat_model(tmp_path / "chat", IN_PROSE)))
    plan = planner.plan(wanted(), runtime=CPU)
    assert plan.boxes == (Bounds(40, 60, 200, 180), Bounds(250, 70, 120, 44))
    assert plan.layers[2].text == "Fly — été" and plan.repairs == ()


def test_a_wrong_answer_is_shown_to_the_model_which_mends_it(tmp_path):
    planner = planner_for(str(write_chat_model(tmp_path / "chat", OUTSIDE, GOOD)))
    assert len(planner.plan(wanted(), runtime=CPU).layers) == 3


def test_the_system_turn_is_no_need(tmp_path):
    template = WITHOUT_SYSTEM + TEMPLATE.replace("length // 2", "length // 2 + 1")
    folder = write_chat_model(tmp_path / "chat", GOOD, template=template)
    assert len(planner_for(str(folder)).plan(wanted(), runtime=CPU).layers) == 3


def test_a_sound_layout_with_another_count_is_taken_in_the_end_and_told(tmp_path):
    planner = planner_for(str(write_chat_model(tmp_path / "chat", GOOD)))
    plan = planner.plan(wanted(layers=7), runtime=CPU)
    assert plan.repairs == ("The layout has 3 layers, and 7 were wanted.",)


def test_four_wrong_answers_end_in_the_problem(tmp_path):
    planner = planner_for(str(write_chat_model(tmp_path / "chat", OUTSIDE)))
    with pytest.raises(InvalidRequest, match=r"4 attempts\..*lies outside the 400 x 300.*rules"):
        planner.plan(wanted(), runtime=CPU)


def test_random_weights_answer_nonsense_which_is_refused(tmp_path):
    folder = write_chat_model(tmp_path / "chat")
    planner = LanguageModelPlanner(folder=folder, name="tiny", longest=24)
    with pytest.raises(InvalidRequest, match=r"'tiny' gave no layout in 4 attempts\. The answer"):
        planner.plan(wanted(), runtime=CPU)


def test_the_same_seed_says_the_same_and_another_something_else(tmp_path):
    folder = write_chat_model(tmp_path / "chat")

    def said(seed: int, temperature: float) -> str:
        planner = LanguageModelPlanner(
            folder=folder, name="tiny", longest=16, temperature=temperature
        )
        with pytest.raises(InvalidRequest) as raised:
            planner.plan(wanted(seed=seed), runtime=CPU)
        return raised.value.advice

    assert said(5, 1.0) == said(5, 1.0) != said(50, 1.0)
    assert said(5, 0.0) == said(50, 0.0)


def test_cancelling_stops_between_tokens(tmp_path):
    folder = write_chat_model(tmp_path / "chat")
    cancel = CancelToken()
    threading.Timer(0.6, cancel.cancel).start()
    planner = LanguageModelPlanner(folder=folder, name="tiny", longest=10_000)
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        planner.plan(wanted(), runtime=CPU, cancel=cancel)
    assert time.monotonic() - begun < 5


def test_a_description_longer_than_the_context_is_refused(tmp_path):
    planner = planner_for(str(write_chat_model(tmp_path / "chat", GOOD)))
    with pytest.raises(InvalidRequest, match=r"tokens, and .* reads 16384"):
        planner.plan(PlanRequest(prompt="kite " * 4000, extent=Extent(400, 300)), runtime=CPU)


def test_what_is_no_chat_model_is_refused(tmp_path):
    without = write_chat_model(tmp_path / "without", GOOD, template=None)
    with pytest.raises(UnreadableFile, match="no chat template"):
        planner_for(str(without)).plan(wanted(), runtime=CPU)
    damaged = write_chat_model(tmp_path / "damaged", GOOD)
    (damaged / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(UnreadableFile, match="could not be loaded"):
        planner_for(str(damaged)).plan(wanted(), runtime=CPU)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UnreadableFile, match="could not be loaded"):
        planner_for(str(empty)).plan(wanted(), runtime=CPU)
    broken = write_chat_model(tmp_path / "broken", GOOD, template="{{ raise_exception('no') }}")
    with pytest.raises(UnreadableFile, match=r"chat template .* does not work"):
        planner_for(str(broken)).plan(wanted(), runtime=CPU)


def test_names_lead_to_planners_or_to_reasons(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
    write_chat_model(tmp_path / "somebody" / "tiny-chat", GOOD)
    assert len(planner_for("somebody/tiny-chat").plan(wanted(), runtime=CPU).layers) == 3
    with pytest.raises(MissingWeights, match="models pull nobody/chat"):
        planner_for("nobody/chat")
    with pytest.raises(InvalidRequest, match="no planner 'ruels'"):
        planner_for("ruels")
    (tmp_path / "model.gguf").write_bytes(b"")
    with pytest.raises(InvalidRequest, match="is a file"):
        planner_for(str(tmp_path / "model.gguf"))


def test_the_model_is_told_all_that_was_asked_for(tmp_path):
    request = wanted(captions=("a kite", 'title "Fly"'), background="sky", layers=6)
    messages = [*opening_messages(request), *correction("Hm", "It is empty.")]
    folder = write_chat_model(tmp_path / "chat", GOOD)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    for said in ("400 x 300", "kite festival", "role image", '"Fly"', "sky", "exactly 6",
                 "Hm", "It is empty."):  # fmt: skip
        assert said in text


def test_the_example_shown_to_models_is_a_sound_layout():
    example = opening_messages(wanted())[0]["content"].split("Example:")[1]
    layers, repairs = layers_in(example)
    plan = repaired_plan(layers, Extent(768, 1024), repairs=repairs)
    assert plan.repairs == () and plan.overlap < 0.01 and len(plan.layers) == 6


LAYERS = json.loads(GOOD)["layers"]


@pytest.mark.parametrize(
    ("answer", "repairs"),
    [
        (GOOD, 0),
        (IN_PROSE, 0),
        (json.dumps(LAYERS), 0),
        (f"<think>{{'layers': [1]}} or [2]?</think>{GOOD}", 0),
        (f"The boxes [x, y] follow. {GOOD} {{not json}}", 0),
        (GOOD.replace("}, {", "},\n {").replace("}]}", "},]}"), 1),
    ],
)
def test_json_is_found_in_whatever_surrounds_it(answer, repairs):
    assert layers_in(answer) == (LAYERS, layers_in(answer)[1])
    assert len(layers_in(answer)[1]) == repairs


def test_of_an_answer_that_breaks_off_the_whole_layers_are_read():
    layers, repairs = layers_in(GOOD[: GOOD.index('"bold"')])
    assert layers == LAYERS[:2]
    assert repairs == ("The answer broke off: 2 whole layers were read.",)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "is empty"),
        ("I cannot do that.", "no JSON object"),
        ('{"layers": [{"z": 0, "box": ', "not JSON: Expecting value"),
        ('{"boxes": []}', 'no list of "layers"'),
        ("<think>hm", "is empty"),
        ('{"a":' * 50_000, "nested too deep"),
        ("[" * 50_000, "no JSON object"),
    ],
)
def test_answers_without_layers_say_what_is_wrong(answer, message):
    with pytest.raises(InvalidRequest, match=message):
        layers_in(answer)
