"""The network of ``studio``: the multi-layer transformer, small, with a text encoder of its own.

The structure is ART's (Pu et al. 2025, arXiv:2502.18364; ``multilayer_dit``): tokens of all layers
in one sequence, the layer's number in the rotary ids and as a learned vector. Four things differ.
Every foreground is a square of ``CELLS`` x ``CELLS`` tokens, whatever its size on the canvas; its
tokens' rotary ids are where they lie there. Words belong to a layer: they carry its number, and
their mean is an input of its tokens. The network predicts the layers themselves, not the velocity
(Li and He 2025, arXiv:2511.13720), since a token holds more values than it is wide.

And a picture to be taken apart is no layer of the sequence (as in MRT, arXiv:2605.27235): each
token is given two views of its own square, so nothing has to be moved or scaled by attention: what
the picture shows there, and what it would show without things by a smooth fill. It says for each
latent pixel how much of either is its layer's own. What is plainly to be seen passes by the
network's width; edges, alpha and hidden parts are made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from layerstudio.models.flux_blocks import Modulation
from layerstudio.models.multilayer_dit import Conditions, MultiLayerTransformer
from layerstudio.models.packing import Packing
from layerstudio.models.regions import patchify
from layerstudio.models.rotary import rotary_tables

PATCH = 4  # latent pixels of a token's side
CELLS = 4  # tokens of a foreground's side
CANVAS_CELLS = 8  # tokens of the background's side
SIDE = 256  # pixels of the canvas that positions are measured on
BACKGROUND, FIRST = 1, 2  # numbers of layers, as in ART, whose 0 is the whole picture
MOST_LAYERS = 12
_CELLS_KNOWN = CANVAS_CELLS**2 + CELLS**2  # of the background, of a foreground
# A token's many values of noise would drown the few that say which cell it is, what lies over it,
# and its words.
_CELL_GAIN, _WORD_GAIN, _COVER_GAIN = 16.0, 4.0, 4.0
VIEWS = 2  # of what is seen: the picture, and its fill
_GATE_BIAS = -1.0  # little of what is seen passes at first
_LEAST_LEVEL = 0.05  # below it a velocity from a prediction would be mostly its error


@dataclass(frozen=True)
class StudioSize:
    """``words`` is the size of the vocabulary, ``channels`` those of the latents."""

    words: int
    channels: int = 96
    text_width: int = 192
    head_dim: int = 64
    heads: int = 4
    double_blocks: int = 2
    single_blocks: int = 4
    axes: tuple[int, int, int] = (16, 24, 24)


@dataclass(frozen=True)
class Place:
    """One layer of a document: its number and its square on the canvas of ``SIDE`` pixels.

    ``words`` are numbers of the vocabulary. ``given`` layers are clean, the others noise. Of
    ``seen`` ones it is known what a picture shows in their square.
    """

    layer: int
    box: tuple[float, float, float] = (0.0, 0.0, float(SIDE))  # left, top, side
    words: tuple[int, ...] = ()
    given: bool = False
    seen: bool = False

    @property
    def cells(self) -> int:
        return CELLS if self.layer >= FIRST else CANVAS_CELLS


@dataclass(frozen=True)
class Sheet:
    """Several documents laid out as one sequence; made once per run.

    Of each text token: ``words``, ``word_layers``, ``word_documents``. Of each image token:
    ``cells``, which of its layer's it is, ``documents``, ``given``, whether it is clean, ``seen``,
    whether it is known what a picture shows there, and ``covered`` (n, PATCH²): of seen tokens,
    the share of each latent pixel in boxes of layers above.
    """

    packing: Packing
    words: Tensor
    word_layers: Tensor
    word_documents: Tensor
    cells: Tensor
    documents: Tensor
    given: Tensor
    seen: Tensor
    covered: Tensor


class StudioNetwork(nn.Module):
    def __init__(self, size: StudioSize) -> None:
        super().__init__()
        self.size = size
        self.values = size.channels * PATCH**2
        self.words = nn.Embedding(size.words, size.text_width)
        nn.init.normal_(self.words.weight, std=0.5)
        self.reader = nn.Sequential(
            nn.Linear(size.text_width, 2 * size.text_width),
            nn.SiLU(),
            nn.Linear(2 * size.text_width, size.text_width),
        )
        self.transformer = MultiLayerTransformer(
            in_channels=(1 + VIEWS) * self.values + PATCH**2 + 1 + _CELLS_KNOWN + size.text_width,
            num_layers=size.double_blocks,
            num_single_layers=size.single_blocks,
            attention_head_dim=size.head_dim,
            num_attention_heads=size.heads,
            joint_attention_dim=size.text_width + MOST_LAYERS,
            pooled_projection_dim=size.text_width,
            guidance_embeds=False,
            axes_dims_rope=size.axes,
            max_layer_num=MOST_LAYERS,
            clean_tokens=True,
        )
        width = size.heads * size.head_dim
        self.transformer.proj_out = nn.Linear(width, self.values + VIEWS * PATCH**2)  # and gates
        self._start_silent()

    def forward(self, tokens: Tensor, seen: Tensor, levels: Tensor, sheet: Sheet) -> Tensor:
        """Noisy ``tokens`` (n, values), clean where given, at the documents' noise ``levels``
        (documents,) in [0, 1], to the layers that they come from (n, values). ``seen``
        (n, VIEWS, values) are the views of a picture, zeros where nothing is seen."""
        read = self.words(sheet.words)
        read = read + self.reader(read)
        pooled = _means(read, sheet.word_documents, len(levels))
        groups = sheet.word_documents * MOST_LAYERS + sheet.word_layers
        by_layer = _means(read, groups, len(levels) * MOST_LAYERS)
        own = by_layer[sheet.documents * MOST_LAYERS + sheet.packing.layers]
        numbers = F.one_hot(sheet.word_layers, MOST_LAYERS).to(read.dtype)
        conditions = Conditions(torch.cat([read, numbers], dim=1)[None], pooled, levels)
        cells = F.one_hot(sheet.cells, _CELLS_KNOWN).to(read.dtype)
        over = torch.cat([sheet.covered, sheet.seen[:, None].to(read.dtype)], dim=1)
        parts = [tokens, seen.flatten(1), _COVER_GAIN * over, _CELL_GAIN * cells, _WORD_GAIN * own]
        found = self.transformer(torch.cat(parts, dim=1)[None], sheet.packing, conditions)[0]
        made, gates = found.split([self.values, VIEWS * PATCH**2], dim=1)
        open_by = torch.sigmoid(gates).unflatten(1, (VIEWS, PATCH**2))
        # Values of a token are ordered (channel, pixel).
        return made + (open_by.repeat(1, 1, self.size.channels) * seen).sum(1)

    def _start_silent(self) -> None:
        """Blocks start as the identity (adaLN-Zero, Peebles and Xie 2023, arXiv:2212.09748)."""
        for module in self.modules():
            if isinstance(module, Modulation):
                nn.init.zeros_(module.linear.weight)
                nn.init.zeros_(module.linear.bias)
        nn.init.zeros_(self.transformer.proj_out.weight)
        nn.init.zeros_(self.transformer.proj_out.bias)
        nn.init.constant_(self.transformer.proj_out.bias[self.values :], _GATE_BIAS)

    def lay_out(self, documents: Sequence[Sequence[Place]]) -> Sheet:
        """The sequence of these documents. A layer without words gets the word 0, "nothing"."""
        device = self.words.weight.device
        texts = [_text(places) for places in documents]
        images = [_image(places) for places in documents]
        lengths = tuple(len(words) for words, _ in texts)
        counts = tuple(len(ids) for ids, _ in images)
        ids = [
            part
            for (_, layers), (image_ids, _) in zip(texts, images, strict=True)
            for part in (_text_ids(layers), image_ids)
        ]
        cos, sin = rotary_tables(torch.cat(ids), self.size.axes)
        layers = torch.cat([image_ids[:, 0] for image_ids, _ in images]).long()
        packing = Packing(lengths, counts, layers.to(device), (cos.to(device), sin.to(device)))
        given, seen = (_of_tokens(documents, which) for which in ("given", "seen"))
        packing = packing.with_clean(given)
        if not given.any():
            packing = replace(packing, has_clean=False)
        numbers = torch.arange(len(documents))
        return Sheet(
            packing,
            torch.tensor([w for words, _ in texts for w in words]).to(device),
            torch.tensor([n for _, layers in texts for n in layers]).to(device),
            numbers.repeat_interleave(torch.tensor(lengths)).to(device),
            torch.cat([cells for _, cells in images]).to(device),
            numbers.repeat_interleave(torch.tensor(counts)).to(device),
            given.to(device),
            seen.to(device),
            torch.cat([_covered(places) for places in documents]).to(device),
        )


def velocity(predicted: Tensor, tokens: Tensor, levels: Tensor) -> Tensor:
    """noise - layers, from predicted layers (n, v), noisy tokens (n, v) and levels (n, 1)."""
    return (tokens - predicted) / levels.clamp(min=_LEAST_LEVEL)


def _text(places: Sequence[Place]) -> tuple[list[int], list[int]]:
    """Words and the layer of each."""
    pairs = [(word, place.layer) for place in places for word in (place.words or (0,))]
    return [word for word, _ in pairs], [layer for _, layer in pairs]


def _text_ids(layers: list[int]) -> Tensor:
    ids = torch.zeros(len(layers), 3, dtype=torch.float64)
    ids[:, 0] = torch.tensor(layers)
    return ids


def _image(places: Sequence[Place]) -> tuple[Tensor, Tensor]:
    """Rotary ids (n, 3), in tokens of the canvas, and cells (n,) of a document's tokens."""
    parts = [_tokens_of(place) for place in places]
    return torch.cat([ids for ids, _ in parts]), torch.cat([cells for _, cells in parts])


