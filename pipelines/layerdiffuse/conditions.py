"""Given pictures as LayerDiffuse's networks take them: sized to the canvas, alpha matted on grey.

Formulas are those of layerdiffusion/sd-forge-layerdiffuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.layerdiffuse.rgba_input import as_rgba
from layerstudio.pipelines.resizing import ResizeMode, fitted
from layerstudio.pipelines.steps import Canvas
from layerstudio.pipelines.vae_steps import encode_mean, scaled

GREY = 0.5


def grey_matte(rgba: Tensor) -> Tensor:
    """(b, 4, h, w) in [0, 1], straight, to (b, 3, h, w): 0.5 + (rgb - 0.5) alpha."""
    return GREY + (rgba[:, :3] - GREY) * rgba[:, 3:]


def on_canvas(pictures: Any, canvas: Canvas, resize_mode: ResizeMode = "crop") -> Tensor:
    """Whatever ``as_rgba`` takes as (b, 4, H, W) of the canvas's padded size.

    A list of pictures need not be of one size.
    """
    listed = pictures if isinstance(pictures, list | tuple) and pictures else [pictures]
    batches = [as_rgba(one).movedim(1, -1).numpy() for one in listed]
    rows = [fitted(one, canvas.wanted, resize_mode) for batch in batches for one in batch]
    return canvas.pad(torch.from_numpy(np.stack(rows)).movedim(-1, 1))


def condition_latents(vae: Any, pictures: Sequence[Tensor]) -> Tensor:
    """Pictures (b or 1, 4, H, W) in the order of the model to (b, 4 n, h, w), scaled.

    The mean of the VAE's distribution is taken, where the published code draws from it, so that
    a condition is the same in every run.
    """
    encoded = [scaled(vae, encode_mean(vae, grey_matte(rgba))) for rgba in pictures]
    rows = max(latents.shape[0] for latents in encoded)
    return torch.cat([latents.expand(rows, -1, -1, -1) for latents in encoded], dim=1)


def check_given(given: Mapping[str, Any], needed: Sequence[str], mode: str) -> None:
    """Raises ``InvalidRequest`` unless exactly the ``needed`` pictures are there."""
    missing = [name for name in needed if given.get(name) is None]
    if missing:
        raise InvalidRequest(
            f"The mode {mode!r} starts from a {missing[0]}, and none was given.",
            advice=f"It takes {' and '.join(needed)}.",
        )
    unused = [name for name, value in given.items() if value is not None and name not in needed]
    if unused:
        taken = f"It takes {' and '.join(needed)}." if needed else "It takes none."
        raise InvalidRequest(f"The mode {mode!r} has no use for a {unused[0]}.", advice=taken)
