"""Several documents as one sequence: no padding, and no token sees another document's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from layerstudio.models.regions import Regions
from layerstudio.models.rotary import rotary_tables


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
        return cls(
            tuple(text_lengths),
            tuple(regions.count for regions in documents),
            layers.to(device),
            (cos.to(device), sin.to(device)),
        )

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


def spread(values: Tensor, lengths: Sequence[int]) -> Tensor:
    """One row for each document (documents, d) to one for each of its tokens (1, tokens, d).

    A single document's row is left to broadcast, which costs no memory.
    """
    if len(lengths) == 1:
        return values[:, None]
    counts = torch.tensor(lengths, device=values.device)
    return values.repeat_interleave(counts, dim=0, output_size=sum(lengths))[None]
