"""Which asset may be used for what, decided by its file name alone.

The rule needs no list and never changes when assets are added: the first hexadecimal digit of the
SHA-1 of the file name. Digits 0 to 2 are reserved for evaluation, so nothing that is trained,
tuned or shown as an example has ever seen those files.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")

_RESERVED_DIGITS = "012"
_DEV_DIGITS = "34567"


def split_of(file_name: str) -> Split:
    """The split of an asset by its file name (no folders): 3/16 test, 5/16 dev, 8/16 train."""
    digit = hashlib.sha1(file_name.encode()).hexdigest()[0]
    if digit in _RESERVED_DIGITS:
        return "test"
    return "dev" if digit in _DEV_DIGITS else "train"
