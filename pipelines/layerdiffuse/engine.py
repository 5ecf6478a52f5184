"""Calls of a chain made by a loaded pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from layerstudio.color import U8
from layerstudio.generate_request import GenerateRequest, InputRole
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.memory import parameter_count
from layerstudio.models.preview import Preview
from layerstudio.picture import Picture
from layerstudio.pipelines.base_models import find_model
from layerstudio.pipelines.fitting import fitted
from layerstudio.pipelines.layerdiffuse.catalogue import Family, Mode
from layerstudio.pipelines.layerdiffuse.chain import Call, Frame, Made
from layerstudio.pipelines.layerdiffuse.previews import preview_for
from layerstudio.pipelines.loading import Wanted, borrowed
from layerstudio.pipelines.needs import revision_of
from layerstudio.pipelines.out_of_memory import explained
from layerstudio.pipelines.placement import apply, first_dtype, free_now, sizes_of
from layerstudio.pipelines.preflight import Needs, Plan, check_offload, plan
from layerstudio.pipelines.quiet import quiet_libraries
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.schedulers import make_scheduler
from layerstudio.progress import CancelToken, ProgressCallback


class Driver(Protocol):
    """How one family's pipeline is given its weights and called."""

    kind: type[Any]

    def load(self, pipeline: Any, request: GenerateRequest) -> None:
        """What must be in the pipeline before it is placed on its device."""
        ...

    def weights(self, call: Call, request: GenerateRequest) -> tuple[str, ...]:
        """The registry ids of what makes a call, beside the base."""
        ...

    def arguments(self, call: Call, request: GenerateRequest) -> dict[str, Any]:
        """The call's own arguments, beside those that all families share."""
        ...

    def frames(self, mode: str) -> int:
        """How many pictures are sampled together."""
        ...

    def sampling_values(self, pipeline: Any, extent: Extent) -> int:
        """How many values a loaded pipeline makes for a sampling, beside its networks'."""
        ...


@dataclass
class Ready:
    """A pipeline in its place, and the noise schedule that its base came with.

    ``preview`` is made when it is first asked for.
    """

    pipeline: Any
    plan: Plan
    schedule: Any
    preview: Preview | None = None


class Engine:
    """Makes the calls of one run."""

    def __init__(
        self,
        driver: Driver,
        ready: Ready,
        request: GenerateRequest,
        pictures: Mapping[InputRole, Picture],
        base: tuple[str, str],
        cancel: CancelToken,
        *,
        previews: bool,
    ) -> None:
        self._driver = driver
        self._pipeline = ready.pipeline
        self._request = request
        self._pictures = pictures
        self._base = base
        self._cancel = cancel
        self._preview = ready.preview if previews else None
        self.reason = ready.plan.runtime.reason

    def make(self, call: Call, progress: ProgressCallback) -> Made:
        """Raises ``Cancelled``, ``NumericalFailure``, ``OutOfMemory`` and what loading raises."""
        self._cancel.check()
        arguments = self._common(call) | self._driver.arguments(call, self._request)
        made = self._pipeline(
            **arguments, progress=progress, cancel=self._cancel, preview=self._preview
        )
        weights = self._driver.weights(call, self._request)
        ids = (self._base[0], *weights)
        revisions = (self._base[1], *(revision_of(id) for id in weights))
        return Made(
            _frames(call, made.frames), " + ".join(ids), " + ".join(filter(None, revisions))
        )

    def _common(self, call: Call) -> dict[str, Any]:
        request = self._request
        arguments: dict[str, Any] = {
            "width": call.place.width,
            "height": call.place.height,
            "num_inference_steps": request.steps,
            "guidance_scale": request.guidance,
            "generator": torch.Generator().manual_seed(call.seed),
            "augment": request.augment,
            "output_type": "pil",
        }
        if request.negative_prompt:
            arguments["negative_prompt"] = request.negative_prompt
        if request.controlnet is not None:
            arguments["control_image"] = self._control(call.place)
            arguments["controlnet_conditioning_scale"] = float(request.controlnet.weight)
        if request.ip_adapter is not None:
            style = self._pictures["style"]
            arguments["ip_adapter_image"] = image_of(fitted(style, style.extent)).convert("RGB")
        return arguments

    def _control(self, place: Bounds) -> Image.Image:
        """The part of the control picture that lies at ``place``."""
        assert self._request.extent is not None
        whole = image_of(fitted(self._pictures["control"], self._request.extent)).convert("RGB")
        return whole.crop((place.x, place.y, place.right, place.bottom))


