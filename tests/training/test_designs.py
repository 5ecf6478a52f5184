"""The generator of designs: reproducible, exact, sound, and true to its splits."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise

import numpy as np
import pytest

from layerstudio.color import to_u8
from layerstudio.composite import composite
from layerstudio.document import Layer, Role
from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds
from training.assets import PACK, Assets, OpenClipart
from training.designs import BACKGROUNDS, Design, make_design, through_jpeg, visible_shares
from training.easel import contrast, relative_luminance
from training.splits import SPLITS, split_of

SEEDS = range(15)
PACK_LIMIT = 3_000_000  # bytes

FROZEN_EXTENT = (675, 675)
FROZEN_PLACED = (
    "background: gradient background",
    "shape: ellipse panel",
    "shape: rounded panel, 85%",
    "text: Join us for a day of",
    "shadow: shadow of dino_architetto_francesc_05",
    "object: dino_architetto_francesc_05",
    "object: 45_rpm_record_gerald_g._04",
)
FROZEN_COVERAGE = [255.0, 217.4, 216.9, 34.5, 19.7, 101.9, 183.3]


@pytest.fixture(scope="module")
def assets() -> Assets:
    return Assets.bundled()


@pytest.fixture(scope="module")
def designs(assets: Assets) -> list[Design]:
    return [make_design(s, "dev", background=BACKGROUNDS[s % 3], assets=assets) for s in SEEDS]


def layers(design: Design) -> list[Layer]:
    nodes = design.document.children
    assert all(isinstance(node, Layer) for node in nodes)
    return [node for node in nodes if isinstance(node, Layer)]


def test_a_seed_gives_the_same_design_again_and_each_split_another(assets):
    one, same = (make_design(3, "dev", assets=assets) for _ in range(2))
    np.testing.assert_array_equal(one.picture.pixels, same.picture.pixels)
    assert one.placed == same.placed
    other = make_design(3, "train", assets=assets)
    assert one.placed != other.placed


def test_benchmark_designs_are_the_ones_that_were_scored(assets):
    """Scores of two days compare only while the designs stay what they are."""
    design = make_design(7, "dev", background="gradient", assets=assets)
    coverage = [float(layer.pixels[..., 3].mean()) for layer in layers(design)]
    assert design.document.extent == FROZEN_EXTENT
    assert design.placed == FROZEN_PLACED
    np.testing.assert_allclose(coverage, FROZEN_COVERAGE, atol=1)


def test_the_true_layers_composite_to_the_picture(designs):
    jpegs = [design for design in designs if design.jpeg_quality is not None]
    assert 0 < len(jpegs) < len(designs) / 2
    for design in designs:
        shown = to_u8(composite(design.document))
        assert (design.picture.pixels[..., 3] == 255).all()
        assert design.picture.lossy == (design.jpeg_quality is not None)
        if not design.picture.lossy:
            np.testing.assert_array_equal(shown, design.picture.pixels)
        else:
            error = np.abs(shown.astype(int) - design.picture.pixels).mean()
            assert 0 < error < 8


def test_nothing_is_hidden_and_every_layer_lies_on_the_canvas(designs):
    for design in designs:
        stack = layers(design)
        canvas = Bounds.full(design.document.extent)
        assert stack[0].role is Role.BACKGROUND and stack[0].bounds == canvas
        assert (stack[0].pixels[..., 3] == 255).all()
        assert 3 <= len(stack) <= 14
        shares = visible_shares(stack, design.document.extent)
        for layer, share in zip(stack[1:], shares[1:], strict=True):
            assert canvas.contains(layer.bounds) and not layer.is_empty
            assert layer.role is Role.SHADOW or share >= 0.6, (layer.name, share)


def test_visible_shares_multiply_through_what_lies_above():
    def flat(alpha: int, bounds: Bounds) -> Layer:
        pixels = np.full((*bounds.extent.shape, 4), alpha, np.uint8)
        return Layer("x", bounds, pixels)

    stack = [flat(255, Bounds(0, 0, 9, 4)), flat(51, Bounds(0, 0, 9, 2)),
             flat(255, Bounds(0, 0, 3, 4))]  # fmt: skip
    # A third is covered; of the rest half lies under 20 %.
    expected = [2 / 3 * (0.5 + 0.5 * 0.8), 2 / 3, 1.0]
    np.testing.assert_allclose(visible_shares(stack, Bounds(0, 0, 9, 4).extent), expected, 1e-5)


def test_shadows_lie_right_below_what_casts_them(assets):
    found = 0
    for seed in range(8):
        stack = layers(make_design(seed, "train", assets=assets))
        for below, above in pairwise(stack):
            if below.role is Role.SHADOW:
                found += 1
                assert above.role in (Role.OBJECT, Role.SHAPE, Role.TEXT)
                assert below.bounds.overlaps(above.bounds)
                assert below.pixels[..., 3].max() <= 0.6 * 255 + 1
                assert below.pixels[..., :3].max() <= 0.15 * 255 + 1
    assert found >= 2


def test_sizes_are_odd_and_unequal_too(designs):
    extents = [design.document.extent for design in designs]
    assert all(512 <= side <= 768 for extent in extents for side in extent)
    assert any(extent.width % 2 and extent.width != extent.height for extent in extents)
    assert any(extent.width < extent.height for extent in extents)
    assert any(extent.width > extent.height for extent in extents)


def test_text_says_what_it_shows(designs):
    texts = [layer for design in designs for layer in layers(design) if layer.text]
    assert len(texts) > len(designs)
    assert {layer.text.align for layer in texts if layer.text} == {"left", "center"}
    for layer in texts:
        text = layer.text
        assert text and text.string.strip() and layer.role is Role.TEXT
        assert text.box.contains(layer.bounds)
        assert text.baseline is not None
        assert layer.bounds.y < text.baseline <= layer.bounds.bottom + 2
        solid = layer.pixels[layer.pixels[..., 3] > 250][:, :3]
        assert solid.size and (solid == text.color).all()


def test_contrast_is_wcags():
    """21 : 1 for black on white; #777 on white is 4.48 : 1 in every published table."""
    white = relative_luminance(np.ones((5, 3), np.float32))
    assert contrast((0.0, 0.0, 0.0), white) == pytest.approx(21, abs=1e-3)
    assert contrast((119 / 255,) * 3, white) == pytest.approx(4.48, abs=0.01)


