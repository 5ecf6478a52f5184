"""What papers report, as data: to lay beside one's own scores, with all that keeps them apart.

Every number is from a table in the named paper, none from a plot.
"""

from __future__ import annotations

from dataclasses import dataclass

_QWEN = "Qwen-Image-Layered (arXiv:2512.15603), table on Crello"
_CLD = "CLD (arXiv:2511.16249), comparison on Crello"
_CLD_OWN = "CLD (arXiv:2511.16249), ablation on PrismLayersPro"


@dataclass(frozen=True)
class PublishedLayerD:
    """LayerD's protocol as reported; values for 0, 1, 2 ... allowed merges."""

    system: str
    rgb_l1: tuple[float, ...]
    alpha_iou: tuple[float, ...]
    source: str


@dataclass(frozen=True)
class PublishedGrey:
    """CLD's comparison with LayerD: colour compared on grey, layers matched by box."""

    system: str
    rgb_l1: float
    alpha_iou: float
    unified: float
    source: str


@dataclass(frozen=True)
class PublishedCld:
    """CLD's protocol as reported: PSNR in dB; FID is on class scores."""

    system: str
    layer_psnr: float
    layer_ssim: float
    layer_fid: float
    mask_iou: float
    mask_f1: float
    composite_psnr: float
    composite_ssim: float
    composite_fid: float
    source: str


LAYERD_PROTOCOL = (
    PublishedLayerD(
        "VLM base + Hi-SAM",
        (0.1197, 0.1029, 0.0892, 0.0807, 0.0755, 0.0726),
        (0.5596, 0.6302, 0.6860, 0.7222, 0.7465, 0.7589),
        _QWEN,
    ),
    PublishedLayerD(
        "YOLO base + Hi-SAM",
        (0.0962, 0.0833, 0.0710, 0.0630, 0.0592, 0.0579),
        (0.5697, 0.6537, 0.7169, 0.7567, 0.7811, 0.7897),
        _QWEN,
    ),
    PublishedLayerD(
        "LayerD",
        (0.0709, 0.0541, 0.0457, 0.0419, 0.0403, 0.0396),
        (0.7520, 0.8111, 0.8435, 0.8564, 0.8622, 0.8650),
        _QWEN,
    ),
    PublishedLayerD(
        "Qwen-Image-Layered, tuned on Crello",
        (0.0594, 0.0490, 0.0393, 0.0377, 0.0364, 0.0363),
        (0.8705, 0.8863, 0.9105, 0.9121, 0.9156, 0.9160),
        _QWEN,
    ),
)
GREY_PROTOCOL = (
    PublishedGrey("LayerD", 0.0653, 0.7055, 0.1799, _CLD),
    PublishedGrey("CLD, given the true boxes", 0.0474, 0.7771, 0.1352, _CLD),
)
CLD_PROTOCOL = (
    PublishedCld("CLD", 27.65, 0.874, 19.41, 0.867, 0.920, 29.83, 0.945, 11.46, _CLD_OWN),
    PublishedCld(
        "CLD, LayerDiffuse's decoder",
        24.43, 0.822, 24.02, 0.847, 0.902, 22.57, 0.824, 36.13, _CLD_OWN,
    ),
    PublishedCld(
        "CLD, no picture in the unconditional branch",
        21.69, 0.767, 69.91, 0.576, 0.692, 20.66, 0.819, 103.3, _CLD_OWN,
    ),
    PublishedCld(
        "CLD, no composite as a target",
        26.21, 0.845, 21.45, 0.867, 0.918, 27.24, 0.926, 15.64, _CLD_OWN,
    ),
)  # fmt: skip

CAVEATS = (
    "Published figures are of Crello's test split (CLD's own protocol: PrismLayersPro). They "
    "compare with scores of the same pictures only, at the same size (LayerD renders with a short "
    "side of 512 pixels).",
    "LayerD's protocol depends on the allowed merges, on grouping before, on averaging over "
    "aligned pairs, where a layer can count twice, and on which samples are skipped. Only systems "
    "scored by one implementation compare; --results scores another program's layers with this "
    "one.",
    "“RGB L1” names two things. In LayerD's and Qwen's tables it is straight colour where the "
    "true layer has alpha above 0, all pixels alike; in CLD's it is taken after laying both "
    "layers on grey. LayerD has 0.0709 and 0.7520 in the one and 0.0653 and 0.7055 in the other.",
    "Straight colour counts whatever a prediction holds under almost no alpha. The premultiplied "
    "error and the recomposition error do not.",
    "Crello's scores reward Crello's way of grouping: LayerD was trained on it, and the row of "
    "Qwen-Image-Layered is of a model tuned on it, which the released weights do not seem to be. "
    "CLD was trained on PrismLayersPro and is given the true boxes.",
    "A background counts as a layer, and its alpha IoU is high: shallow stacks score better.",
    "CLD's FID is taken on class scores and compares with no other; it is not computed here.",
    "None of the papers reports time, and only CLD the recomposition.",
)
