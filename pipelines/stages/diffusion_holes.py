"""Holes of a picture of any size filled by an inpainting pipeline of diffusers.

Each hole is worked in a box with enough around it, at about the number of pixels that the model was
trained at; holes that fit into one box share it. Known pixels are the picture's own afterwards, and
what was made goes on from their colours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cv2
import diffusers
import numpy as np
import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image

from layerstudio.color import U8
from layerstudio.errors import MismatchedWeights, UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.inpaint_boxes import Work, boxes_of
from layerstudio.models.sizes import Family
from layerstudio.ops.fill_smooth import fill_smooth
from layerstudio.ops.matched import matched
from layerstudio.pipelines.base_family import check_network
from layerstudio.pipelines.base_models import Found, find_model
from layerstudio.pipelines.loading import Wanted, borrowed
from layerstudio.pipelines.out_of_memory import explained
from layerstudio.pipelines.placement import apply, first_dtype, free_now, sizes_of
from layerstudio.pipelines.preflight import Needs, Plan, check_offload, plan
from layerstudio.pipelines.quiet import quiet_libraries
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Mask
from layerstudio.pipelines.stages.diffusion_recipes import Recipe
from layerstudio.pipelines.steps import StepWatcher
from layerstudio.progress import CancelToken, Progress, ProgressCallback

_NETWORKS = {"unet": UNet2DConditionModel, "transformer": FluxTransformer2DModel}
_WHAT = "inpainting model"
# A box is at least this share of the trained side, so that little is enlarged before it is seen.
_LEAST = 0.5
# Pixels, at the working size, that a hole is widened by for the network: a cell of the latents that
# a hole only touches is seen through the autoencoder, which mixes what is in it.
_WIDER = 8


@dataclass(frozen=True)
class Filling:
    recipe: Recipe
    base: str
    runtime: Runtime
    prompt: str
    seed: int


def check_model(name: str, recipe: Recipe) -> Found:
    """Where the model lies; raises ``MissingWeights``, ``UnreadableFile``, ``InvalidRequest``, and
    ``MismatchedWeights`` for one that does not fill holes or is not whole."""
    found = find_model(name, _WHAT)
    _check(found, recipe.family, recipe)
    return found


def filled(
    rgb: U8, holes: Mask, how: Filling, *, progress: ProgressCallback, cancel: CancelToken
) -> U8:
    """``rgb`` with ``holes`` made up anew, all other pixels unchanged; equal for equal seeds."""
    cancel.check()
    result, open_ = rgb.copy(), holes.copy()
    if not holes.any():
        return result
    found = check_model(how.base, how.recipe)
    side = _trained_side(found, how.recipe)
    works = _grouped(boxes_of(holes, side * side), Extent.of(rgb), side)
    progress(Progress("loading", 0.0))
    with _opened(found, how, side) as pipeline:
        for index, (box, own) in enumerate(works):
            span = (index / len(works), (index + 1) / len(works))
            watcher = StepWatcher(
                progress=progress, cancel=cancel, span=span, stage="filling holes"
            )
            made = _made(pipeline, result[box.slices], open_[box.slices], how, side, watcher)
            place = result[box.slices]
            place[own] = matched(place, made, open_[box.slices])[own]
            open_[box.slices][own] = False
    progress(Progress("filling holes", 1.0))
    return result


def _made(pipeline: Any, rgb: U8, holes: Mask, how: Filling, side: int, watcher: StepWatcher) -> U8:
    """The whole of a box as the pipeline paints it, at the box's size."""
    extent = Extent.of(rgb)
    working = _working(extent, side, how.recipe.multiple)
    # What is in a hole must not show through: at full strength some of it still would.
    known = fill_smooth(rgb, holes)
    picture, mask = (
        Image.fromarray(x).resize((working.width, working.height), Image.Resampling.LANCZOS)
        for x in (known, holes.astype(np.uint8) * 255)
    )
    wide = np.ones((2 * _WIDER + 1,) * 2, np.uint8)
    touched = cv2.dilate((np.asarray(mask) > 0).astype(np.uint8) * 255, wide)
    painted = pipeline(
        prompt=how.prompt,
        image=picture,
        mask_image=Image.fromarray(touched),
        height=working.height,
        width=working.width,
        generator=torch.Generator().manual_seed(how.seed),
        callback_on_step_end=watcher,
        callback_on_step_end_tensor_inputs=watcher.tensor_inputs,
        **how.recipe.options,
    ).images[0]
    return np.asarray(
        painted.convert("RGB").resize((extent.width, extent.height), Image.Resampling.LANCZOS)
    )


