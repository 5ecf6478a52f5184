"""What detectors see, as proposals: on the picture, in whole pixels, each object once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import batched_nms, nms

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.stages.contracts import Proposal

# Overlap (intersection over union) above which two boxes are one object. Under one name: the
# usual 0.7 of region proposals (Ren et al., Faster R-CNN, section 3.3). Under two names: 0.8, as
# in Grounded-Segment-Anything's demonstrations; whichever the detector is surer of stays.
SAME_NAME, OTHER_NAME = 0.7, 0.8


def proposals(
    corners: Tensor, scores: Tensor, names: Sequence[str], extent: Extent
) -> tuple[Proposal, ...]:
    """The surest first. ``corners`` (n, 4) are left, top, right, bottom in pixels of a picture of
    ``extent``, and may reach off it; ``scores`` (n,) are in [0, 1]. What has its middle off the
    picture was seen in the padding around it."""
    if not names:
        return ()
    corners, scores = corners.float().cpu(), scores.float().cpu()
    limits = torch.tensor([*extent, *extent], dtype=torch.float32)
    middles = (corners[:, :2] + corners[:, 2:]) / 2
    on_it = ((middles >= 0) & (middles < limits[:2])).all(dim=1)
    corners, scores = corners[on_it], scores[on_it]
    names = [name for name, stays in zip(names, on_it.tolist(), strict=True) if stays]
    corners = torch.minimum(corners.clamp(min=0), limits)
    order = {name: index for index, name in enumerate(dict.fromkeys(names))}
    labels = torch.tensor([order[name] for name in names])
    kept = batched_nms(corners, scores, labels, SAME_NAME)
    kept = kept[nms(corners[kept], scores[kept], OTHER_NAME)]
    found = []
    for index in kept.tolist():
        box = Bounds.from_edges(*(round(edge) for edge in corners[index].tolist()))
        if not box.is_empty:
            found.append(Proposal(box, names[index], float(scores[index])))
    return tuple(found)


def corners_of(centred: Tensor) -> Tensor:
    """(n, 4) centre x, centre y, width, height to left, top, right, bottom."""
    middle, half = centred[..., :2], centred[..., 2:] / 2
    return torch.cat([middle - half, middle + half], dim=-1)
