"""Steps that every pipeline of ours shares: sizes, seeds, watching the sampling, output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from layerstudio.color import U8
from layerstudio.errors import InvalidRequest, NumericalFailure
from layerstudio.generate_request import MAX_SIDE, MIN_SIDE
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.rgba_pictures import to_uint8
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress

OutputType = Literal["pil", "np", "pt", "latent"]
Preview = Callable[
    [Tensor], U8
]  # latents (b, c, h, w), scaled as sampled, to pixels (h, w, 3 or 4)


@dataclass(frozen=True)
class Canvas:
    """The size asked for, and the next one that the networks can work at.

    What is added lies on all sides alike, so that the middle of the picture, where prompts put
    their subject, stays the middle. It is cut off after decoding, to the pixel. The networks are
    told the padded size (SDXL's size conditioning too): it is what they see.
    """

    wanted: Extent
    padded: Extent

    @classmethod
    def of(cls, width: int, height: int, multiple: int) -> Canvas:
        """Raises ``InvalidRequest`` for a side that no published generator can make."""
        for name, side in (("width", width), ("height", height)):
            whole = isinstance(side, int) and not isinstance(side, bool)
            if not whole or not MIN_SIDE <= side <= MAX_SIDE:
                raise InvalidRequest(
                    f"The {name} must be {MIN_SIDE} to {MAX_SIDE:,} pixels, not {side!r}."
                )
        wanted = Extent(width, height)
        return cls(wanted, wanted.multiple_of(multiple))

    @property
    def place(self) -> Bounds:
        """Where the picture asked for lies in the padded one."""
        left = (self.padded.width - self.wanted.width) // 2
        top = (self.padded.height - self.wanted.height) // 2
        return Bounds(left, top, self.wanted.width, self.wanted.height)

    def pad(self, pictures: Tensor) -> Tensor:
        """(b, c, h, w) of the wanted size to the padded one.

        Edges are repeated, alpha too: an object cut off by the border goes on beyond it.
        """
        place = self.place
        right, bottom = self.padded.width - place.right, self.padded.height - place.bottom
        return functional.pad(pictures, (place.x, right, place.y, bottom), mode="replicate")

    def crop(self, pictures: Tensor) -> Tensor:
        """(b, c, h, w) of the padded size to the wanted one."""
        place = self.place
        return pictures[..., place.y : place.bottom, place.x : place.right]


def seeded_generators(seed: int, count: int) -> list[torch.Generator]:
    """One generator for each picture: number k of a batch is the picture of ``seed + k`` alone.

    They draw on the CPU, so that a seed means the same picture on every device.
    """
    return [torch.Generator().manual_seed(seed + k) for k in range(count)]


def check_finite(values: Tensor, what: str) -> None:
    """Raises ``NumericalFailure`` if ``values`` hold NaN or infinity."""
    if bool(torch.isfinite(values).all()):
        return
    if values.dtype == torch.float16:
        advice = "Half precision overflowed: use bfloat16 or float32."
    else:
        advice = "Lower the guidance, or try without LoRAs or with another checkpoint."
    raise NumericalFailure(f"The {what} hold values that are not numbers.", advice=advice)


class StepWatcher:
    """A ``callback_on_step_end`` of diffusers: cancel, check, preview and report each step.

    ``then`` is the user's own callback, run first, with the tensors it asks for by
    ``then_inputs`` (a diffusers ``PipelineCallback`` asks by itself). ``span`` is the share of
    the whole job that sampling takes, ``preview`` turns latents into pixels.

    Calling it raises ``Cancelled``, or ``NumericalFailure`` once latents are not numbers.
    """

    def __init__(
        self,
        *,
        progress: ProgressCallback = ignore_progress,
        cancel: CancelToken | None = None,
        preview: Preview | None = None,
        then: Callable[..., dict[str, Any]] | None = None,
        then_inputs: Sequence[str] = ("latents",),
        span: tuple[float, float] = (0.0, 0.9),
        stage: str = "sampling",
    ) -> None:
        self._progress = progress
        self._cancel = cancel or CancelToken()
        self._preview = preview
        self._then = then
        self._then_inputs = tuple(getattr(then, "tensor_inputs", then_inputs))
        self._span = span
        self._stage = stage

    @property
    def tensor_inputs(self) -> list[str]:
        """For ``callback_on_step_end_tensor_inputs``."""
        return list(dict.fromkeys(("latents", *(self._then_inputs if self._then else ()))))

    def __call__(
        self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        self._cancel.check()
        changed = dict(tensors)
        if self._then is not None:
            asked_for = {name: tensors[name] for name in self._then_inputs}
            changed |= self._then(pipeline, step, timestep, asked_for) or {}
        self.report(changed["latents"], step + 1, pipeline.num_timesteps)
        return changed

    def report(self, latents: Tensor, done: int, steps: int) -> None:
        """After ``done`` of ``steps``, for loops that are not diffusers'."""
        self._cancel.check()
        check_finite(latents, "latents")
        start, end = self._span
        fraction = start + (end - start) * done / max(steps, done)
        watched = self._preview is not None and self._progress is not ignore_progress
        preview = self._preview(latents) if self._preview and watched else None
        self._progress(Progress(self._stage, fraction, preview))


def check_output_type(output_type: str) -> None:
    """Raises ``InvalidRequest`` unless ``output_type`` is one of diffusers' own four."""
    if output_type not in get_args(OutputType):
        known = ", ".join(get_args(OutputType))
        raise InvalidRequest(f"There is no output type {output_type!r}.", advice=f"Known: {known}.")


def truncated(pictures: Tensor) -> Tensor:
    """Values in [0, 1] at the 8-bit level below, where LayerDiffuse's published script cuts."""
    return (pictures * 255).floor() / 255


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(h, w, c) or (b, h, w, c) of uint8 or uint16 to (b, c, h, w) float32 in [0, 1]."""
    assert pixels.dtype in (np.uint8, np.uint16), pixels.dtype
    values = torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max)
    batch = values if values.ndim == 4 else values[None]
    return batch.movedim(-1, 1).contiguous()


def as_output(pictures: Tensor, output_type: str) -> Any:
    """(b, c, h, w) in [0, 1] as PIL images, an array (b, h, w, c) or a tensor: as in diffusers."""
    if output_type == "pt":
        return pictures
    if output_type == "np":
        return pictures.detach().float().movedim(1, -1).cpu().numpy()
    assert output_type == "pil", output_type
    return [Image.fromarray(pixels) for pixels in to_uint8(pictures)]
