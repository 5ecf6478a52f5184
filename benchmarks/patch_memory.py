"""Peak memory of ending a sampling with the original UNet: a toggled patch against a second UNet.

Run ``python benchmarks/patch_memory.py``. Each way gets a process of its own and a UNet of SDXL's
topology at a quarter of its width, in float16 with random weights, and makes one step with the
patch and one without. The patch is a file of differences for every weight, the largest there is.
The peak is the kernel's high-water mark of resident memory, less what was resident before the
UNet; the originals that the toggled way sets aside lie in a file, so they are on the disk or in
the kernel's cache, which gives way to whoever asks for memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file

from layerstudio.models.tensor_file import TensorFile
from layerstudio.models.weight_patch import WeightPatch

WIDTH = 80  # SDXL: 320
SDXL_PARAMETERS = 2_567_463_684
ROUNDS = 5
Report = dict[str, float]


def shape(width: int) -> dict[str, Any]:
    """SDXL's topology without its micro-conditioning."""
    return {
        "block_out_channels": (width, 2 * width, 4 * width),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 6 * width,
        "use_linear_projection": True,
        "norm_num_groups": 16,
    }


def build(width: int) -> UNet2DConditionModel:
    """Filled tensor by tensor in float16: building it costs no more than it keeps."""
    torch.set_num_threads(1)  # more wait for each other where cores are shared
    with torch.device("meta"):
        unet = UNet2DConditionModel(**shape(width)).half()
    unet = unet.to_empty(device="cpu").eval().requires_grad_(False)
    for weight in unet.parameters():
        weight.normal_(0, 0.02)
    return unet


def step(unet: UNet2DConditionModel) -> None:
    width = unet.config["cross_attention_dim"]
    latents, context = torch.zeros(2, 4, 32, 32), torch.zeros(2, 77, width)
    unet(latents.half(), 500, context.half())


def only_one(unet: UNet2DConditionModel, patch: Path) -> Report:
    """No patch at all: what one UNet needs."""
    step(unet)
    step(unet)
    return {}


def toggled(unet: UNet2DConditionModel, patch: Path) -> Report:
    """This repository's way, several images in a row."""
    times: dict[str, list[float]] = {"apply": [], "disable": [], "enable": []}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        applied = WeightPatch.from_file(patch).apply(unet)
        times["apply"].append(time.perf_counter() - start)
        step(unet)
        times["disable"].append(elapsed(applied.disable))
        step(unet)
        times["enable"].append(elapsed(applied.enable))
        applied.remove()
    return {name: min(values) for name, values in times.items()}


def second_unet(unet: UNet2DConditionModel, patch: Path) -> Report:
    """The published way: a second UNet that has everything added, here tensor by tensor."""
    patched = deepcopy(unet)
    differences = TensorFile(patch)
    for key, value in patched.state_dict().items():
        value.add_(differences[key])
    step(patched)
    step(unet)
    return {}


WAYS: dict[str, Callable[[UNet2DConditionModel, Path], Report]] = {
    "one UNet, no patch": only_one,
    "toggled patch": toggled,
    "second UNet": second_unet,
}


def elapsed(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def resident(line: str) -> float:
    """MB of this process by the kernel's account: ``VmRSS`` now, ``VmHWM`` at the highest."""
    status = dict(entry.split(":") for entry in Path("/proc/self/status").read_text().splitlines())
    return int(status[line].split()[0]) / 1024


def measured(way: str, width: int, patch: Path) -> Report:
    """In this process."""
    warm = build(16)
    step(warm)
    del warm
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark back
    before = resident("VmRSS")
    unet = build(width)
    report = WAYS[way](unet, patch)
    return {"peak": resident("VmHWM") - before, **report}


def in_its_own_process(way: str, width: int, patch: Path) -> Report:
    command = [sys.executable, __file__, "--way", way, "--width", str(width), "--patch", str(patch)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def compare(width: int) -> dict[str, Report]:
    """Reports by way; all of them read the same patch."""
    with tempfile.TemporaryDirectory() as folder:
        patch = Path(folder) / "patch.safetensors"
        unet = build(width)
        save_file({key: value * 0.1 for key, value in unet.state_dict().items()}, patch)
        size = sum(weight.numel() for weight in unet.parameters())
        del unet
        reports = {way: in_its_own_process(way, width, patch) for way in WAYS}
    for report in reports.values():
        report["ratio"] = report["peak"] / reports["one UNet, no patch"]["peak"]
    reports["toggled patch"]["parameters"] = size
    return reports


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--way", choices=list(WAYS))
    parser.add_argument("--patch", type=Path)
    options = parser.parse_args()
    if options.way:
        with torch.no_grad():
            print(json.dumps(measured(options.way, options.width, options.patch)))
        return
    reports = compare(options.width)
    mine = reports["toggled patch"]
    print(f"UNet: {2 * mine['parameters'] / 1e6:.0f} MB in float16")
    for way, report in reports.items():
        print(f"{way:20} peak {report['peak']:6.0f} MB, {report['ratio']:.2f} times one UNet's")
    for name in ("apply", "disable", "enable"):
        whole = mine[name] * SDXL_PARAMETERS / mine["parameters"]
        print(f"{name:8} {mine[name]:6.3f} s; by its size SDXL would take {whole:.1f} s")


if __name__ == "__main__":
    main()