def _working(extent: Extent, side: int, multiple: int) -> Extent:
    """About ``side``² pixels in the proportions of ``extent``."""
    scale = side / extent.pixel_count**0.5
    width, height = (
        max(multiple, round(length * scale / multiple) * multiple) for length in extent
    )
    return Extent(width, height)


def _grouped(works: list[Work], extent: Extent, side: int) -> list[Work]:
    """Each box as large as the model needs, and those in one that fit into it together: every box
    costs the same, whatever is in it."""
    groups: list[tuple[Bounds, list[Work]]] = []
    for work in works:
        box = _grown(work.box, extent, round(_LEAST * side))
        for index, (other, members) in enumerate(groups):
            union = box.union(other)
            if union.area <= side * side:
                groups[index] = (union, [*members, work])
                break
        else:
            groups.append((box, [work]))
    return [Work(box, _owned(box, members)) for box, members in groups]


def _owned(box: Bounds, members: list[Work]) -> Mask:
    own = np.zeros(box.extent.shape, bool)
    for work in members:
        own[work.box.relative_to(box).slices] |= work.own
    return own


def _grown(box: Bounds, extent: Extent, least: int) -> Bounds:
    """``box`` with sides of at least ``least`` where the picture has room."""
    margin = max(0, least - box.width), max(0, least - box.height)
    width, height = (
        min(whole, own + more) for whole, own, more in zip(extent, box.extent, margin, strict=True)
    )
    x = min(max(0, box.x - margin[0] // 2), extent.width - width)
    y = min(max(0, box.y - margin[1] // 2), extent.height - height)
    return Bounds(x, y, width, height)


@contextmanager
def _opened(found: Found, how: Filling, side: int) -> Iterator[Any]:
    """The pipeline in its place, from the last run where that was the same."""
    recipe, runtime = how.recipe, how.runtime
    check_offload(free_now(runtime).kind, runtime, switches_weights=False)
    wanted = Wanted(
        kind=getattr(diffusers, recipe.pipeline),
        family=recipe.family,
        base=found,
        base_id=recipe.base_id,
        dtype=first_dtype(recipe.family, runtime),
        placement=(replace(runtime, previews=False), side, _stamps(found)),
        check=_unchecked,
    )

    def prepared(pipeline: Any) -> tuple[Any, Plan]:
        if hasattr(pipeline, "watermark"):
            pipeline.watermark = None
        needs = Needs(
            family=recipe.family,
            extent=Extent(side, side),
            guided=recipe.guided,
            augment=0,
            sizes=sizes_of(pipeline, recipe.family),
        )
        planned = plan(needs, free_now(runtime), runtime)
        with explained(planned, runtime):
            apply(planned, pipeline)
        return pipeline, planned

    with (
        quiet_libraries(),
        borrowed(wanted, prepared) as (pipeline, planned),
        explained(planned, runtime),
    ):
        yield pipeline


def _unchecked(found: Found, family: Family) -> None:
    """``check_model`` has looked already."""


def _check(found: Found, family: Family, recipe: Recipe) -> None:
    if found.path.is_file():
        raise UnreadableFile(
            f"The {_WHAT} {found.weights!r} is a single file.",
            advice="Give a folder as diffusers saves it, or a hub id.",
        )
    channels = _config(found, recipe.denoiser).get("in_channels")
    if channels not in recipe.channels:
        wanted = " or ".join(map(str, recipe.channels))
        raise MismatchedWeights(
            f"{found.weights!r} is no {_WHAT} of this kind: its network takes {channels} channels, "
            f"not {wanted}.",
            advice="Choose the inpainting model that the stage names.",
        )
    check_network(found, recipe.denoiser, _NETWORKS[recipe.denoiser])


def _trained_side(found: Found, recipe: Recipe) -> int:
    """What the configuration says, in latents of eight pixels, else the published one."""
    latents = _config(found, recipe.denoiser).get("sample_size")
    return latents * 8 if isinstance(latents, int) and latents > 0 else recipe.side


def _config(found: Found, name: str) -> dict[str, Any]:
    path = found.path / name / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(
            f"{str(found.path)!r} is no {_WHAT} of this kind: it has no sound {name}/config.json.",
            advice="Give a folder as diffusers saves it.",
        ) from error
    return config if isinstance(config, dict) else {}


def _stamps(found: Found) -> tuple[int, ...]:
    """When the files that are read were written: others may lie there now."""
    return tuple(path.stat().st_mtime_ns for path in sorted(found.path.rglob("*.safetensors")))