def test_jpeg_changes_colours_and_keeps_alpha():
    pixels = np.random.default_rng(0).integers(0, 256, (31, 45, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    coarse, fine = (through_jpeg(pixels, q, subsampled=s) for q, s in ((75, True), (95, False)))
    errors = [np.abs(x.astype(int) - pixels).mean() for x in (coarse, fine)]
    assert errors[0] > 2 * errors[1] > 0
    assert coarse.shape == pixels.shape and (coarse[..., 3] == 255).all()


def test_splits_follow_the_first_digit():
    for name in ("acorn_jonathan_dietrich_01.svg", "8ball_nicu_buculei_01.svg", "coffee.webp"):
        digit = int(hashlib.sha1(name.encode()).hexdigest()[0], 16)
        assert split_of(name) == ("test" if digit < 3 else "dev" if digit < 8 else "train")
    counts = [split_of(f"{i}.svg") for i in range(1600)]
    for split, share in zip(SPLITS, (8, 5, 3), strict=True):
        assert counts.count(split) == pytest.approx(share * 100, rel=0.15)


def test_no_reserved_drawing_is_in_the_pack(assets):
    index = json.loads((PACK / "index.json").read_text(encoding="utf-8"))
    names = [item["file"] for item in index["sprites"]]
    listed = (PACK / "sprites.txt").read_text(encoding="utf-8").split()
    assert sorted(names) == sorted(listed) == sorted(assets.sprites.names())
    assert len(names) >= 150
    for name in names:
        assert hashlib.sha1(name.encode()).hexdigest()[0] not in "012", name
    with pytest.raises(InvalidRequest, match="test"):
        make_design(0, "test", assets=assets)


def test_splits_share_no_sprite_photograph_or_font(assets):
    for kind in (assets.photograph_names, assets.font_names):
        parts = [set(kind(split)) for split in SPLITS]
        assert all(len(part) >= 2 for part in parts)
        assert not (parts[0] & parts[1] or parts[1] & parts[2] or parts[0] & parts[2])
    train, dev = (set(assets.sprite_names(split)) for split in ("train", "dev"))
    assert not train & dev and min(len(train), len(dev)) >= 50


def test_a_design_uses_only_its_own_split(assets):
    titles = {split: {n.rsplit(".", 1)[0] for n in assets.sprite_names(split)}
              for split in ("train", "dev")}  # fmt: skip
    for split, allowed in titles.items():
        for seed in range(3):
            for layer in layers(make_design(seed, split, assets=assets)):
                assert layer.role is not Role.OBJECT or layer.name in allowed


def test_the_pack_is_small_and_names_every_licence():
    assert sum(path.stat().st_size for path in PACK.rglob("*")) <= PACK_LIMIT
    index = json.loads((PACK / "index.json").read_text(encoding="utf-8"))
    free = {"public domain", "CC0-1.0"}
    assert {item["licence"] for item in index["sprites"] + index["photographs"]} <= free
    assert {item["licence"] for item in index["fonts"]} == {"OFL-1.1", "Apache-2.0"}
    for item in index["fonts"]:
        package = item["source"].removeprefix("Debian ")
        assert (PACK / "fonts" / f"{package}.copyright").stat().st_size > 300
    for kind in ("photographs", "fonts"):
        for item in index[kind]:
            assert (PACK / kind / item["file"]).is_file()


@pytest.mark.skipif(not OpenClipart.is_installed(), reason="needs openclipart-svg, rsvg-convert")
def test_the_debian_package_gives_three_disjoint_splits(tmp_path):
    assets = Assets(OpenClipart(cache=tmp_path))
    names = {split: set(assets.sprite_names(split)) for split in SPLITS}
    assert all(len(part) > 200 for part in names.values())
    for split in ("train", "dev"):
        assert all(hashlib.sha1(n.encode()).hexdigest()[0] not in "012" for n in names[split])
    assert all(hashlib.sha1(n.encode()).hexdigest()[0] in "012" for n in names["test"])
    design = make_design(1, "test", background="plain", assets=assets)
    titles = {name.rsplit(".", 1)[0] for name in names["test"]}
    objects = [layer.name for layer in layers(design) if layer.role is Role.OBJECT]
    assert set(objects) <= titles and list(tmp_path.iterdir())
