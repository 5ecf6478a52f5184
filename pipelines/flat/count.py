"""Keeping to a number of layers."""

from __future__ import annotations

from collections.abc import Sequence

from layerstudio.pipelines.flat.element import Element
from layerstudio.pipelines.flat.merging import merge_to
from layerstudio.pipelines.flat.splitting import split_to


def keep_to(elements: Sequence[Element], count: int) -> list[Element]:
    """``count`` elements bottom to top, or as many as the picture comes apart into."""
    return split_to(merge_to(elements, count), count)
