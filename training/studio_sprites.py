"""The things that ``studio`` knows by name, and the drawings of each.

All are of the train split (``training/splits.py``): a name here whose file is reserved raises. A
drawing may be listed in other colours, made by turning its hues.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from layerstudio.color import U8, premultiply, to_float, to_u8, unpremultiply
from layerstudio.errors import InvalidRequest
from training.assets import Assets
from training.splits import split_of

SIDE = 128  # pixels of the square in which a thing is drawn
_MARGIN = 4

# Noun: (file without .svg, colour word, turn of hue in degrees). The number of a drawing within
# its noun is its variant, which a seed chooses.
_DRAWINGS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "acorn": (("acorn_jonathan_dietrich_01", "brown", 0),),
    "apple": (("an_apple_01", "red", 0), ("an_apple_01", "green", 100)),
    "ball": (("soccer_ball_ganson", "white", 0),),
    "balloon": (
        ("baloon1_01", "red", 0),
        ("baloon1_04", "yellow", 0),
        ("baloon1_02", "pink", 0),
        ("baloon1_01", "blue", 225),
        ("baloon1_01", "green", 125),
    ),
    "banana": (("bananas_nicu_buculei_01", "yellow", 0),),
    "bear": (
        ("simple_teddy_bear_with__01", "brown", 0),
        ("stylized_teddy_bear_gera_01", "yellow", 0),
    ),
    "boat": (("boat_jarno_vasamaa_", "grey", 0), ("sailboat_illustration", "blue", 0)),
    "books": (("stack_of_books_01", "brown", 0),),
    "bread": (("bread_01", "brown", 0),),
    "bulb": (("lightbulb_lit_benji_park_", "yellow", 0),),
    "burger": (("hamburger_ganson", "brown", 0),),
    "bus": (("bus1_jarno_vasamaa_01", "red", 0), ("bus2_jarno_vasamaa_01", "blue", 0)),
    "butterfly": (
        ("farfalla_butterfly_fra1", "orange", 0),
        ("farfalla_butterfly_fra1", "blue", 200),
    ),
    "cake": (
        ("birthday_cake", "brown", 0),
        ("cake_jarno_vasamaa_r", "white", 0),
        ("cake_etienne_bersac_r", "pink", 0),
    ),
    "camera": (("digital_camera_nicu_bucu_01", "grey", 0),),
    "candy": (("candy_01", "blue", 0), ("candy_01", "red", 150)),
    "car": (
        ("dodge_neon_pink_ganson", "pink", 0),
        ("dodge_neon_pink_ganson", "red", 60),
        ("dodge_neon_pink_ganson", "green", 180),
        ("dodge_neon_pink_ganson", "blue", -70),
    ),
    "cat": (
        ("gatto_cat_architetto_fra_03", "grey", 0),
        ("gatto_cat_architetto_fra_01", "black", 0),
    ),
    "cheese": (("cheese_01", "yellow", 0),),
    "cherry": (("cherries", "red", 0),),
    "cone": (("cone_soft_chocolate", "brown", 0), ("cone_soft_vanilla", "white", 0)),
    "cup": (
        ("cuppa_schwoo_01", "red", 0),
        ("teacup_ganson", "white", 0),
        ("zielony_kubek_herbaty_-_01", "green", 0),
    ),
    "dinosaur": (
        ("dino_architetto_francesc_06", "orange", 0),
        ("dino_architetto_francesc_02", "green", 0),
    ),
    "dog": (("dog_01_drawn_with_strai_01", "yellow", 0), ("bored_dog_01", "brown", 0)),
    "duck": (("rubber_duck1_ganson", "yellow", 0),),
    "elephant": (("elefante02_architetto_fr_01", "grey", 0),),
    "fish": (("pescetto_arancione_archi_01", "orange", 0), ("bofish_massimo_aiello_r", "red", 0)),
    "flower": (
        ("flower_01", "blue", 0),
        ("flower_peterm_01", "orange", 0),
        ("red_flower_01", "red", 0),
        ("funnyflower_02", "purple", 0),
    ),
    "gift": (("gift04", "red", 0), ("gift05", "blue", 0)),
    "guitar": (("guitar_profile_philippe__01", "yellow", 0),),
    "hat": (
        ("hat_-_clothing_nicu_bucu_03", "purple", 0),
        ("red_fedora", "red", 0),
        ("blue_fedora", "blue", 0),
    ),
    "heart": (("hearth_christoph_brill_01", "red", 0), ("hearth_christoph_brill_01", "pink", -35)),
    "house": (
        ("home6", "yellow", 0),
        ("home3", "red", 0),
        ("house_juliane_krug_01", "orange", 0),
    ),
    "key": (("chiave_architetto_france_01", "grey", 0),),
    "ladybug": (("ladybug_01", "red", 0),),
    "leaf": (("leaf_01", "brown", 0),),
    "lemon": (("lemon", "yellow", 0),),
    "lion": (("leone_01_architetto_fran_01", "yellow", 0),),
    "lollipop": (("candy_31", "orange", 0),),
    "monkey": (("happy_monkey_benji_park_01", "brown", 0),),
    "muffin": (("muffin_jean_victor_balin_", "orange", 0),),
    "mushroom": (("mushroom", "red", 0),),
    "owl": (("gufo_civetta_architetto__01", "brown", 0),),
    "peach": (("peach_simple", "orange", 0),),
    "pear": (("pear", "yellow", 0), ("green_pear_01", "green", 0)),
    "penguin": (("new_penguin_charles_mcco_01", "black", 0),),
    "pineapple": (("pineapple", "orange", 0),),
    "pizza": (("pizza_pepperoni", "yellow", 0), ("pizza_4_stagioni_archite_01", "red", 0)),
    "planet": (("saturn_dan_gerhards_01", "brown", 0),),
    "plum": (("prune", "purple", 0),),
    "pumpkin": (("pumpkin2_yemu_01", "orange", 0),),
    "sheep": (("sheep-md-v0.1", "white", 0),),
    "smiley": (("smiley007", "orange", 0), ("smiley103", "yellow", 0)),
    "strawberry": (("strawberry", "red", 0),),
    "teapot": (("teapot_ganson", "white", 0),),
    "telephone": (("red_telephone_mimooh_01", "red", 0),),
    "tiger": (("tigre02_architetto_franc_01", "orange", 0),),
    "train": (("kiddy_train_orlando_kara_", "blue", 0),),
    "tree": (("tree_whit_fruits_01", "green", 0), ("christmas_tree_mo_01", "green", 0)),
    "truck": (("truck_jarno_vasamaa_", "red", 0), ("truck_jarno_vasamaa1", "blue", 0)),
    "trumpet": (("trumpet_pocket_colour_ganso", "yellow", 0),),
    "umbrella": (("umbrella", "blue", 0),),
    "watermelon": (("watermelon_james_kilfige_01", "green", 0), ("pasteque_01", "red", 0)),
}


@dataclass(frozen=True, eq=False)
class Drawing:
    """``pixels`` (SIDE, SIDE, 4), straight; the thing fills the square but for a margin."""

    noun: str
    colour: str
    variant: int
    file: str
    pixels: U8


def listed_files() -> frozenset[str]:
    """The files of all drawings, whether a source holds them or not."""
    return frozenset(f"{stem}.svg" for own in _DRAWINGS.values() for stem, _, _ in own)


def drawings(assets: Assets) -> list[Drawing]:
    """All drawings that the source holds, by noun and variant.

    Raises ``InvalidRequest`` for one that is reserved for evaluation, and where none is there.
    """
    known = set(assets.sprites.names())
    found = []
    for noun, entries in _DRAWINGS.items():
        variant = 0
        for stem, colour, turn in entries:
            file = f"{stem}.svg"
            if split_of(file) != "train":
                raise InvalidRequest(f"{file!r} is reserved for evaluation.")
            sprite = assets.sprite(file, SIDE - 2 * _MARGIN) if file in known else None
            if sprite is not None:
                found.append(Drawing(noun, colour, variant, file, squared(turned(sprite, turn))))
                variant += 1
    if not found:
        raise InvalidRequest(f"{assets.sprites.title} holds none of the drawings of 'studio'.")
    return found


def strangers(assets: Assets, count: int, seed: int) -> list[U8]:
    """Up to ``count`` other drawings of the train split, squared (SIDE, SIDE, 4)."""
    names = [name for name in assets.sprite_names("train") if name not in listed_files()]
    order = np.random.default_rng([seed, 13]).permutation(len(names))
    read = (assets.sprite(names[k], SIDE - 2 * _MARGIN) for k in order[:count])
    return [squared(sprite) for sprite in read if sprite is not None]


def turned(sprite: U8, degrees: int) -> U8:
    """``sprite`` (h, w, 4) with all hues turned; grey stays grey."""
    if not degrees:
        return sprite
    hsv = cv2.cvtColor(np.ascontiguousarray(sprite[..., :3]), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int32) + degrees // 2) % 180  # OpenCV counts half degrees
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return np.dstack([rgb, sprite[..., 3]]).astype(np.uint8)


def squared(sprite: U8) -> U8:
    """(h, w, 4) brought to the square's size, keeping its proportions, in the middle."""
    height, width = sprite.shape[:2]
    scale = (SIDE - 2 * _MARGIN) / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    resized = cv2.resize(premultiply(to_float(sprite)), size, interpolation=cv2.INTER_AREA)
    own = to_u8(unpremultiply(resized.astype(np.float32, copy=False)))
    square = np.zeros((SIDE, SIDE, 4), np.uint8)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = own
    return square
