"""The command line and the Python of a recipe make the request that they were printed for."""

import ast
import functools
import shlex
from dataclasses import replace

import pytest
import typer.main
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import Adapter, GenerateRequest, InputPicture
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.generate_options import understood
from layerstudio.pipelines.methods import card_of
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import resolve
from layerstudio.ui.cli import generate_options, options
from layerstudio.ui.cli.main import app
from layerstudio.ui.web.recipes import command_line, python_lines, recipe_view, request_of


@functools.cache
def commands():
    return typer.main.get_command(app).commands


def parsed(line):
    """What the real command makes of a printed line: its name and its parameters."""
    program, name, *arguments = shlex.split(line)
    assert program == "layerstudio"
    return name, commands()[name].make_context(name, arguments).params


def decompose_of(line):
    name, found = parsed(line)
    assert name == "decompose"
    names = (
        "layers", "method", "exact", "seed", "boxes", "read_text", "languages", "base", "prompts",
        "points", "excluded_points", "settings",
    )  # fmt: skip
    fields = options.request_fields(*(found[key] for key in names))
    return DecomposeRequest.from_dict(fields), found["paths"]


def generate_of(line):
    name, found = parsed(line)
    assert name == "generate"
    request = GenerateRequest.from_dict(generate_options.request_fields(found))
    pictures = generate_options.pictures_given(found)
    inputs = tuple(InputPicture(role=role, source=source) for role, source in pictures.items())
    return replace(request, inputs=inputs)


def call_of(text):
    """Name, positional and keyword arguments of the call that some Python makes."""
    tree = ast.parse(text)
    call = next(node.value for node in tree.body if isinstance(node, ast.Assign))

    def value(node):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) == "layerstudio.Adapter"
            return Adapter(**{item.arg: value(item.value) for item in node.keywords})
        if isinstance(node, ast.List):
            return [value(item) for item in node.elts]
        return ast.literal_eval(node)

    keywords = {item.arg: value(item.value) for item in call.keywords}
    return call.func.attr, [value(node) for node in call.args], keywords


words = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20
)
numbers = st.integers(0, 800)
points = st.tuples(numbers, numbers)
boxes = st.builds(Bounds, numbers, numbers, st.integers(1, 500), st.integers(1, 500))
seeds = st.none() | st.integers(0, 2**31)


@st.composite
def decompositions(draw):
    method = draw(st.sampled_from([None, "flat", "palette", "instances", "qwen-layered"]))
    chosen = {}
    for setting in card_of(method, "decompose").settings if method else ():
        if draw(st.booleans()):
            chosen[setting.name] = draw(st.sampled_from(setting.choices or (setting.default,)))
    return DecomposeRequest(
        method=method,
        layers=draw(st.just("auto") | st.integers(1, 50)),
        boxes=tuple(draw(st.lists(boxes, max_size=2))),
        points=tuple(draw(st.lists(points, max_size=2))),
        excluded_points=tuple(draw(st.lists(points, max_size=2))),
        prompts=tuple(draw(st.lists(words, max_size=2))),
        exact=draw(st.booleans()),
        seed=draw(seeds),
        read_text=draw(st.none() | st.booleans()),
        languages=draw(st.sampled_from([("eng",), ("jpn", "chi_sim")])),
        base=draw(st.none() | words),
        settings=chosen,
        source=draw(st.sampled_from(["poster.png", "-my poster's.png", "夜 $HOME.jpg"])),
    )


@settings(max_examples=30, deadline=None)
@given(decompositions())
def test_a_decomposition_comes_back_from_the_command_line(request):
    found, paths = decompose_of(command_line(request))
    assert paths == [request.source if request.source[0] != "-" else f"./{request.source}"]
    declared = card_of(request.method or "flat", "decompose").settings
    chosen = resolve(declared, request.settings, "x")
    assert resolve(declared, found.settings, "x") == chosen
    assert replace(found, settings=chosen, source=None) == replace(
        request, settings=chosen, source=None
    )


@settings(max_examples=30, deadline=None)
@given(decompositions())
def test_a_decomposition_comes_back_from_python(request):
    name, (source,), keywords = call_of(python_lines(request))
    assert (name, source) == ("decompose", request.source)
    assert DecomposeRequest(**keywords) == replace(request, source=None)


