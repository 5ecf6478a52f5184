"""What only one method understands: checked once, and carried in the recipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerstudio.errors import InvalidRequest
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import Setting, Settings, resolve

DECLARED = (
    Setting("peels", 8, "how often", least=1, most=32),
    Setting("threshold", 0.5, "how sure", least=0, most=1),
    Setting("matte", "closed-form", "which", choices=("closed-form", "vitmatte")),
    Setting("shadows", True, "whether"),
    Setting("caption", "", "free text"),
)


def test_defaults_fill_what_is_not_given():
    found = resolve(DECLARED, {"peels": "3", "shadows": "off"}, "toy")
    assert dict(found) == {
        "caption": "", "matte": "closed-form", "peels": 3, "shadows": False, "threshold": 0.5,
    }  # fmt: skip
    assert resolve(DECLARED, found, "toy") == found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("peels", 0), ("peels", 33), ("peels", 1.5), ("peels", "many"), ("peels", True),
        ("threshold", "nan"), ("threshold", 1.01), ("threshold", None),
        ("matte", "knn"), ("matte", 3), ("shadows", 1), ("shadows", "maybe"), ("caption", 7),
        ("peel", 3),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(name, value):
    with pytest.raises(InvalidRequest, match=name):
        resolve(DECLARED, {name: value}, "toy")


def test_a_misspelt_name_is_told_the_right_one():
    with pytest.raises(InvalidRequest, match="Did you mean 'threshold'"):
        resolve(DECLARED, {"treshold": 0.2}, "toy")


@given(peels=st.integers(1, 32), threshold=st.floats(0, 1), caption=st.text(max_size=20))
def test_settings_travel_in_a_request(peels, threshold, caption):
    chosen = Settings({"threshold": threshold, "peels": peels, "caption": caption})
    request = DecomposeRequest(method="toy", settings=chosen)
    again = DecomposeRequest.from_dict(request.to_dict())
    assert again == request and hash(again) == hash(request)
    assert again.settings.whole("peels") == peels and again.settings.text("caption") == caption


def test_a_point_is_not_on_both_sides():
    from layerstudio.geometry import Extent

    request = DecomposeRequest(points=((3, 4),), excluded_points=((3, 4),))
    with pytest.raises(InvalidRequest, match=r"\(3, 4\) is both"):
        request.check_against(Extent(10, 10))
    with pytest.raises(InvalidRequest, match="not on a 3 x 10"):
        DecomposeRequest(excluded_points=((5, 5),)).check_against(Extent(3, 10))
