"""Several documents as one sequence: no padding, and no token sees another document's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from layerstudio.models.regions import Regions
from layerstudio.models.rotary import rotary_tables


class Rows(NamedTuple):
    """For each token of a stream, the row of the modulating embedding that is its own; None for
    the only row there is, which then broadcasts and costs no memory."""

    text: Tensor | None = None
    image: Tensor | None = None
    joined: Tensor | None = None


_ONE_ROW = Rows()


@dataclass(frozen=True)
class Packing:
    """How the text and image tokens of several documents lie in one sequence.

    Text alone and image alone are packed document after document; ``join`` puts each document's
    text before its image. ``tables`` are the rotary ones of the joined sequence. Made once per
    run: boxes do not change between steps.
    """

    text_lengths: tuple[int, ...]
    image_lengths: tuple[int, ...]
    layers: Tensor  # (image tokens,) the number of each token's layer
    tables: tuple[Tensor, Tensor]
    rows: Rows = _ONE_ROW
    has_clean: bool = False

    @classmethod
    def of(
        cls,
        documents: Sequence[Regions],
        text_lengths: Sequence[int],
        axes: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> Packing:
        """Text tokens are all at position 0, as in FLUX."""
        assert len(documents) == len(text_lengths), (len(documents), len(text_lengths))
        ids = [
            torch.cat([torch.zeros(length, 3, dtype=torch.long), regions.ids])
            for regions, length in zip(documents, text_lengths, strict=True)
        ]
        cos, sin = rotary_tables(torch.cat(ids), axes)
        layers = torch.cat([regions.ids[:, 0] for regions in documents])
        counts = tuple(regions.count for regions in documents)
        tables = cos.to(device), sin.to(device)
        packing = cls(tuple(text_lengths), counts, layers.to(device), tables)
        return packing if len(documents) == 1 else replace(packing, rows=packing._rows())

    def with_clean(self, clean: Tensor) -> Packing:
        """Tokens where ``clean`` (image tokens,) is true are given, not to be denoised.

        They are modulated by an embedding of time 0 of their own: one row more for each document,
        after all others.
        """
        own_row = clean.to(self.layers.device).long() * len(self.text_lengths)
        return replace(self, rows=self._rows(own_row), has_clean=True)

    def _rows(self, shift: Tensor | int = 0) -> Rows:
        device = self.layers.device
        document = torch.arange(len(self.text_lengths), device=device)
        text = document.repeat_interleave(torch.tensor(self.text_lengths, device=device))
        image = document.repeat_interleave(torch.tensor(self.image_lengths, device=device)) + shift
        joined = self.join(text[None], image[None])[0]
        return Rows(text, image, joined)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each document, text and image."""
        return tuple(map(sum, zip(self.text_lengths, self.image_lengths, strict=True)))

    @property
    def separations(self) -> tuple[int, ...] | None:
        """What keeps the documents apart in attention; None where there is only one."""
        return self.lengths if len(self.text_lengths) > 1 else None

    def join(self, text: Tensor, image: Tensor) -> Tensor:
        """(1, text, ...) and (1, image, ...) to (1, both, ...)."""
        texts = text.split(self.text_lengths, dim=1)
        images = image.split(self.image_lengths, dim=1)
        return torch.cat([part for pair in zip(texts, images, strict=True) for part in pair], dim=1)

    def separate(self, joined: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of ``join``."""
        sizes = [
            n for pair in zip(self.text_lengths, self.image_lengths, strict=True) for n in pair
        ]
        parts = joined.split(sizes, dim=1)
        if len(parts) == 2:
            return parts[0], parts[1]
        return torch.cat(parts[::2], dim=1), torch.cat(parts[1::2], dim=1)


def spread(values: Tensor, rows: Tensor | None) -> Tensor:
    """Rows of an embedding (n, d), one for each token (1, tokens, d), or (1, 1, d) to broadcast."""
    return values[:, None] if rows is None else values[rows][None]