def _frames(call: Call, made: Mapping[str, Any]) -> dict[Frame, U8]:
    """(h, w, 4) by the frames that were asked for; a lone one is that, whatever it is called."""
    found: dict[str, Any] = dict(made)
    if len(made) == 1:
        found = dict.fromkeys(call.prompts, *made.values())
    return {frame: np.asarray(found[frame][0].convert("RGBA")) for frame in call.prompts}


def image_of(pixels: U8) -> Image.Image:
    """(h, w, 4) as PIL, which every pipeline takes."""
    return Image.fromarray(pixels)


@contextmanager
def opened(
    family: Family,
    request: GenerateRequest,
    pictures: Mapping[InputRole, Picture],
    runtime: Runtime,
    cancel: CancelToken,
) -> Iterator[Engine]:
    """An engine for the calls of ``request``, on the last run's pipeline if that fits."""
    _check(runtime, family.modes[request.mode or ""])
    driver = driver_of(family)
    base = find_model(request.base or family.defaults.base, "base model")
    wanted = Wanted(
        kind=driver.kind,
        family=family.id,
        base=base,
        base_id=family.defaults.base,
        dtype=first_dtype(family.id, runtime),
        loras=request.loras,
        controlnet=request.controlnet,
        ip_adapter=request.ip_adapter,
        placement=(
            replace(runtime, previews=False),
            _largest(request),
            request.mode,
            request.variant,
            request.patch_strength,
            _stamps(request),
        ),
    )

    def prepared(pipeline: Any) -> Ready:
        driver.load(pipeline, request)
        planned = plan(_needs(family, driver, request, pipeline), free_now(runtime), runtime)
        with explained(planned, runtime):
            apply(planned, pipeline)
        return Ready(pipeline, planned, pipeline.scheduler.config)

    with (
        quiet_libraries(),
        borrowed(wanted, prepared) as ready,
        explained(ready.plan, runtime),
    ):
        ready.pipeline.scheduler = make_scheduler(request.scheduler or "", ready.schedule)
        if runtime.previews and ready.preview is None:
            ready.preview = preview_for(ready.pipeline, family.id, ready.plan.runtime)
        identity = (base.weights, base.revision)
        yield Engine(driver, ready, request, pictures, identity, cancel, previews=runtime.previews)


def driver_of(family: Family) -> Driver:
    """Importing one family's pipeline does not import the others."""
    if family.id == "sdxl":
        from layerstudio.pipelines.layerdiffuse.sdxl_driver import SDXLDriver

        return SDXLDriver()
    if family.id == "sd15":
        from layerstudio.pipelines.layerdiffuse.sd15_driver import SD15Driver

        return SD15Driver()
    from layerstudio.pipelines.layerdiffuse.flux_driver import FluxDriver

    return FluxDriver()


def _check(runtime: Runtime, mode: Mode) -> None:
    """What this machine or the run cannot have is said before anything is loaded."""
    check_offload(free_now(runtime).kind, runtime, switches_weights=mode.switches_weights)


def _stamps(request: GenerateRequest) -> tuple[int, ...]:
    """When the files that the request names were written: another one may lie there now."""
    adapters = (*request.loras, request.controlnet, request.ip_adapter)
    names = [request.base, *(adapter.source for adapter in adapters if adapter)]
    return tuple(Path(name).stat().st_mtime_ns for name in names if name and Path(name).is_file())


def _largest(request: GenerateRequest) -> Extent:
    assert request.extent is not None
    areas = [request.extent, *(box.extent for box in request.boxes)]
    return max(areas, key=lambda extent: extent.pixel_count).multiple_of(64)


def _needs(family: Family, driver: Driver, request: GenerateRequest, pipeline: Any) -> Needs:
    extras = (getattr(pipeline, name, None) for name in ("controlnet", "image_encoder"))
    return Needs(
        family=family.id,
        extent=_largest(request),
        frames=driver.frames(request.mode or ""),
        guided=family.id != "flux" and (request.guidance or 0) > 1,
        augment=request.augment if pipeline.transparency_decoder is not None else 0,
        extra_parameters=sum(parameter_count(module) for module in extras if module is not None),
        sampling_values=driver.sampling_values(pipeline, _largest(request)),
        switches_weights=family.modes[request.mode or ""].switches_weights,
        sizes=sizes_of(pipeline, family.id),
    )
