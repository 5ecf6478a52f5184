"""Segmenters and detectors at toy width, in the files that are published: real classes, random
weights. Widths and sides are small; what the adapters rely on is kept."""

from pathlib import Path

import torch
from seeded import seeded_state

from layerstudio.pipelines.stages.sam_package_size import SamSize, built

TINY_SAM = SamSize(
    side=64, patch=8, width=16, depth=3, heads=2, mlp=32, window=3, whole=(1,), channels=32,
    mask_channels=8, masks=3, decoder_depth=2, decoder_mlp=24, score_depth=3, score_width=16,
)  # fmt: skip


def write_sam_package(folder: Path, name: str = "checkpoints/sam_vit_b_01ec64.pth") -> Path:
    """An original checkpoint: a pickled dictionary of tensors."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = {key: tensor.shape for key, tensor in built(TINY_SAM).state_dict().items()}
    torch.save(seeded_state(shapes, 91, 1.5), path)
    return folder
