"""The embedded file of ``peel``, and how well it reads designs that it has not seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from layerstudio.document import Layer
from layerstudio.geometry import Bounds
from layerstudio.models.peel_network import STRIDE, PeelNetwork, network_input
from training.assets import Assets
from training.designs import BACKGROUNDS, make_design
from training.peel_data import truth_of
from training.peel_run import Run

_FIRST = 50_000  # seed of the designs that measure it; the benchmark's begin at 0


def quality(network: PeelNetwork, *, count: int, assets: str = "best") -> dict[str, float]:
    """On ``count`` dev designs of each background, means of: IoU of what is drawn (on photographs
    alone), IoU of veils, precision and recall of borders, share of borders whose upper side is
    told, mean error of shadow opacity where there is or is seen one."""
    material = Assets.best() if assets == "best" else Assets.bundled()
    sums: dict[str, float] = {}
    for index in range(count * len(BACKGROUNDS)):
        background = BACKGROUNDS[index % len(BACKGROUNDS)]
        design = make_design(_FIRST + index, "dev", background=background, assets=material)
        layers = [layer for layer in design.document.children if isinstance(layer, Layer)]
        truth = truth_of(layers, Bounds.full(design.document.extent))
        logits = _read(network, design.picture.pixels[..., :3])
        drawn, true_drawn = logits[:4].argmax(0) > 0, truth.kind > 0
        scores = {
            f"drawn_{background}": _sums(drawn, true_drawn),
            "kind": (float((logits[:4].argmax(0) == truth.kind).mean()), 1.0),
            "veil": _sums(logits[4] > 0, truth.veil),
            "border_precision": _shares(logits[6] > 0, truth.border & ~truth.lettered),
            "border_recall": _shares(truth.border & ~truth.lettered, logits[6] > 0),
            "upper": _shares(truth.near, (logits[7] > 0) == truth.upper),
        }
        opacity = 1 / (1 + np.exp(-logits[5]))
        there = (opacity > 0.05) | (truth.shadow > 0.05)
        off = np.abs(opacity - truth.shadow)[there]
        scores["shadow_error"] = (float(off.sum()), float(off.size))
        for name, (hits, total) in scores.items():
            sums[name] = sums.get(name, 0.0) + hits
            sums[f"{name}/"] = sums.get(f"{name}/", 0.0) + total
    names = [name for name in sums if not name.endswith("/")]
    return {name: round(sums[name] / max(1e-9, sums[f"{name}/"]), 4) for name in names}


def export(run: Run, folder: Path) -> Path:
    """Write ``peel.safetensors`` in half precision; settings and figures go into its header."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "peel.safetensors"
    state: dict[str, Tensor] = {}
    for name, value in run.average.state_dict().items():
        if value.is_floating_point():
            state[name] = value.detach().cpu().half().contiguous()
    figures = quality(run.average, count=10, assets=run.settings.assets)
    settings = {k: v for k, v in vars(run.settings).items() if k not in ("out", "device")}
    about = {"recipe": "training/peel.py", "step": str(run.step)}
    about |= {"settings": json.dumps(settings), "quality": json.dumps(figures)}
    save_file(state, path, metadata=about)
    print(json.dumps(figures))
    return path


def _read(network: PeelNetwork, rgb: np.ndarray) -> np.ndarray:
    """Logits (8, h, w)."""
    height, width = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), mode="edge")
    device = next(network.parameters()).device
    inputs = torch.from_numpy(network_input(np.ascontiguousarray(padded))[None]).to(device)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        logits = network(inputs.contiguous(memory_format=torch.channels_last))
    return logits[0, :, :height, :width].float().cpu().numpy()


def _sums(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    return float((found & true).sum()), float((found | true).sum())


def _shares(where: np.ndarray, what: np.ndarray) -> tuple[float, float]:
    return float((where & what).sum()), float(where.sum())
