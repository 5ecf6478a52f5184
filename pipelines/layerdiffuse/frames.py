"""Denoised frames as pictures, and the pictures as layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from layerstudio.color import U8
from layerstudio.document import Document, Role
from layerstudio.geometry import Extent
from layerstudio.models.transparent_vae import Augment, decode_rgba
from layerstudio.pipelines.layerdiffuse.sharing_modes import Frame
from layerstudio.pipelines.output import LayerStackOutput
from layerstudio.pipelines.stacking import layer_of, stack
from layerstudio.pipelines.steps import Canvas, as_output, check_finite, to_uint8
from layerstudio.pipelines.vae_steps import decode_rgb, unscaled
from layerstudio.progress import CancelToken, Progress, ProgressCallback

_ROLES: Mapping[Frame, Role] = {
    "foreground": Role.OBJECT,
    "background": Role.BACKGROUND,
    "blended": Role.BACKGROUND,
}


def decode_frames(
    pipeline: Any,
    frames: Sequence[Frame],
    latents: Tensor,
    canvas: Canvas,
    output_type: str,
    augment: Augment,
    *,
    progress: ProgressCallback,
    cancel: CancelToken | None,
    start: float,
) -> dict[Frame, Tensor]:
    """Rows of denoised latents, ``frames`` fastest, as pictures (b, 3 or 4, h, w) in [0, 1].

    The foreground goes through the transparency decoder, all else through the VAE alone. ``start``
    is the share of the job that lies behind. ``output_type="latent"`` leaves latents as they are.
    """
    rows: dict[Frame, Tensor] = {
        frame: latents[index :: len(frames)] for index, frame in enumerate(frames)
    }
    if output_type == "latent":
        return rows
    check = (cancel or CancelToken()).check
    decoded: dict[Frame, Tensor] = {}
    for index, (frame, scaled) in enumerate(rows.items()):
        begin = start + (1 - start) * index / len(rows)
        if frame == "foreground":
            decoder = pipeline.transparency_decoder
            pictures = decode_rgba(
                pipeline.vae,
                decoder,
                unscaled(pipeline.vae, scaled),
                augment=augment,
                progress=lambda share, begin=begin: progress(
                    Progress("decoding", begin + (1 - start) * share / len(rows))
                ),
                check=check,
            )
        else:
            pictures = decode_opaque(pipeline.vae, scaled, check)
        decoded[frame] = screened(pipeline, canvas.crop(pictures))
    progress(Progress("decoding", 1.0))
    return decoded


def decode_opaque(vae: Any, latents: Tensor, check: Callable[[], None]) -> Tensor:
    """Scaled latents (b, c, h, w) to (b, 3, 8 h, 8 w) in [0, 1], one picture at a time.

    ``check`` is called before each, and may raise.
    """
    pictures = []
    for row in latents.split(1):
        check()
        pictures.append(decode_rgb(vae, row))
    found = torch.cat(pictures)
    check_finite(found, "decoded pictures")
    return found


def screened(pipeline: Any, pictures: Tensor) -> Tensor:
    """``pictures`` with those that diffusers' safety checker objects to made empty."""
    if pipeline.safety_checker is None:
        return pictures
    alpha = pictures[:, 3:] if pictures.shape[1] == 4 else torch.ones_like(pictures[:, :1])
    on_white = pictures[:, :3] * alpha + 1 - alpha
    checker = pipeline.safety_checker
    _, objections = pipeline.run_safety_checker(on_white * 2 - 1, checker.device, checker.dtype)
    fine = torch.tensor([not objection for objection in objections], device=pictures.device)
    return pictures * fine[:, None, None, None]


def stack_output(
    frames: Mapping[Frame, Tensor],
    latents: Tensor,
    given: Mapping[Frame, Tensor],
    canvas: Canvas,
    output_type: str,
) -> LayerStackOutput:
    """What a pipeline returns; the first of ``frames`` is what was asked for.

    ``given`` is what they were built on, (b or 1, 4, H, W) of the padded size.
    """
    first = next(iter(frames))
    if output_type == "latent":
        return LayerStackOutput(frames[first], latents, {**frames})
    built: dict[Frame, Tensor] = {frame: canvas.crop(one) for frame, one in given.items()}
    shown = {str(frame): as_output(one, output_type) for frame, one in frames.items()}
    return LayerStackOutput(shown[first], latents, shown, frame_documents(frames, built))


def frame_documents(
    frames: Mapping[Frame, Tensor], given: Mapping[Frame, Tensor]
) -> list[Document]:
    """One document for each picture: background, foreground and, hidden, the blend.

    ``frames`` were made, (b, 3 or 4, h, w) in [0, 1]; ``given`` was built on, one for all or one
    for each.
    """
    pixels: dict[Frame, U8] = {}
    for known in (given, frames):
        pixels.update((frame, to_uint8(_with_alpha(one))) for frame, one in known.items())
    count = len(next(iter(frames.values())))
    documents = []
    for index in range(count):
        own: dict[Frame, U8] = {frame: made[index % len(made)] for frame, made in pixels.items()}
        documents.append(_document(own))
    return documents


def _document(pixels: Mapping[Frame, U8]) -> Document:
    layers = {f: layer_of(f.capitalize(), one, _ROLES[f]) for f, one in pixels.items()}
    return stack(
        Extent.of(next(iter(pixels.values()))),
        background=layers.get("background"),
        foregrounds=[layers["foreground"]] if "foreground" in layers else [],
        blended=layers.get("blended"),
    )


def _with_alpha(pictures: Tensor) -> Tensor:
    if pictures.shape[1] == 4:
        return pictures
    return torch.cat((pictures, torch.ones_like(pictures[:, :1])), dim=1)
