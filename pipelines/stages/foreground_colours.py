"""Foreground colours: our own estimate, and PyMatting's two."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np

from layerstudio.color import F32, U8, to_float
from layerstudio.geometry import Bounds, Extent
from layerstudio.ops.foreground import foreground
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import StageCard
from layerstudio.progress import CancelToken

_MARGIN = 32  # pixels of surroundings that colours are estimated with


def _card(id: str, title: str, reference: str, code_licence: str) -> StageCard:
    return StageCard(
        id=id,
        kind="foreground",
        title=title,
        reference=reference,
        code_licence=code_licence,
        weights_licence=None,
    )


class PyramidForeground:
    card: ClassVar[StageCard] = _card(
        "pyramid-colours",
        "Colours from coarse to fine",
        "Germer et al. 2020 (arXiv:2006.14970) and Forte 2021, LayerStudio's own",
        "Apache-2.0",
    )

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        return cls()

    def colours(self, rgb: U8, alpha: F32, *, cancel: CancelToken) -> F32:
        def estimate(picture: U8, matte: F32) -> F32:
            return foreground(picture, matte, check=cancel.check)

        return _where_needed(rgb, alpha, estimate)


class MultiLevelForeground:
    """Fast; its first use on a machine compiles PyMatting, which takes a minute."""

    card: ClassVar[StageCard] = _card(
        "ml-colours", "PyMatting, multi-level", "Germer et al. 2020 (arXiv:2006.14970)", "MIT"
    )

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        import pymatting  # noqa: F401  # what can fail or take long happens here

        return cls()

    def colours(self, rgb: U8, alpha: F32, *, cancel: CancelToken) -> F32:
        from pymatting import estimate_foreground_ml

        cancel.check()

        def estimate(picture: U8, matte: F32) -> F32:
            return np.asarray(estimate_foreground_ml(to_float(picture), matte), np.float32)

        return _where_needed(rgb, alpha, estimate)


class ClosedFormForeground:
    """Exact and slow: a linear system of twice the pixels, solved in tiles."""

    card: ClassVar[StageCard] = _card(
        "closed-form-colours", "PyMatting, closed form", "Levin et al. 2008 (PAMI 30:2)", "MIT"
    )

    @classmethod
    def open(cls, runtime: Runtime, base: str = "") -> Self:
        import pymatting  # noqa: F401

        return cls()

    def colours(self, rgb: U8, alpha: F32, *, cancel: CancelToken) -> F32:
        from layerstudio.pipelines.stages.pymatting_systems import closed_form_colours

        def estimate(picture: U8, matte: F32) -> F32:
            return closed_form_colours(picture, matte, cancel)

        return _where_needed(rgb, alpha, estimate)


def _where_needed(rgb: U8, alpha: F32, estimate: Callable[[U8, F32], F32]) -> F32:
    """``estimate`` of the part of the picture around what is mixed; the rest is the picture."""
    result = to_float(rgb)
    mixed = Bounds.of_mask((alpha > 0) & (alpha < 1))
    if mixed.is_empty:
        return result
    box = mixed.padded(_MARGIN).clamped(Extent.of(rgb))
    matte = np.ascontiguousarray(alpha[box.slices], np.float32)
    found = estimate(np.ascontiguousarray(rgb[box.slices]), matte)
    shown = matte < 1
    result[box.slices][shown] = np.clip(found, 0, 1)[shown]
    return result
