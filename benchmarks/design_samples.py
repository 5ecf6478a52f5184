"""The generated designs as samples of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from layerstudio.pipelines.evaluation.flattening import flattened
from layerstudio.pipelines.evaluation.samples import Sample
from training.assets import Assets, assets_of
from training.designs import BACKGROUNDS, Design, make_design
from training.splits import Split

ASSETS = ("best", "pack")
_SMOOTH = "plain and gradient"


@dataclass(frozen=True)
class Designs:
    """A design for each of ``seeds``; kinds of background take turns.

    ``assets`` "best" is openclipart-svg where installed, "pack" only what is bundled; scores of the
    two do not compare, so the title says which it was.
    """

    seeds: range
    split: Split = "dev"
    assets: str = "best"

    layout = "designs"
    tags = (*BACKGROUNDS, _SMOOTH, "PNG", "JPEG")
    notes = ()

    @property
    def title(self) -> str:
        clip_art = loaded(self.assets).sprites.title
        seeds = f"{self.seeds.start} to {self.seeds.stop - 1}"
        return f"generated designs, {self.split}, seeds {seeds}, clip art from {clip_art}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"design {seed}" for seed in self.seeds)

    def design(self, name: str) -> Design:
        seed = int(name.rpartition(" ")[2])
        background = BACKGROUNDS[seed % len(BACKGROUNDS)]
        return make_design(seed, self.split, background=background, assets=loaded(self.assets))

    def load(self, name: str) -> Sample:
        design = self.design(name)
        truth, notes = flattened(design.document)
        is_jpeg = design.jpeg_quality is not None
        kinds = [design.background, "JPEG" if is_jpeg else "PNG"]
        if design.background != "photograph":
            kinds.append(_SMOOTH)
        return Sample(
            name,
            design.picture,
            truth,
            is_composed=not is_jpeg,
            tags=tuple(kinds),
            notes=notes,
        )


@cache
def loaded(assets: str) -> Assets:
    return assets_of(assets)
