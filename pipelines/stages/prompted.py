"""Objects segmented by what is known of them: boxes and points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from layerstudio.color import U8
from layerstudio.pipelines.stages.contracts import Hint, Segment
from layerstudio.pipelines.stages.mask_network import Look, MaskNetwork, Prompts
from layerstudio.progress import CancelToken


class _Form(NamedTuple):
    """Hints of one form make one batch: padding with empty points would change the answers."""

    boxed: bool
    wanted: int
    excluded: int


def segmented(
    network: MaskNetwork, rgb: U8, hints: Sequence[Hint], cancel: CancelToken
) -> tuple[Segment, ...]:
    """One segment for each hint, in their order.

    A single point may mean a thing or a part of it: the network gives three readings, and the one
    that it is surest of is taken. For everything else it is asked for one (Kirillov et al.,
    "Segment Anything", 2023, section 3, resolving ambiguity).
    """
    if not hints:
        return ()
    cancel.check()
    look = network.look(rgb)
    found: dict[int, Segment] = {}
    for form, members in _by_form(hints).items():
        for start in range(0, len(members), look.batch):
            cancel.check()
            chosen = members[start : start + look.batch]
            found |= _answered(look, hints, chosen, form, cancel)
    return tuple(found[index] for index in range(len(hints)))


def _by_form(hints: Sequence[Hint]) -> dict[_Form, list[int]]:
    groups: dict[_Form, list[int]] = defaultdict(list)
    for index, hint in enumerate(hints):
        assert hint.box is not None or hint.points, f"{hint} says nothing of where its object is"
        form = _Form(hint.box is not None, len(hint.points), len(hint.excluded_points))
        groups[form].append(index)
    return groups


def _answered(
    look: Look, hints: Sequence[Hint], chosen: Sequence[int], form: _Form, cancel: CancelToken
) -> dict[int, Segment]:
    ambiguous = form == _Form(boxed=False, wanted=1, excluded=0)
    answers = look.ask(_prompts([hints[index] for index in chosen], form), ambiguous)
    best = answers.scores.argmax(dim=1)
    found = {}
    for row, index in enumerate(chosen):
        cancel.check()
        bounds, mask = look.frame.mask(answers.logits[row, best[row]])
        score = float(torch.clamp(answers.scores[row, best[row]], 0, 1))
        found[index] = Segment(bounds, mask, hints[index].label, score)
    return found


def _prompts(hints: Sequence[Hint], form: _Form) -> Prompts:
    boxes = None
    if form.boxed:
        edges = [
            (hint.box.x, hint.box.y, hint.box.right, hint.box.bottom) for hint in hints if hint.box
        ]
        boxes = np.array(edges, np.float32)
    if form.wanted + form.excluded == 0:
        return Prompts(None, None, boxes)
    points = [[*hint.points, *hint.excluded_points] for hint in hints]
    labels = np.array([1] * form.wanted + [0] * form.excluded, np.int64)
    return Prompts(np.array(points, np.float32), np.tile(labels, (len(hints), 1)), boxes)
