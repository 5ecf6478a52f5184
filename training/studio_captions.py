"""Captions held back from the training of ``studio``: it is shown by them, never taught.

What is held back is the company: the three things of a caption never come together in a poster that
is learned from. Each of them is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from layerstudio.pipelines.studio.model import Vocabulary
from layerstudio.pipelines.studio.reading import read_prompt

_THINGS = 3  # of each caption

HELD_BACK = (
    "a red balloon, a birthday cake and a gift on pink dots",
    "a yellow dog, a ball and a tree in a meadow",
    "a blue boat, a fish and a duck at sea",
    "a penguin, a blue hat and a tree in the snow",
    "an owl, a planet and a pumpkin at night",
    "a red car, a house and a tree at sunset",
    "a strawberry, a banana and a pineapple on a white background",
    "a lion, a monkey and a pear on orange rays",
    "a green balloon, a red heart and a teddy bear on a blue glow",
    "a burger, a slice of pizza and a cup on red stripes",
    "a blue butterfly, a purple flower and a ladybug in a meadow",
    "a guitar, a trumpet and books on a purple gradient",
    "a brown ice cream cone, a cherry and a lollipop on yellow rays",
    "a red bus, a blue truck and a train on a grey background",
    "an elephant, a tiger and a mushroom in a meadow",
    "a teapot, a white cup and a muffin on a pink background",
    "a grey cat, a brown bear and an umbrella on green dots",
    "a red telephone, a camera and a key on a blue gradient",
    "a plum, a lemon and a watermelon on white stripes",
    "an orange dinosaur, a leaf and an acorn on a green background",
    "a yellow smiley, a pink balloon and candy on a purple glow",
    "a purple hat, a bulb and a peach on yellow stripes",
    "a sheep, a red apple and a yellow house in a meadow",
    "a red fish, a grey boat and a pineapple at sunset",
    "a green dinosaur, a burger and a balloon at night",
    "bread, cheese and a green apple on a red glow",
    "a pink heart, a red flower and a white cake on a pink gradient",
    "a monkey, a blue car and a watermelon on orange dots",
    "a penguin, a fish and a red gift on blue rays",
    "a pumpkin, a black cat and a mushroom on a purple gradient",
)


@cache
def held_back_sets(nouns: frozenset[str]) -> tuple[frozenset[str], ...]:
    """The things of each caption, of a vocabulary of ``nouns``."""
    vocabulary = Vocabulary.of(dict.fromkeys(nouns, ("",)), {})
    wishes = (read_prompt(caption, vocabulary) for caption in HELD_BACK)
    return tuple(frozenset(thing.noun for thing in wish.things) for wish in wishes)


def is_held_back(chosen: Sequence[str], nouns: frozenset[str]) -> bool:
    """Whether the things ``chosen`` hold all those of a caption."""
    return any(own <= set(chosen) for own in held_back_sets(nouns) if len(own) == _THINGS)
