"""What was measured of one sample, as data that round-trips to JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from layerstudio.metrics.cld import CldScore, LayerRow
from layerstudio.metrics.layerd import ColourRow, LayerDScore, Row
from layerstudio.metrics.recompose import Recomposition

FEWEST_PUBLISHED = 2  # LayerD's command skips samples with fewer layers on either side
_COUNTS = ("missing", "surplus", "grown")
_COMPOSITE = ("composite_psnr", "composite_ssim")


@dataclass(frozen=True)
class Cld:
    """CLD's protocol on one sample, a row for each true layer that shows anything.

    ``by_index`` pairs layers as the protocol takes for granted, and is None where it cannot: the
    counts differ and the prediction does not answer to boxes. ``assigned`` pairs them at least
    cost. ``missing`` true layers had no partner and were compared with an empty layer, ``surplus``
    predicted ones were left over. ``grown`` boxes were smaller than SSIM's window and were taken
    larger.
    """

    assigned: CldScore
    by_index: CldScore | None
    missing: int = 0
    surplus: int = 0
    grown: int = 0


@dataclass(frozen=True)
class Scores:
    """One decomposition: layers found and true, all protocols, seconds of the method alone.

    ``cld`` is None where the canvas is smaller than SSIM's window. ``resized_from`` is the size of
    a prediction that was stretched to the canvas, "" where it had that size.
    """

    layers: int
    true_layers: int
    layerd: LayerDScore
    cld: Cld | None
    recomposition: Recomposition
    seconds: float
    resized_from: str = ""

    @property
    def is_published(self) -> bool:
        """Whether LayerD's own command would score the sample."""
        return min(self.layers, self.true_layers) >= FEWEST_PUBLISHED

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: infinite PSNR becomes null."""
        rows = [row._asdict() for row in self.layerd.rows]
        colours = [row._asdict() for row in self.layerd.colours]
        return {
            "layers": self.layers,
            "true_layers": self.true_layers,
            "seconds": self.seconds,
            "resized_from": self.resized_from,
            "layerd": [row | colour for row, colour in zip(rows, colours, strict=True)],
            "cld": None if self.cld is None else _cld_to(self.cld),
            "recomposition": _finite(self.recomposition._asdict()),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        rows = data["layerd"]
        return cls(
            layers=data["layers"],
            true_layers=data["true_layers"],
            seconds=data["seconds"],
            resized_from=data["resized_from"],
            layerd=LayerDScore(
                tuple(Row(*(row[name] for name in Row._fields)) for row in rows),
                tuple(ColourRow(*(row[name] for name in ColourRow._fields)) for row in rows),
            ),
            cld=None if data["cld"] is None else _cld_from(data["cld"]),
            recomposition=Recomposition(**_infinite(data["recomposition"])),
        )


@dataclass(frozen=True)
class Thumb:
    """A small picture of a layer: a WebP file in base64, and what is written under it."""

    caption: str
    webp: str


@dataclass(frozen=True)
class SampleRecord:
    """A sample as it was read; ``error`` says why it could not be, and then nothing else counts.

    ``truth_error`` is the largest difference, in [0, 1], between its picture and its true layers,
    put together: lossy pictures and broken data sets have one.
    """

    name: str
    size: str = ""
    true_layers: int = 0
    truth_error: float = 0.0
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    thumbs: tuple[Thumb, ...] = ()  # the picture, then the true layers, bottom to top

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, **_tuples(data)})


@dataclass(frozen=True)
class Outcome:
    """What one contestant made of one sample: ``scores``, or the ``error`` that it ended with.

    ``fault`` is the traceback where the error was one of the program's own.
    """

    sample: str
    contestant: str
    scores: Scores | None = None
    error: str = ""
    fault: str = ""
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    thumbs: tuple[Thumb, ...] = ()  # the predicted layers, bottom to top

    def to_dict(self) -> dict[str, Any]:
        scores = None if self.scores is None else self.scores.to_dict()
        data = {name: value for name, value in vars(self).items() if name != "scores"}
        return {**data, "scores": scores, "thumbs": [asdict(thumb) for thumb in self.thumbs]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        scores = data["scores"] and Scores.from_dict(data["scores"])
        return cls(**{**data, **_tuples(data), "scores": scores})


def _tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON turned from tuples into lists."""
    return {
        "tags": tuple(data["tags"]),
        "notes": tuple(data["notes"]),
        "thumbs": tuple(Thumb(**thumb) for thumb in data["thumbs"]),
    }


def _cld_to(cld: Cld) -> dict[str, Any]:
    return {
        "assigned": _score_to(cld.assigned),
        "by_index": None if cld.by_index is None else _score_to(cld.by_index),
        **{name: getattr(cld, name) for name in _COUNTS},
    }


def _cld_from(data: Mapping[str, Any]) -> Cld:
    return Cld(
        _score_from(data["assigned"]),
        None if data["by_index"] is None else _score_from(data["by_index"]),
        **{name: data[name] for name in _COUNTS},
    )


def _score_to(score: CldScore) -> dict[str, Any]:
    composite = {name: getattr(score, name) for name in _COMPOSITE}
    return {"layers": [_finite(row._asdict()) for row in score.layers], **_finite(composite)}


def _score_from(data: Mapping[str, Any]) -> CldScore:
    layers = tuple(LayerRow(**_infinite(row)) for row in data["layers"])
    return CldScore(layers, **_infinite({name: data[name] for name in _COMPOSITE}))


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no infinity; only a PSNR can be infinite."""
    return {name: None if math.isinf(value) else value for name, value in values.items()}


def _infinite(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.inf if value is None else value for name, value in values.items()}
