"""Pictures made by any pipeline of diffusers that makes one of text, or varies one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from layerstudio.color import F32, U8, to_u8
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.geometry import Extent
from layerstudio.models.preview import Preview
from layerstudio.picture import Picture
from layerstudio.pipelines.fitting import fitted
from layerstudio.pipelines.layerdiffuse.previews import preview_for
from layerstudio.pipelines.layeringdiff import bases, remarks
from layerstudio.pipelines.layeringdiff.arguments import (
    sampling_arguments,
    text_arguments,
    untaken,
)
from layerstudio.pipelines.layeringdiff.bases import DENOISERS, Base
from layerstudio.pipelines.layeringdiff.phrases import whole_prompt
from layerstudio.pipelines.layeringdiff.planning import planned, rounded
from layerstudio.pipelines.layeringdiff.previews import on_canvas
from layerstudio.pipelines.layeringdiff.watching import watched
from layerstudio.pipelines.loading import Wanted, borrowed
from layerstudio.pipelines.out_of_memory import explained
from layerstudio.pipelines.placement import apply
from layerstudio.pipelines.preflight import Plan
from layerstudio.pipelines.quiet import quiet_libraries
from layerstudio.pipelines.resizing import fitted as brought_to
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.schedulers import make_scheduler
from layerstudio.pipelines.steps import Canvas, StepWatcher, check_finite
from layerstudio.progress import CancelToken, ProgressCallback

_SCALE = 8  # pixels of a latent, where a pipeline does not say


@dataclass
class Ready:
    """A pipeline in its place, and the scheduler that it came with. ``preview`` is made when it is
    first asked for."""

    pipeline: Any
    scheduler: Any
    preview: Preview | None = None


@dataclass(frozen=True)
class Made:
    """A picture (h, w, 4), opaque, of the size asked for, and what is to be told of it."""

    pixels: U8
    prompt: str
    notes: tuple[str, ...]


class Engine:
    """Makes the pictures of one run."""

    def __init__(
        self,
        base: Base,
        ready: Ready,
        plan: Plan,
        request: GenerateRequest,
        pictures: Mapping[InputRole, Picture],
        runtime: Runtime,
        cancel: CancelToken,
    ) -> None:
        assert request.extent is not None and request.steps is not None
        self._base = base
        self._pipeline = ready.pipeline
        self._request = request
        self._steps = request.steps
        self._pictures = pictures
        self._cancel = cancel
        self._canvas = Canvas.of(*request.extent, size_multiple(ready.pipeline))
        self._preview: Preview | None = None
        if runtime.previews:
            if ready.preview is None and base.family is not None:
                ready.preview = preview_for(ready.pipeline, base.family, plan.runtime)
            self._preview = on_canvas(ready.preview, ready.pipeline, base.family, self._canvas)
        self.reason = plan.runtime.reason

    def make(self, seed: int, progress: ProgressCallback) -> Made:
        """The picture of one seed. Raises ``Cancelled``, ``NumericalFailure``, ``OutOfMemory``."""
        self._cancel.check()
        request, size = self._request, self._canvas.padded
        prompt = whole_prompt(request)
        arguments = sampling_arguments(self._base, request, size)
        arguments |= text_arguments(self._base, request, prompt) | self._given()
        if "generator" in self._base.takes:
            arguments["generator"] = torch.Generator().manual_seed(seed)
        watcher = StepWatcher(
            progress=progress, cancel=self._cancel, preview=self._preview, span=(0.0, 0.95)
        )
        with watched(
            self._base, self._pipeline, watcher, self._steps, progress, self._cancel
        ) as watching:
            images = self._pipeline(**arguments, **watching).images
        self._cancel.check()
        pixels, notes = self._cut(np.asarray(images[0], np.float32))
        notes += (*untaken(self._base, request), *remarks.of_length(self._pipeline, prompt))
        return Made(pixels, prompt, notes)

    def _given(self) -> dict[str, Any]:
        """The pictures by the names that the call has for them."""
        takes, found = self._base.takes, {}
        if "image" in self._pictures:
            found["image"] = self._rgb("image")
        if "control" in self._pictures:
            found["control_image" if "control_image" in takes else "image"] = self._rgb("control")
        return found

    def _rgb(self, role: InputRole) -> Image.Image:
        """A picture on the padded canvas: edges are repeated, and what is clear shows white."""
        rgba = torch.from_numpy(fitted(self._pictures[role], self._canvas.wanted)).float() / 255
        padded = self._canvas.pad(rgba.movedim(-1, 0)[None])[0].movedim(0, -1).numpy()
        white = padded[..., :3] * padded[..., 3:] + (1 - padded[..., 3:])
        return Image.fromarray(to_u8(white))

    def _cut(self, picture: F32) -> tuple[U8, tuple[str, ...]]:
        """(h, w, 4) of the size asked for, of what was made: (h, w, 1, 3 or 4) in [0, 1]."""
        check_finite(torch.from_numpy(picture), "pixels")
        colour = picture[..., :3] if picture.shape[-1] >= 3 else picture[..., :1].repeat(3, -1)
        rgba = np.dstack([np.clip(colour, 0, 1), np.ones(colour.shape[:2], np.float32)])
        made, notes = Extent.of(rgba), ()
        if made != self._canvas.padded:
            rgba = brought_to(rgba, self._canvas.padded)
            notes = (f"{self._base.title} made {made} pixels, which were brought to size.",)
        return to_u8(rgba[self._canvas.place.slices]), notes


@contextmanager
def opened(
    base: Base,
    request: GenerateRequest,
    pictures: Mapping[InputRole, Picture],
    runtime: Runtime,
    cancel: CancelToken,
) -> Iterator[Engine]:
    """An engine on the pipeline of ``base``, the last run's if that fits."""
    assert request.extent is not None
    plan = planned(base, request, runtime)
    cancel.check()
    wanted = Wanted(
        kind=base.kind,
        family=base.family,
        base=base.found,
        base_id=bases.DEFAULT_BASES.get(base.family, "") if base.family else "",
        dtype=getattr(torch, plan.runtime.dtype),
        loras=request.loras,
        controlnet=request.controlnet,
        placement=(
            "layeringdiff",
            replace(plan.runtime, reason="", peak_bytes=0),
            rounded(request.extent),
            _stamps(base, request),
        ),
        check=_Checked(base),
    )

    def prepared(pipeline: Any) -> Ready:
        if hasattr(pipeline, "watermark"):
            pipeline.watermark = None  # invisible, and only where one more package is installed
        with explained(plan, runtime):
            apply(plan, pipeline)
        return Ready(pipeline, pipeline.scheduler)

    with quiet_libraries(), borrowed(wanted, prepared) as ready, explained(plan, runtime):
        ready.pipeline.scheduler = _scheduler(ready, request)
        yield Engine(base, ready, plan, request, pictures, runtime, cancel)


