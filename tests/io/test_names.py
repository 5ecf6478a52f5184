import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerstudio.io.names import file_stem


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Layer 1", "Layer 1"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\Users\\a", "C_Users_a"),
        ("レイヤー", "レイヤー"),
        ("e\u0301", "é"),
        ("", "layer"),
        (" . ", "layer"),
        ("con", "_con"),
        ("LPT1.txt", "_LPT1.txt"),
        ("a\nb\0c\u202ed", "a bcd"),
        (".hidden.", "hidden"),
        ("\ud800x", "x"),
    ],
)
def test_names_people_use(name, stem):
    assert file_stem(name, set()) == stem


def test_names_that_differ_by_case_only_get_numbers():
    taken: set[str] = set()
    stems = [file_stem(name, taken) for name in ("Logo", "logo", "LOGO", "logo-2")]
    assert stems == ["Logo", "logo-2", "LOGO-3", "logo-2-2"]


@given(st.lists(st.text(max_size=200), max_size=8))
def test_any_names_become_files(names):
    taken: set[str] = set()
    stems = [file_stem(name, taken) for name in names]
    assert len({unicodedata.normalize("NFKC", stem).casefold() for stem in stems}) == len(names)
    for stem in stems:
        assert 0 < len(stem.encode()) <= 96
        assert not set(stem) & set('/\\:*?"<>|\0\n')
        assert not stem.startswith((".", " ")) and not stem.endswith((".", " "))
