"""Names of results: distinct, below the output folder, and the same in every run."""

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import GenerateRequest
from layerstudio.io.files import suffixes_of
from layerstudio.pipelines.batch.templates import FIELDS, Namer, Naming
from layerstudio.requests import DecomposeRequest

NAMES = st.text(max_size=30)
REQUEST = DecomposeRequest(method="flat", seed=3)


@given(
    sources=st.lists(NAMES.map(lambda name: name + "x.png"), min_size=1, max_size=6),
    names=NAMES,
    folder=NAMES,
    template=st.lists(
        st.sampled_from([f"{{{field}}}" for field in FIELDS] + ["/", "-", "a"]),
        min_size=1,
        max_size=6,
    ).map("".join),
)
def test_every_name_is_its_own_and_below(sources, names, folder, template):
    try:
        namer = Namer(template)
    except InvalidRequest:
        return
    items = [Naming(source, REQUEST, i, names, folder) for i, source in enumerate(sources)]
    found = [namer.name(item) for item in items]
    assert len({name.casefold() for name in found}) == len(found)
    again = Namer(template)
    assert [again.name(item) for item in items] == found
    for name in found:
        path = PurePath(name)
        assert not path.is_absolute() and ".." not in path.parts
        assert all(len(part.encode()) <= 255 and part.isprintable() for part in path.parts)


def test_fields():
    naming = Naming("in/sub/Poster one.JPG", REQUEST, 7, "", "sub")
    name = Namer("{folder}/{index}-{stem}-{suffix}-{method}-{seed}").name(naming)
    assert name == "sub/000007-Poster one-jpg-flat-3"
    text = GenerateRequest(prompt="one two three four five six seven eight nine", method="art")
    assert Namer("{stem}").name(Naming("", text, 1)) == "one two three four five six seven eight"
    assert Namer("{method}").name(Naming("a.psd", None, 1)) == "convert"


def test_the_hash_tells_requests_and_places_apart():
    namings = [
        Naming("a.png", REQUEST, 1),
        Naming("b.png", REQUEST, 1),
        Naming("a.png", DecomposeRequest(method="flat", seed=4), 1),
    ]
    names = {Namer("{hash}").name(naming) for naming in namings}
    assert len(names) == 3 and all(len(name) == 10 for name in names)


@pytest.mark.parametrize(
    "template",
    [
        "", "  ", "/etc/{stem}", "../{stem}", "a/../../b",
        "{stem!r}", "{stem:>9}", "{stem.x}", "{", "{x}",
    ],
)  # fmt: skip
def test_templates_that_would_fail_are_refused(template):
    with pytest.raises(InvalidRequest):
        Namer(template)


def test_formats():
    assert suffixes_of("psd, .ORA,psd") == (".psd", ".ora")
    with pytest.raises(InvalidRequest, match="'gif'"):
        suffixes_of("psd,gif")
