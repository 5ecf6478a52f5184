"""The embedded file of ``peel``, and how well it reads designs that it has not seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from layerstudio.color import F32, U8
from layerstudio.document import Layer
from layerstudio.geometry import Bounds
from layerstudio.models.peel_network import PeelNetwork
from layerstudio.ops.peel_forward import STRIDE
from layerstudio.ops.square_features import CELL, square_features
from training.assets import Assets, assets_of
from training.designs import BACKGROUNDS, make_design
from training.peel_data import Example, truth_of
from training.peel_run import Run
from training.peel_sheet import worst

_MEANING = {
    "drawn_plain": "what is drawn, on plain backgrounds: IoU",
    "drawn_gradient": "what is drawn, on gradients: IoU",
    "drawn_photograph": "what is drawn, on photographs: IoU",
    "kind": "background, shape, text or drawing: share of squares that are told",
    "veil": "translucent panels: IoU",
    "border_precision": "borders between things that touch: precision",
    "border_recall": "the same: recall",
    "upper": "which side of a border is the upper: share told",
    "shadow_error": "opacity of shadows: mean error where there is or is seen one",
}
_CARD = Path(__file__).with_name("peel_card.md")
_PRIVATE = ("out", "device", "start", "remark")  # settings that say something of the machine
_MEASURED = 6  # designs of each background for the card
_FIRST = 50_000  # seed of the designs that measure it; the benchmark's begin at 0


def quality(network: PeelNetwork, *, count: int, assets: str = "best") -> dict[str, float]:
    """On ``count`` dev designs of each background, means of: IoU of what is drawn (on photographs
    alone), IoU of veils, precision and recall of borders, share of borders whose upper side is
    told, mean error of shadow opacity where there is or is seen one."""
    material = assets_of(assets)
    sums: dict[str, float] = {}
    for index in range(count * len(BACKGROUNDS)):
        background = BACKGROUNDS[index % len(BACKGROUNDS)]
        design = make_design(_FIRST + index, "dev", background=background, assets=material)
        layers = [layer for layer in design.document.children if isinstance(layer, Layer)]
        pixels = np.asarray(design.picture.pixels[..., :3], np.uint8)
        height, width = (side // CELL * CELL for side in pixels.shape[:2])
        truth = truth_of(layers, Bounds(0, 0, width, height))
        example = Example.of(np.ascontiguousarray(pixels[:height, :width]), truth)
        wanted, free = example.wanted.astype(np.float32), example.weight[1] > 0.5
        logits = _read(network, pixels)
        drawn, true_drawn = logits[:4].argmax(0) > 0, wanted[0] < 0.5
        border = (wanted[6] > 0.5) & free
        near = example.weight[2] > 0.3
        scores = {
            f"drawn_{background}": _sums(drawn, true_drawn),
            "kind": (float((logits[:4].argmax(0) == wanted[:4].argmax(0)).mean()), 1.0),
            "veil": _sums(logits[4] > 0, wanted[4] > 0.5),
            "border_precision": _shares((logits[6] > 0) & free, border),
            "border_recall": _shares(border, logits[6] > 0),
            "upper": _shares(near, (logits[7] > 0) == (wanted[7] > 0.5)),
        }
        opacity = 1 / (1 + np.exp(-logits[5]))
        there = (opacity > 0.05) | (wanted[5] > 0.05)
        off = np.abs(opacity - wanted[5])[there]
        scores["shadow_error"] = (float(off.sum()), float(off.size))
        for name, (hits, total) in scores.items():
            sums[name] = sums.get(name, 0.0) + hits
            sums[f"{name}/"] = sums.get(f"{name}/", 0.0) + total
    names = [name for name in sums if not name.endswith("/")]
    return {name: round(sums[name] / max(1e-9, sums[f"{name}/"]), 4) for name in names}


def export(run: Run, folder: Path, pictures: Path) -> Path:
    """Write ``peel.safetensors`` in half precision, with settings and figures in its header, its
    card, and ``failures.jpg`` among the ``pictures``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "peel.safetensors"
    state: dict[str, Tensor] = {}
    for name, value in run.average.state_dict().items():
        value = value.detach().cpu()
        state[name] = (value.half() if value.is_floating_point() else value).contiguous()
    figures = quality(run.average, count=_MEASURED, assets=run.settings.assets)
    settings = {k: v for k, v in vars(run.settings).items() if k not in _PRIVATE}
    about = {"recipe": "training/peel.py", "step": str(run.step)}
    about |= {"settings": json.dumps(settings), "quality": json.dumps(figures)}
    save_file(state, path, metadata=about)
    card = path.with_suffix(".md")
    card.write_text(_card(run, figures, path.stat().st_size), encoding="utf-8")
    worst(pictures / "failures.jpg", assets_of(run.settings.assets))
    return path


def _card(run: Run, figures: dict[str, float], size: int) -> str:
    own = run.settings
    count = sum(value.numel() for value in run.average.parameters())
    rows = "\n".join(f"| {_MEANING[name]} | {value:.3f} |" for name, value in figures.items())
    log = run.loop.log.read_text(encoding="utf-8").split()
    curve = "\n".join(f"| {row.replace(',', ' | ')} |" for row in log[1 :: max(1, len(log) // 12)])
    head = log[0].replace(",", " | ")
    return _CARD.read_text(encoding="utf-8").format(
        measured=_MEASURED,
        parameters=f"{count / 1e6:.1f}",
        size=f"{size / 2**20:.1f}",
        step=run.step,
        rows=rows,
        batch=own.batch,
        side=own.side,
        rate=own.rate,
        seed=own.seed,
        remark=own.remark,
        photographs=_photographs(assets_of(own.assets)),
        head=head,
        rule="---|" * (head.count("|") + 1),
        curve=curve,
    )


def _photographs(assets: Assets) -> str:
    """A line for each photograph that is trained on and is not the pack's: whose it is."""
    if assets.more is None:
        return "None."
    credits = [(name, assets.more.credit(name)) for name in assets.more.names()]
    return "\n".join(f"- {n}: {c.author}, {c.licence} (Debian {c.package})" for n, c in credits)


def _read(network: PeelNetwork, rgb: U8) -> F32:
    """Logits (8, h, w) by squares; what does not fill one is left out."""
    height, width = (side // CELL for side in rgb.shape[:2])
    inputs = square_features(np.ascontiguousarray(rgb[: height * CELL, : width * CELL]))
    padding = ((0, 0), (0, -height % STRIDE), (0, -width % STRIDE))
    device = next(network.parameters()).device
    padded = torch.from_numpy(np.pad(inputs, padding, mode="edge")[None]).to(device)
    with torch.inference_mode():
        logits = network(padded.contiguous(memory_format=torch.channels_last))
    return logits[0, :, :height, :width].float().cpu().numpy()


def _sums(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    return float((found & true).sum()), float((found | true).sum())


def _shares(where: np.ndarray, what: np.ndarray) -> tuple[float, float]:
    return float((where & what).sum()), float(where.sum())