class _Checked:
    """The check of a base before it is loaded; all of them count as the same one, so that a kept
    pipeline is found again."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def __call__(self, *_: object) -> None:
        bases.check(self._base)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Checked)

    def __hash__(self) -> int:
        return hash(_Checked)


def size_multiple(pipeline: Any) -> int:
    """Pixels: what sides are rounded up to, so that no level of a UNet and no patch is cut."""
    factor = getattr(pipeline, "vae_scale_factor", None)
    scale = factor if isinstance(factor, int) and factor > 0 else _SCALE
    denoiser = next((one for name in DENOISERS if (one := getattr(pipeline, name, None))), None)
    config: Mapping[str, Any] = {} if denoiser is None else denoiser.config
    blocks = config.get("block_out_channels")
    if isinstance(blocks, list | tuple):
        return scale * 2 ** (len(blocks) - 1)
    patch = config.get("patch_size")
    return scale * max(2, patch if isinstance(patch, int) else 2)


def _scheduler(ready: Ready, request: GenerateRequest) -> Any:
    """A new one for each run: some remember the last."""
    own = ready.scheduler
    if request.scheduler:
        return make_scheduler(request.scheduler, own.config)
    return type(own).from_config(own.config)


def _stamps(base: Base, request: GenerateRequest) -> tuple[int, ...]:
    """When the files that are read were written: others may lie there now."""
    path = base.found.path
    files = [path] if path.is_file() else sorted(path.rglob("*.safetensors"))
    adapters = [*request.loras, *([request.controlnet] if request.controlnet else [])]
    files += [Path(adapter.source) for adapter in adapters]
    return tuple(file.stat().st_mtime_ns for file in files if file.is_file())
