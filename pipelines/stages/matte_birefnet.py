"""Mattes by the published BiRefNets, which decide themselves what stands in front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from layerstudio.color import F32, U8
from layerstudio.errors import UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import StageCard
from layerstudio.pipelines.stages.trimaps import is_background, kept
from layerstudio.progress import CancelToken

if TYPE_CHECKING:
    from layerstudio.models.birefnet import BiRefNet

_CONTEXT = 0.1  # of the longer side, left around what a trimap leaves open
_LEAST_CONTEXT = 32  # pixels


def _card(id: str, title: str, weights_licence: str = "MIT") -> StageCard:
    return StageCard(
        id=id,
        kind="matte",
        title=title,
        reference="BiRefNet (Zheng et al. 2024, arXiv:2401.03407)",
        code_licence="Apache-2.0",
        weights_licence=weights_licence,
        needs=(id,),
        takes=("nothing", "trimap"),
    )


class BirefnetMatter:
    """``network`` looks at pictures of ``size``, by default what the checkpoint was trained at."""

    card: ClassVar[StageCard] = _card("birefnet", "BiRefNet, the foreground of a photograph")
    side: ClassVar[int] = 1024
    keeps_aspect: ClassVar[bool] = False

    def __init__(self, network: BiRefNet, size: Extent) -> None:
        self.network = network
        self.size = size

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        from layerstudio.models.birefnet import BiRefNet
        from layerstudio.pipelines.stages.placing import place_for
        from layerstudio.pipelines.stages.weight_files import weights_file

        file = weights_file(base or cls.card.needs[0], "matting network")
        size = _size_of(file.config, cls.side)
        place = place_for(cls.card.title, file.parameters, runtime)
        network = BiRefNet.from_file(file.path, dtype=place.dtype).to(place.device)
        return cls(network, size)

    def alpha(
        self, rgb: U8, trimap: F32 | None, *, cancel: CancelToken, size: Extent | int | None = None
    ) -> F32:
        """``size`` other than the checkpoint's own shows more detail, or costs less; it is rounded
        up to multiples of 32. With a trimap the network looks at what that leaves open."""
        from layerstudio.models.birefnet_matte import matte

        cancel.check()
        box = _place(trimap, Extent.of(rgb))
        alpha = np.zeros(rgb.shape[:2], np.float32)
        if not box.is_empty:
            seen = rgb[box.slices]
            alpha[box.slices] = matte(self.network, seen, size=self._working(seen, size))
        cancel.check()
        return kept(alpha, trimap)

    def _working(self, seen: U8, size: Extent | int | None) -> Extent:
        from layerstudio.models.birefnet_matte import same_area

        if isinstance(size, Extent):
            return size
        wanted = self.size if size is None else Extent(size, size)
        if not self.keeps_aspect:
            return wanted
        return same_area(Extent.of(seen), round(wanted.pixel_count**0.5))


class LayerdMatter(BirefnetMatter):
    card = _card("layerd-birefnet", "LayerD, what lies on top of a design", "not recorded here")
    # Its training pictures; the published code falls back to it where the config names no size.
    side = 512


class SoftMatter(BirefnetMatter):
    card = _card("birefnet-matting", "BiRefNet for soft edges (hair, glass, smoke)")


class LiteMatter(BirefnetMatter):
    card = _card("birefnet-lite", "BiRefNet lite, for machines without a GPU")


class DynamicMatter(BirefnetMatter):
    card = _card("birefnet-dynamic", "BiRefNet for pictures of any proportions")
    keeps_aspect = True


class HighMatter(BirefnetMatter):
    card = _card("birefnet-hr-matting", "BiRefNet for soft edges at 2048 pixels")
    side = 2048


def _place(trimap: F32 | None, extent: Extent) -> Bounds:
    if trimap is None:
        return Bounds.full(extent)
    content = Bounds.of_mask(~is_background(trimap))
    if content.is_empty:
        return content
    margin = max(_LEAST_CONTEXT, round(_CONTEXT * content.extent.longest_side))
    return content.padded(margin).clamped(extent)


def _size_of(config: dict[str, Any], side: int) -> Extent:
    """``size`` of a checkpoint's configuration: a side, or height and width; ``side`` without."""
    given = config.get("size", side)
    if isinstance(given, dict):
        given = [given.get("height"), given.get("width")]
    sides = [given, given] if isinstance(given, int) else given
    found = [one for one in sides if isinstance(one, int)] if isinstance(sides, list) else []
    if len(found) != 2 or min(found) < 1:
        raise UnreadableFile(f"The configuration's size is {given!r}, which is no size.")
    return Extent(found[1], found[0])
