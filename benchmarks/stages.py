"""Seconds and memory of each stage of a photograph's decomposition, at full width.

`python -m benchmarks.stages [--side 1024] [--device cpu] [--rounds 1] [--only NAME] [--quick]`

Weights are random at the published sizes; the time does not depend on them. They are written to a
temporary folder and read by the stages' own code. Memory is what a call holds beside the weights.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks import measuring
from benchmarks.mattes import page
from benchmarks.matting_scenes import scenes
from layerstudio.models.birefnet import BiRefNet
from layerstudio.models.lama import BIG_LAMA, Lama, LamaSize
from layerstudio.models.swin import SWIN_L, SWIN_T, SwinSize
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken, ignore_progress

_MIB = 2**20
_QUICK_SWIN = SwinSize(8, (2, 2, 2, 2), (1, 2, 2, 4), 3)
_QUICK_LAMA = LamaSize(8, 3, 2, 16)

Case = tuple[str, Callable[[], object]]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=1, help="the fastest is reported")
    parser.add_argument("--only", default="", help="stages whose name holds this")
    parser.add_argument("--quick", action="store_true", help="toy widths: whether all of it runs")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    side = 96 if options.quick else options.side
    print(f"{measuring.machine(device)}, {torch.get_num_threads()} thread(s)\n")
    print(measuring.table([f"{side} x {side}", "seconds", "MiB"], []))
    for name, open_ in STAGES.items():
        if options.only and options.only not in name:
            continue
        with TemporaryDirectory() as folder:
            stage = open_(Path(folder), Runtime(device=options.device), options.quick)
            for what, run in _cases(name, stage, side):
                taken = measuring.seconds(run, device, options.rounds)
                peak = _peak(run, device) / _MIB
                print(f"| {what} | {taken:.2f} | {peak:,.0f} |", flush=True)


def _peak(run: Callable[[], object], device: torch.device) -> int:
    """Of PyTorch's tensors where a network runs, else of numpy's arrays."""
    peak = measuring.peak_bytes(run, device)
    if peak >= _MIB:
        return peak
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _cases(name: str, stage: Any, side: int) -> Iterator[Case]:
    """What a stage is asked, by what it can be asked."""
    scene = scenes(round(side * 1.25))[0]
    rgb, trimap, alpha = (
        np.ascontiguousarray(x[:side, :side]) for x in (scene.picture, scene.trimap, scene.alpha)
    )
    cancel = CancelToken()
    if hasattr(stage, "alpha"):
        given = None if "BiRefNet" in name else trimap
        yield name, lambda: stage.alpha(rgb, given, cancel=cancel)
    elif hasattr(stage, "nearness"):
        yield name, lambda: stage.nearness(rgb, cancel=cancel)
    elif hasattr(stage, "colours"):
        yield name, lambda: stage.colours(rgb, alpha, cancel=cancel)
    else:
        words, holes = page(side)
        progress = ignore_progress
        yield (
            f"{name}, words",
            lambda: stage.fill(words, holes, progress=progress, cancel=cancel),
        )
        solid = alpha > 0
        yield (
            f"{name}, an object",
            lambda: stage.fill(rgb, solid, progress=progress, cancel=cancel),
        )


def _weightless(id: str) -> Callable[[Path, Runtime, bool], Any]:
    return lambda folder, runtime, quick: stage_class(id).open(runtime)


def _birefnet(id: str, size: SwinSize) -> Callable[[Path, Runtime, bool], Any]:
    def opened(folder: Path, runtime: Runtime, quick: bool) -> Any:
        save_file(
            BiRefNet(_QUICK_SWIN if quick else size).state_dict(), folder / "model.safetensors"
        )
        (folder / "config.json").write_text('{"size": 64}' if quick else "{}")
        return stage_class(id).open(runtime, str(folder))

    return opened


def _lama(folder: Path, runtime: Runtime, quick: bool) -> Any:
    path = folder / "lama.safetensors"
    save_file(Lama(_QUICK_LAMA if quick else BIG_LAMA).state_dict(), path)
    return stage_class("lama").open(runtime, str(path))


def _vitmatte(folder: Path, runtime: Runtime, quick: bool) -> Any:
    """The small one's published configuration."""
    from transformers import VitDetConfig, VitMatteConfig, VitMatteForImageMatting

    width, heads, depth = (24, 2, 3) if quick else (384, 6, 12)
    windowed = [index for index in range(depth) if (index + 1) % 3]
    features: Any = {"out_features": [f"stage{depth}"]}  # taken, and not in the signature
    backbone = VitDetConfig(
        hidden_size=width, num_attention_heads=heads, num_hidden_layers=depth, image_size=512,
        patch_size=16, num_channels=4, window_size=14, window_block_indices=windowed,
        residual_block_indices=[2, 5, 8, 11][: depth // 3], use_relative_position_embeddings=True,
        **features,
    )  # fmt: skip
    config = VitMatteConfig(
        backbone_config=backbone, hidden_size=width, convstream_hidden_sizes=[48, 96, 192],
        fusion_hidden_sizes=[256, 128, 64, 32],
    )  # fmt: skip
    VitMatteForImageMatting(config).save_pretrained(folder)
    return stage_class("vitmatte-small").open(runtime, str(folder))


def _depth_anything(folder: Path, runtime: Runtime, quick: bool) -> Any:
    """The small one's published configuration."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    width, heads, depth = (24, 2, 4) if quick else (384, 6, 12)
    layers = [depth // 4, depth // 2, depth * 3 // 4, depth]
    indices: Any = {"out_indices": layers}
    backbone = Dinov2Config(
        hidden_size=width, num_attention_heads=heads, num_hidden_layers=depth, image_size=518,
        patch_size=14, reshape_hidden_states=False, **indices,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=width,
        neck_hidden_sizes=[48, 96, 192, 384], fusion_hidden_size=64,
    )  # fmt: skip
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    return stage_class("depth-anything-v2-small").open(runtime, str(folder))


def _dpt(folder: Path, runtime: Runtime, quick: bool) -> Any:
    """The large one's published configuration."""
    from transformers import DPTConfig, DPTForDepthEstimation

    width, heads, depth = (32, 2, 4) if quick else (1024, 16, 24)
    layers = [depth // 4 - 1, depth // 2 - 1, depth * 3 // 4 - 1, depth - 1]
    config = DPTConfig(
        hidden_size=width, num_attention_heads=heads, num_hidden_layers=depth,
        intermediate_size=4 * width, backbone_out_indices=layers,
        neck_hidden_sizes=[256, 512, 1024, 1024],
    )  # fmt: skip
    DPTForDepthEstimation(config).save_pretrained(folder)
    return stage_class("dpt-large").open(runtime, str(folder))


STAGES: dict[str, Callable[[Path, Runtime, bool], Any]] = {
    "BiRefNet swin-T (birefnet-lite)": _birefnet("birefnet-lite", SWIN_T),
    "BiRefNet swin-L (birefnet)": _birefnet("birefnet", SWIN_L),
    "ViTMatte small": _vitmatte,
    "guided": _weightless("guided"),
    "closed-form": _weightless("closed-form"),
    "knn": _weightless("knn"),
    "pyramid-colours": _weightless("pyramid-colours"),
    "ml-colours": _weightless("ml-colours"),
    "Depth Anything V2 small": _depth_anything,
    "DPT large": _dpt,
    "LaMa": _lama,
    "flat-fill": _weightless("flat-fill"),
}


if __name__ == "__main__":
    main()
