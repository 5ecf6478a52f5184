"""A photograph of 100 megapixels: worked small, returned at its size, in bounded memory."""

import json
import subprocess
import sys

import pytest

GIB = 2**30
RUN = """
import json, resource, sys
import numpy as np
sys.path.insert(0, "tests/pipelines/instances")
import torch
from drawn_things import things
from layerstudio.pipelines.instances.choices import StageChoice
from layerstudio.pipelines.instances.disassembly import disassemble
from layerstudio.pipelines.instances.wanted import Wanted
from layerstudio.geometry import Bounds
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.picture import Picture
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ignore_progress
import cv2
large = cv2.resize(things(), (12_000, 8_400), interpolation=cv2.INTER_CUBIC)
pixels = np.empty((8_400, 12_000, 4), np.uint8)
pixels[..., :3], pixels[..., 3] = large, 255
del large
picture = Picture(pixels)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stages = StageChoice(segment="sam-vit-b", detect="", depth="none", matte="guided",
                     foreground="pyramid-colours", complete="flat-fill")
wanted = Wanted(boxes=(Bounds(1290, 1180, 4640, 5200), Bounds(4390, 2840, 4260, 3900)))
made = disassemble(picture, wanted, stages, runtime=Runtime(device="cpu"),
                   progress=ignore_progress, cancel=CancelToken())
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({
    "kib": after - before,
    "size": list(made.extent),
    "layers": len(made.layers),
    "error": float(recomposition_error(made, picture.pixels).max_error),
}))
"""


@pytest.mark.slow
def test_a_hundred_megapixels(rows):
    rows("sam-vit-b")
    done = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["size"] == [12_000, 8_400] and found["layers"] >= 2
    assert found["error"] <= 1 / 255 + 1e-6
    print(f"{found['kib'] * 1024 / GIB:.2f} GiB beside the picture, {found['layers']} layers")
    assert found["kib"] * 1024 < 3 * GIB