def _of_tokens(documents: Sequence[Sequence[Place]], which: str) -> Tensor:
    """(n,): this property of each token's place."""
    flags = [getattr(p, which) for places in documents for p in places for _ in range(p.cells**2)]
    return torch.tensor(flags)


def _covered(places: Sequence[Place]) -> Tensor:
    """(n, PATCH²): of seen tokens, the share of each latent pixel in boxes of layers above."""
    parts = []
    for place in places:
        count = place.cells * PATCH
        covered = torch.zeros(count, count)
        for above in places:
            if place.seen and above.layer > place.layer:
                down, across = _overlaps(place.box, above.box, count)
                covered = torch.maximum(covered, down[:, None] * across[None])
        parts.append(patchify(covered[None, None], PATCH).flatten(0, 2))
    return torch.cat(parts)


def _overlaps(
    box: tuple[float, float, float], above: tuple[float, float, float], count: int
) -> tuple[Tensor, Tensor]:
    """(count,) each: the shares of the rows and of the columns of ``box`` within ``above``."""
    shares = []
    step = box[2] / count
    for start, other in ((box[1], above[1]), (box[0], above[0])):
        edges = start + step * torch.arange(count + 1)
        inside = edges.clamp(other, other + above[2])
        shares.append((inside[1:] - inside[:-1]) / step)
    return shares[0], shares[1]


def _tokens_of(place: Place) -> tuple[Tensor, Tensor]:
    count = place.cells
    left, top, side = (value / SIDE * CANVAS_CELLS for value in place.box)
    rows, columns = torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    ids = torch.empty(count**2, 3, dtype=torch.float64)
    ids[:, 0] = place.layer
    ids[:, 1] = top + (rows + 0.5) * side / count
    ids[:, 2] = left + (columns + 0.5) * side / count
    first = CANVAS_CELLS**2 if place.layer >= FIRST else 0
    return ids, first + rows * count + columns


def _means(values: Tensor, groups: Tensor, count: int) -> Tensor:
    """(count, d): the mean of the rows of ``values`` (n, d) in each group, zeros where none is."""
    sums = values.new_zeros(count, values.shape[1]).index_add(0, groups, values)
    sizes = torch.bincount(groups, minlength=count).clamp(min=1)
    return sums / sizes[:, None]
