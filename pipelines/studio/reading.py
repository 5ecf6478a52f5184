"""Prompts read word by word: which known things are wanted, what they look like, and where.

The model has a few dozen words and no grammar, so this is a lookup: colours and sizes belong to the
noun after them, places to the noun before. What is not known is told, not refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from layerstudio.pipelines.studio.model import Vocabulary

MOST_THINGS = 10

_SAME = {
    "teddy": "bear", "icecream": "cone", "present": "gift", "phone": "telephone", "kitten": "cat",
    "puppy": "dog", "toadstool": "mushroom", "cupcake": "muffin", "sweet": "candy",
    "lightbulb": "bulb", "hamburger": "burger", "football": "ball", "sailboat": "boat",
    "ship": "boat", "dino": "dinosaur", "lorry": "truck", "locomotive": "train", "mug": "cup",
    "ladybird": "ladybug", "saturn": "planet", "book": "books", "emoji": "smiley",
    "loaf": "bread", "cherries": "cherry", "puppies": "dog", "butterflies": "butterfly",
    "strawberries": "strawberry", "leaves": "leaf", "candies": "candy", "gray": "grey",
    "violet": "purple", "lilac": "purple", "golden": "yellow", "gold": "yellow", "silver": "grey",
    "dark": "black",
}  # fmt: skip
_TWO_WORDS = {
    "ice cream cone": "cone", "ice cream": "cone", "teddy bear": "bear", "soccer ball": "ball",
    "light bulb": "bulb", "rubber duck": "duck", "birthday cake": "cake",
}  # fmt: skip
_GROUND_WORDS = {
    "meadow": "meadow", "grass": "meadow", "field": "meadow", "lawn": "meadow", "hill": "meadow",
    "sea": "sea", "ocean": "sea", "water": "sea", "lake": "sea",
    "night": "night", "starry": "night", "space": "night",
    "snow": "snow", "snowy": "snow", "winter": "snow",
    "sunset": "sunset", "dusk": "sunset", "evening": "sunset",
    "stripes": "stripes", "striped": "stripes", "dots": "dots", "dotted": "dots", "polka": "dots",
    "rays": "rays", "sunburst": "rays", "sunrays": "rays", "glow": "glow", "glowing": "glow",
    "gradient": "gradient", "plain": "plain",
}  # fmt: skip
_GENERIC_GROUND = {"background", "backdrop", "sky", "ground", "wall", "paper"}
_SIZES = {"tiny": 0.6, "little": 0.75, "small": 0.75, "big": 1.3, "large": 1.3, "huge": 1.6}
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "pair": 2, "couple": 2}
_ACROSS = {"left": 0.0, "right": 1.0}
_DOWN = {"top": 0.0, "bottom": 1.0, "above": 0.0, "below": 1.0, "upper": 0.0, "lower": 1.0}
_MIDDLE = {"middle", "centre", "center"}
# Words that say nothing to the model and are not worth a remark.
_SILENT = frozenset(
    re.findall(
        r"\w+",
        "a an the of and or with on in at to by near for from some one its is are there under over "
        "beside next front behind corner side card poster picture clip art flyer banner "
        "illustration cartoon drawing simple cute happy birthday party pattern patterned each "
        "other my your very light bright soft corners edge slice piece sitting standing lying "
        "flying",
    )
)


@dataclass(frozen=True)
class Thing:
    """One layer wanted: ``across`` and ``down`` are its place in [0, 1], None where none is said;
    ``size`` a factor. A ``noun`` of "" leaves it to the model."""

    noun: str
    colour: str = ""
    across: float | None = None
    down: float | None = None
    size: float = 1.0

    @property
    def caption(self) -> str:
        return f"{self.colour} {self.noun}".strip() or "something"


@dataclass(frozen=True)
class Wish:
    """``ground`` is a kind of background or "", ``unknown`` the words that meant nothing."""

    things: tuple[Thing, ...] = ()
    ground: str = ""
    ground_colour: str = ""
    unknown: tuple[str, ...] = ()


def read_prompt(prompt: str, vocabulary: Vocabulary) -> Wish:
    """What is asked for, in its order; at most ``MOST_THINGS`` things."""
    things: list[Thing] = []
    colour, size, count = "", 1.0, 1
    ground, ground_colour = "", ""
    unknown: list[str] = []
    for word in _words(prompt):
        noun = _noun(word, vocabulary)
        if noun == "orange" and noun in vocabulary.colours:
            noun = ""
        if word in vocabulary.colours:
            colour = word
        elif word in _SIZES:
            size = _SIZES[word]
        elif word in _NUMBERS:
            count = _NUMBERS[word]
        elif noun:
            things += [Thing(noun, colour, size=size)] * count
            colour, size, count = "", 1.0, 1
        elif word in _GROUND_WORDS or word in _GENERIC_GROUND:
            ground = _GROUND_WORDS.get(word, ground)
            ground = ground or ("gradient" if word == "sky" else "plain")
            ground_colour, colour, size, count = colour or ground_colour, "", 1.0, 1
        elif word in _ACROSS or word in _DOWN or word in _MIDDLE:
            if things:
                things[-1] = _moved(things[-1], word)
        elif word not in _SILENT and not word.isdigit():
            unknown.append(word)
    if colour and not ground:
        ground, ground_colour = "plain", colour
    known = tuple(things[:MOST_THINGS])
    return Wish(known, ground, ground_colour, tuple(dict.fromkeys(unknown)))


def wish_of(prompt: str, captions: Sequence[str], background: str, vocabulary: Vocabulary) -> Wish:
    """One thing for each caption where there are some, else those of the prompt; the background's
    own text is heard first."""
    whole = read_prompt(prompt, vocabulary)
    behind = read_prompt(background, vocabulary)
    things, unknown = whole.things, [*whole.unknown, *behind.unknown]
    if captions:
        own = [read_prompt(caption, vocabulary) for caption in captions]
        things = tuple(wish.things[0] if wish.things else Thing("") for wish in own)
        unknown += [word for wish in own for word in wish.unknown]
    chosen = behind if behind.ground else whole
    return Wish(
        things[:MOST_THINGS],
        chosen.ground,
        chosen.ground_colour,
        tuple(dict.fromkeys(unknown)),
    )


def _words(prompt: str) -> list[str]:
    text = prompt.lower()
    for two, one in _TWO_WORDS.items():
        text = re.sub(rf"\b{two}(s?)\b", rf"{one}\1", text)
    return [_SAME.get(word, word) for word in map(str, re.findall(r"[^\W_]+", text))]


def _noun(word: str, vocabulary: Vocabulary) -> str:
    """The known noun in the singular, or ""."""
    for ending in ("", "s", "es"):
        one = word.removesuffix(ending)
        one = _SAME.get(one, one)
        if one in vocabulary.things:
            return one
    return ""


def _moved(thing: Thing, word: str) -> Thing:
    if word in _MIDDLE:
        return replace(thing, across=0.5 if thing.across is None else thing.across,
                       down=0.5 if thing.down is None else thing.down)  # fmt: skip
    if word in _ACROSS:
        return replace(thing, across=_ACROSS[word])
    return replace(thing, down=_DOWN[word])