@st.composite
def generations(draw):
    shares = st.none() | st.floats(0, 1)
    adapters = st.builds(
        Adapter, source=words | st.just("lora:0.5"), weight=st.floats(-2, 2).map(lambda w: w + 0.0)
    )
    foregrounds = tuple(draw(st.lists(words, max_size=2)))
    return GenerateRequest(
        prompt=draw(words | st.just("")),
        negative_prompt=draw(st.none() | words),
        foregrounds=foregrounds,
        background=draw(st.none() | words),
        method=draw(st.sampled_from([None, "art", "layerdiffuse-sdxl"])),
        extent=draw(st.none() | st.just(Extent(832, 1216))),
        boxes=tuple(draw(st.just([]) if foregrounds else st.lists(boxes, max_size=2))),
        inputs=tuple(
            InputPicture(role=role, source=f"{role} 'x'.png")
            for role in draw(st.sets(st.sampled_from(["image", "foreground", "control", "style"])))
        ),
        count=draw(st.integers(1, 3)),
        seed=draw(seeds),
        steps=draw(st.none() | st.integers(1, 100)),
        guidance=draw(st.none() | st.floats(0, 100)),
        strength=draw(shares),
        ending_step=draw(shares),
        scheduler=draw(st.none() | st.just("euler a")),
        base=draw(st.none() | words),
        loras=tuple(draw(st.lists(adapters, max_size=2))),
        controlnet=draw(st.none() | adapters),
        ip_adapter=draw(st.none() | adapters),
        augment=draw(st.sampled_from([8, 1])),
        layers=draw(st.just("auto") | st.integers(2, 9)) if not foregrounds else "auto",
        layer_guidance=tuple(draw(st.lists(st.tuples(st.just("Title: big"), st.floats(0, 9))))[:1]),
    )


def laid_out(request):
    """Boxes are for one layout, a number of layers for another: the command takes one of them."""
    return replace(request, boxes=()) if request.layers != "auto" else request


@settings(max_examples=30, deadline=None)
@given(generations().map(laid_out))
def test_a_generation_comes_back_from_the_command_line(request):
    found = generate_of(command_line(request))
    key = [item.role for item in request.inputs]
    order = sorted(found.inputs, key=lambda item: key.index(item.role))
    assert replace(found, inputs=tuple(order)) == request


@settings(max_examples=30, deadline=None)
@given(generations())
def test_a_generation_comes_back_from_python(request):
    name, (prompt,), keywords = call_of(python_lines(request))
    count = keywords.pop("count", 1)
    assert name == ("generate_many" if request.count > 1 else "generate")
    found, pictures, how = understood(prompt, count, keywords)
    assert how == {} and pictures == {item.role: item.source for item in request.inputs}
    assert found == replace(request, inputs=())


def test_a_resolved_request_is_told_without_what_a_run_fills_in():
    request = DecomposeRequest(
        method="flat", seed=0, read_text=False, base="", source="a b.png", source_sha256="0" * 64
    )
    view = recipe_view(request)
    assert view["cli"] == "layerstudio decompose 'a b.png' --method flat --seed 0 --no-read-text"
    assert "sha256" not in view["python"] and "base" not in view["python"]
    assert "a b.psd" in view["python"]
    assert request_of(view["request"]) == request


def test_a_layout_that_no_option_can_say_is_run_from_the_file():
    request = GenerateRequest(prompt="a fair", method="art", layout='{"layers": []}')
    line = command_line(request, file="the fair's.psd")
    assert parsed(line)[1]["recipe"].name == "the fair's.psd"
    assert "layout=" in python_lines(request)


def test_several_pictures_are_saved_as_several_files(tmp_path):
    lines = python_lines(GenerateRequest(prompt="a\n'cat'", count=3, seed=7))
    compile(lines, "recipe", "exec")
    assert "generate_many" in lines and "{number}" in lines


@pytest.mark.parametrize("data", [{}, {"task": "paint"}, {"task": "decompose", "colour": 1}])
def test_what_is_no_request_is_refused(data):
    with pytest.raises(InvalidRequest):
        request_of(data)
