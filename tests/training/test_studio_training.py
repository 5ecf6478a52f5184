"""The recipe of ``studio`` at toy size, on drawings made here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open

from layerstudio.color import U8, to_float
from layerstudio.errors import InvalidRequest
from layerstudio.models.studio_codec import StudioCodec, latents_of, on_grey, straight, tokens_of
from layerstudio.models.studio_network import PATCH, SIDE, VIEWS
from layerstudio.pipelines.studio.model import read
from layerstudio.pipelines.studio.reading import read_prompt
from training.assets import Assets, PackedSprites
from training.loop import Pace
from training.splits import split_of
from training.studio_captions import HELD_BACK, held_back_sets, is_held_back
from training.studio_export import export
from training.studio_grounds import COLOURS, GROUNDS, ground
from training.studio_lesson import costs
from training.studio_posters import plate_of, poster
from training.studio_quality import nearest
from training.studio_run import Run, Scale, Settings
from training.studio_scenes import Stock, opaque
from training.studio_sprites import drawings, listed_files, squared, strangers, turned

FILES = ("an_apple_01.svg", "baloon1_01.svg", "lemon.svg", "gift04.svg", "gift05.svg")
OTHERS = ("tree_of_nobody.svg", "cat_of_nobody.svg", "boat_of_nobody.svg", "lamp_of_nobody.svg")


class _Drawn:
    """Ellipses in colours of their own."""

    title = "ellipses"

    def names(self) -> tuple[str, ...]:
        return tuple(sorted((*FILES, *OTHERS)))

    def read(self, name: str) -> U8:
        rng = np.random.default_rng(list(name.encode()))
        canvas = np.zeros((150, 110, 4), np.uint8)
        colour = (*(int(v) for v in rng.integers(30, 256, 3)), 255)
        cv2.ellipse(canvas, (55, 75), (50, 70), 0, 0, 360, colour, -1, cv2.LINE_AA)
        return canvas


def tiny_run(folder: Path, steps: int = 4) -> Run:
    scale = Scale(
        codec=Pace(steps=3, batch=2, rate=1e-3, every=2),
        network=Pace(steps=steps, batch=3, rate=1e-3, every=2),
        backdrops=4, strangers=2, channels=8, codec_width=4, heads=1, head_dim=12, double_blocks=1,
        single_blocks=1, axes=(4, 4, 4),
    )  # fmt: skip
    run = Run(Settings(out=str(folder), scale=scale))
    run.assets = Assets(_Drawn())
    return run


@pytest.fixture(scope="module")
def stock() -> Stock:
    assets = Assets(_Drawn())
    return Stock(drawings(assets), StudioCodec(8, 4, 1), 6, 1, strangers(assets, 3, 1))


def test_no_listed_drawing_is_reserved() -> None:
    assert {split_of(name) for name in listed_files()} == {"train"}
    packed = set(PackedSprites().names())
    reserved = {name for name in packed if split_of(name) != "train"}
    found = {drawing.file for drawing in drawings(Assets.bundled())}
    assert found and found <= packed - reserved


def test_a_source_without_any_of_them_is_refused() -> None:
    class _Bare(_Drawn):
        def names(self) -> tuple[str, ...]:
            return OTHERS

    with pytest.raises(InvalidRequest):
        drawings(Assets(_Bare()))


@pytest.mark.parametrize("kind", GROUNDS)
def test_grounds_fill_their_canvas(kind: str) -> None:
    for colour in COLOURS:
        made = ground(kind, colour, 48, np.random.default_rng(3))
        assert made.shape == (48, 48, 3)
        assert made.dtype == np.float32
        assert 0 <= made.min() <= made.max() <= 1


def test_turning_hues_leaves_grey_and_alpha() -> None:
    sprite = np.full((6, 9, 4), 90, np.uint8)
    sprite[0, 0] = (255, 0, 0, 200)
    other = turned(sprite, 120)
    assert tuple(other[0, 0]) == (0, 255, 0, 200)
    assert np.array_equal(other[1:], sprite[1:])


def test_held_back_captions_are_understood_and_never_met(stock: Stock) -> None:
    nouns = frozenset(
        ["apple", "balloon", "lemon", "gift", "heart", "bear", "plum", "watermelon", "cake"]
    )
    assert frozenset({"plum", "lemon", "watermelon"}) in held_back_sets(nouns)
    assert is_held_back(["lemon", "apple", "watermelon", "plum"], nouns)
    assert not is_held_back(["lemon", "apple", "plum"], nouns)
    for caption in HELD_BACK:
        assert read_prompt(caption, stock.vocabulary).unknown is not None


def test_posters_are_of_three_tasks_and_make_something(stock: Stock) -> None:
    rng = np.random.default_rng(0)
    tasks = set()
    for _ in range(150):
        one = poster(stock, rng)
        cells = [place.cells**2 for place in one.places]
        assert len(one.tokens) == len(one.seen) == sum(cells)
        assert any(not place.given for place in one.places)
        assert [place.layer for place in one.places] == sorted({p.layer for p in one.places})
        for place, seen in zip(one.places, one.seen.split(cells), strict=True):
            assert place.seen == bool(seen.any())
            assert not (place.seen and place.given)
        kinds = {("seen" if place.seen else "given" if place.given else "made") for place in
                 one.places}  # fmt: skip
        assert "seen" not in kinds or kinds == {"seen"}
        layers = "plate" if len(one.places) == 1 and kinds == {"seen"} else ""
        tasks.add(layers or "-".join(sorted(kinds)))
    assert tasks == {"made", "seen", "plate", "given-made"}


def test_a_thing_is_seen_as_it_is_where_nothing_lies_over_it(stock: Stock) -> None:
    rng = np.random.default_rng(4)
    side = stock.pixels[0].shape[0]
    scene = stock.scene(stock.backdrops[1], ((2, (3, 5, side)), (0, (90, 60, 100))))
    ground, own, above = stock.views(scene)
    assert ground.shape == (64, VIEWS, own.shape[2]) and own.shape == above.shape
    plain = to_float(stock.backdrops[1].pixels)
    sprite = to_float(stock.pixels[2])
    expected = plain[5 : 5 + side, 3 : 3 + side]
    expected = expected + (sprite[..., :3] - expected) * sprite[..., 3:]
    alone = stock.tokens(opaque(expected)[None])[0]
    uncovered = torch.arange(16) % 4 < 2  # the other thing begins at column 90
    assert torch.allclose(own[uncovered, 0], alone[uncovered], atol=1e-3)
    assert not torch.allclose(own[:, 0], alone, atol=1e-3)
    assert all(0 <= v <= SIDE - box[2] for _, box in stock.random_things(rng, 3) for v in box[:2])


def test_behind_things_a_plain_ground_is_guessed(stock: Stock) -> None:
    backdrop = stock.new_backdrop(np.random.default_rng(0))
    plain = replace(backdrop, pixels=np.full_like(backdrop.pixels, (30, 200, 90)))
    true = stock.tokens(opaque(to_float(plain.pixels))[None])[0]
    ground, thing = stock.views(stock.scene(plain, ((1, (40, 50, 101)),)))
    assert torch.allclose(ground[:, 1], true, atol=1e-3)
    assert torch.allclose(thing[:, 1], true[:16], atol=1e-3)
    holes = np.zeros((SIDE, SIDE), np.float32)
    holes[10:90, 100:177] = 1
    shown, filled = stock.plate_views(plate_of(plain, holes)).unbind(1)
    assert torch.allclose(filled, true, atol=1e-3)
    whole = torch.arange(64) % 8 < 3  # left of the hole
    assert torch.allclose(shown[whole], true[whole], atol=1e-3)
    assert not torch.allclose(shown, true, atol=0.1)


def test_strangers_have_no_name_and_are_of_the_train_split(stock: Stock) -> None:
    rng = np.random.default_rng(2)
    numbers = {n for _ in range(60) for n, _ in stock.random_things(rng, 3, strange=0.5)}
    known = len(stock.drawings)
    assert min(numbers) < known <= max(numbers) < len(stock.pixels)
    assert max(n for _ in range(20) for n, _ in stock.random_things(rng, 3)) < known
    assert strangers(Assets(_Drawn()), 0, 1) == []
    trained = [name for name in OTHERS if split_of(name) == "train"]
    assert len(strangers(Assets(_Drawn()), 9, 1)) == len(trained)


def test_errors_of_latents_weigh_what_they_cost_in_pixels() -> None:
    codec = StudioCodec(channels=3, width=4, blocks=1)
    codec.scale.copy_(torch.tensor([2.0, 1.0, 0.5]))
    own = costs(codec)
    assert torch.allclose(own[0] / own[1], own[1] / own[2])
    assert own[0] > own[1] > own[2]
    variance = codec.scale.square()
    assert torch.isclose((own * variance).sum(), variance.sum())


def test_a_codec_with_all_directions_loses_nothing() -> None:
    torch.manual_seed(0)
    picture = on_grey(torch.rand(3, 4, 64, 32))
    codec = StudioCodec(channels=256, width=4, blocks=1)
    codec.fit(picture.repeat(9, 1, 1, 1) + 0.01 * torch.randn(27, 4, 64, 32))
    latents = codec.encode(picture)
    assert latents.shape == (3, 256, 8, 4)
    assert torch.allclose(codec.preview(latents), picture, atol=2e-3)
    tokens = tokens_of(latents, PATCH)
    assert torch.equal(latents_of(tokens, PATCH, 2), latents)
    picture[:, 3] = picture[:, 3].clamp(min=-0.8)
    seen = straight(picture)
    again = straight(on_grey(seen))
    assert torch.allclose(seen, again, atol=1e-4)


def test_a_run_goes_on_where_it_stopped_and_exports(tmp_path: Path) -> None:
    whole = tiny_run(tmp_path / "whole")
    list(whole.train())
    half = tiny_run(tmp_path / "half")
    list(half.codec.train())
    next(iter(half.network.train()))
    again = tiny_run(tmp_path / "half")
    assert again.network.step == 2
    list(again.train())
    expected = whole.network.average.state_dict()
    assert all(
        torch.equal(value, expected[key])
        for key, value in again.network.average.state_dict().items()
    )
    assert (tmp_path / "whole" / "studio.csv").read_text().startswith("step,")
    path = export(again, tmp_path / "out", tmp_path / "pictures", captions=HELD_BACK[:2], posters=1)
    model = read(path)
    assert set(model.vocabulary.things) == {"apple", "balloon", "gift", "lemon"}
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["studio"])["network"]["heads"] == 1
    card = (tmp_path / "out" / "studio.md").read_text()
    assert "apple, balloon, gift, lemon" in card
    assert (tmp_path / "pictures" / "captions.jpg").stat().st_size > 1000


def test_a_layer_is_nearest_to_its_own_drawing(stock: Stock) -> None:
    from layerstudio.document import Role
    from layerstudio.pipelines.stacking import layer_of

    for drawing in stock.drawings:
        small = squared(drawing.pixels)[8:-8, 8:-8]
        assert nearest(layer_of("x", small, Role.OBJECT), stock.drawings).file == drawing.file
