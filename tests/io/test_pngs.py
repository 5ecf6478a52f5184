import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from damage import assert_refused_when_cut, refusals_of_flipped
from hypothesis import HealthCheck, given, settings
from layered import assert_same, documents

from layerstudio.document import Document, Group, Layer, Mask
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import open_document, save
from layerstudio.io.limits import Limits
from layerstudio.io.png_codec import encode_png

roomy = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@roomy
@given(documents())
def test_everything_comes_back_from_a_zip(tmp_path, document):
    assert_same(open_document(save(document, tmp_path / "a.zip")), document)


@settings(roomy, max_examples=15)
@given(documents())
def test_everything_comes_back_from_a_folder(tmp_path, document):
    target = tmp_path / "a.layers"
    assert_same(open_document(save(document, target)), document)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.layers", "a.zip"}
    inside = [path.relative_to(target).parts for path in target.rglob("*.png")]
    assert all(len(parts) <= 2 for parts in inside)


def sample():
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 255, (31, 45, 4), np.uint8)
    layer = Layer(
        "レイヤー", Bounds(-3, 5, 45, 31), pixels, mask=Mask(Bounds(0, 0, 45, 31), pixels[..., 0])
    )
    return Document(Extent(50, 40), (Group("g", (layer,)), layer), dpi=300)


def rewritten(tmp_path, change):
    """The sample's zip with its manifest changed."""
    path = save(sample(), tmp_path / "a.zip")
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    data = json.loads(files["manifest.json"])
    change(data, files)
    files["manifest.json"] = json.dumps(data).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def layer_of(data):
    return data["children"][0]["children"][0]


def deep(data, files):
    nodes = data["children"]
    for _ in range(200):
        nodes[:] = [{"kind": "group", "mask": None, "children": list(nodes)}]


HOSTILE = {
    "slip": lambda d, f: layer_of(d).update(pixels="../../../../etc/passwd"),
    "absolute": lambda d, f: layer_of(d).update(pixels="/etc/passwd"),
    "nul": lambda d, f: layer_of(d).update(pixels="a\0b"),
    "no pixels": lambda d, f: layer_of(d).update(pixels=None),
    "missing": lambda d, f: f.pop(layer_of(d)["pixels"]),
    "wrong size": lambda d, f: f.update(
        {layer_of(d)["pixels"]: encode_png(np.zeros((3, 3, 4), np.uint8))}
    ),
    "gray mask in colour": lambda d, f: layer_of(d)["mask"].update(pixels=layer_of(d)["pixels"]),
    "no png": lambda d, f: f.update({layer_of(d)["pixels"]: b"GIF89a"}),
    "depth": lambda d, f: layer_of(d).update(depth=16),
    "depth type": lambda d, f: layer_of(d).update(depth=[]),
    "bounds": lambda d, f: layer_of(d).update(bounds=[0, 0, -5, 7]),
    "bounds type": lambda d, f: layer_of(d).update(bounds=[0.5, 0, 5, 7]),
    "huge place": lambda d, f: layer_of(d).update(bounds=[10**30, 0, 45, 31]),
    "blend": lambda d, f: layer_of(d).update(blend="plus-plus"),
    "through": lambda d, f: layer_of(d).update(blend="pass-through"),
    "opacity": lambda d, f: layer_of(d).update(opacity=float("nan")),
    "opacity type": lambda d, f: layer_of(d).update(opacity="1"),
    "name": lambda d, f: layer_of(d).update(name=5),
    "text": lambda d, f: layer_of(d).update(text={"string": 3}),
    "flag": lambda d, f: layer_of(d).update(visible="yes"),
    "children": lambda d, f: d.update(children=5),
    "child": lambda d, f: d.update(children=[5]),
    "version": lambda d, f: d.update({"layerstudio-document": 99}),
    "other json": lambda d, f: d.pop("layerstudio-document"),
    "bomb": lambda d, f: d.update(extent=[250_000, 250_000]),
    "layer bomb": lambda d, f: layer_of(d).update(bounds=[0, 0, 250_000, 250_000]),
    "many": lambda d, f: d.update(children=d["children"] * 9000),
    "deep": deep,
    "icc": lambda d, f: d.update(icc="§"),
    "dpi": lambda d, f: d.update(dpi=0),
    "request": lambda d, f: d.update(request=[1]),
    "metadata": lambda d, f: d.update(metadata={"a": 1}),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_manifest_that_lies_is_refused(tmp_path, change):
    with pytest.raises(UnreadableFile) as caught:
        open_document(rewritten(tmp_path, change))
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_the_folder_does_not_leave_itself(tmp_path):
    (tmp_path / "secret.png").write_bytes(encode_png(np.zeros((31, 45, 4), np.uint8)))
    target = save(sample(), tmp_path / "a.layers")
    data = json.loads((target / "manifest.json").read_text())
    layer_of(data)["pixels"] = "../secret.png"
    (target / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(UnreadableFile):
        open_document(target)
    layer_of(data)["pixels"] = "link.png"
    (target / "link.png").symlink_to(tmp_path / "secret.png")
    (target / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(UnreadableFile):
        open_document(target)


def test_a_cut_zip_is_refused_wherever_it_is_cut(tmp_path):
    assert_refused_when_cut(save(sample(), tmp_path / "a.zip"), step=97)


def test_flipped_bytes_give_an_error_or_the_picture(tmp_path):
    assert refusals_of_flipped(save(sample(), tmp_path / "a.zip"), count=150) > 100


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * 2**26)
    with pytest.raises(UnreadableFile, match="unpacks to"):
        open_document(path)


def test_limits_count_all_layers_together(tmp_path):
    path = save(sample(), tmp_path / "a.zip")
    open_document(path, Limits(total_pixels=4 * 45 * 31))
    with pytest.raises(UnreadableFile, match="together"):
        open_document(path, Limits(total_pixels=4 * 45 * 31 - 1))


def test_bleeding_changes_hidden_colour_only(tmp_path):
    document = sample()
    pixels = document.layers[0].pixels.copy()
    pixels[:9, :9] = 0
    document = document.replaced((1,), replace(document.layers[1], pixels=pixels))
    bled = open_document(save(document, tmp_path / "a.zip", bleed=True))
    assert_same(bled, document, hidden_colour=False)
    assert bled.layers[1].pixels[:9, :9, :3].any()
