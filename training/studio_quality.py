"""How good the model of ``studio`` is: its autoencoder on clip art that it has not seen, and
whether each word of the held-back captions is there as a layer of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from layerstudio.color import F32, U8, premultiply, to_float
from layerstudio.document import Document, Layer, Role
from layerstudio.generate_request import GenerateRequest
from layerstudio.models.studio_codec import StudioCodec, on_grey
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.studio.method import StudioMethod
from layerstudio.pipelines.studio.model import StudioModel
from layerstudio.pipelines.studio.reading import read_prompt
from layerstudio.pipelines.studio.resolving import resolve
from layerstudio.pipelines.studio.running import document_of
from layerstudio.progress import CancelToken, ignore_progress
from training.assets import Assets
from training.studio_sprites import SIDE, Drawing, squared

_EVERY = 4  # of the dev split's clip art
_MARGIN = 4
_COARSE = 4  # pixels of a square that is compared


def codec_quality(codec: StudioCodec, assets: Assets) -> dict[str, float]:
    """On every fourth drawing of the dev split, in squares of 128 pixels: PSNR of colour on grey,
    the mean over drawings and that of the mean error, and the mean absolute error of alpha."""
    errors, alphas = [], []
    for name in assets.sprite_names("dev")[::_EVERY]:
        sprite = assets.sprite(name, SIDE - 2 * _MARGIN)
        if sprite is None:
            continue
        own = torch.from_numpy(to_float(squared(sprite))).movedim(-1, 0)[None]
        true = on_grey(own).to(codec.mean.device)
        with torch.inference_mode():
            off = codec.decode(codec.encode(true)).clamp(-1, 1).float() - true
        errors.append(float(off[:, :3].square().mean()) / 4)
        alphas.append(float(off[:, 3].abs().mean()) / 2)
    return {
        "drawings": len(errors),
        "psnr_mean": round(float(np.mean(-10 * np.log10(errors))), 2),
        "psnr_of_mean": round(float(-10 * np.log10(np.mean(errors))), 2),
        "alpha_error": round(float(np.mean(alphas)), 5),
    }


@dataclass(frozen=True, eq=False)
class Shown:
    """A caption and what was made of it; ``hits`` says of each thing whether it was recognised."""

    caption: str
    document: Document
    hits: tuple[bool, ...]
    seconds: float


def shown(
    model: StudioModel, drawings: Sequence[Drawing], captions: Sequence[str], seed: int
) -> list[Shown]:
    """Each caption made once. A thing is recognised if, of all drawings that the model learned
    from, the one nearest to its layer is of the noun asked for."""
    found = []
    for index, caption in enumerate(captions):
        request = resolve(GenerateRequest(prompt=caption, seed=seed + index), {}, StudioMethod.card)
        began = time.monotonic()
        document = document_of(model, request, {}, Runtime(), ignore_progress, CancelToken())
        seconds = time.monotonic() - began
        things = read_prompt(caption, model.vocabulary).things
        layers = [layer for layer in document.layers if layer.role is not Role.BACKGROUND]
        hits = tuple(
            nearest(layer, drawings).noun == thing.noun
            for layer, thing in zip(layers, things, strict=True)
        )
        found.append(Shown(caption, document, hits, seconds))
    return found


def nearest(layer: Layer, drawings: Sequence[Drawing]) -> Drawing:
    """The drawing with the least squared difference of premultiplied colour and alpha."""
    own = _coarse(squared(np.asarray(layer.cropped_to_content().pixels, np.uint8)))
    off = [float(np.square(own - _coarse(drawing.pixels)).sum()) for drawing in drawings]
    return drawings[int(np.argmin(off))]


def _coarse(pixels: U8) -> F32:
    """(side, side, 4) premultiplied, averaged over small squares."""
    own = premultiply(to_float(pixels))
    count = SIDE // _COARSE
    return own.reshape(count, _COARSE, count, _COARSE, 4).mean((1, 3))
