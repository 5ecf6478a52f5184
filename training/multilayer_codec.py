"""Pictures of layers to the tokens that are diffused, and back."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from layerstudio.geometry import Bounds
from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.models.regions import Regions, patchify, unpatchify
from layerstudio.pipelines.multilayer.decoding import decode_layers
from layerstudio.pipelines.multilayer.encoding import given_tokens
from layerstudio.pipelines.vae_steps import decode_rgb
from training.multilayer_data import MULTIPLE, Example

CHANNELS = 64  # of a token: 16 latent channels of 2 x 2
_LEAST_POWER = 1e-6  # directions that fewer pictures than channels leave empty


class Codec(Protocol):
    """``name`` tells apart what different codecs make of the same picture."""

    name: str

    def encode(self, picture: Tensor, regions: Regions) -> Tensor:
        """(1, 4, H, W) straight in [0, 1] to tokens (count, 64) of the one box of ``regions``."""
        ...

    def decode(self, tokens: Tensor, regions: Regions) -> list[Tensor | None]:
        """(4, h, w) straight in [0, 1] for each box of ``regions``."""
        ...


def encoded(codec: Codec, example: Example) -> Tensor:
    """(count, 64) float32 on the CPU: every entry's tokens, the composite first."""
    regions = example.regions
    numbers = range(len(regions.boxes))
    parts = (codec.encode(example.picture(k), regions.only(k)) for k in numbers)
    return torch.cat([part.float().cpu() for part in parts])


class FluxCodec:
    """FLUX's VAE on mid grey, as ART trains; ``decoder`` gives alpha back.

    Without a decoder what comes back is opaque: the layer as it lies on grey.
    """

    def __init__(self, vae: Any, decoder: MultiLayerDecoder | None = None) -> None:
        self._vae = vae
        self._decoder = decoder
        self.name = f"flux-{vae.config.latent_channels}-{vae.config.scaling_factor}"

    def encode(self, picture: Tensor, regions: Regions) -> Tensor:
        number = next(k for k, box in enumerate(regions.boxes) if box)
        return given_tokens(self._vae, [(number, picture)], regions)[0]

    @torch.no_grad()
    def decode(self, tokens: Tensor, regions: Regions) -> list[Tensor | None]:
        tokens = tokens.to(self._vae.device, self._vae.dtype)
        if self._decoder is not None:
            layers = decode_layers(self._vae, self._decoder, tokens, regions)
            return [layer and layer.rgba for layer in layers]
        return [own if own is None else self._on_grey(own) for own in _by_box(tokens, regions)]

    def _on_grey(self, tokens: Tensor) -> Tensor:
        rgb = decode_rgb(self._vae, unpatchify(tokens[None]))[0].float().cpu()
        return torch.cat([rgb, torch.ones_like(rgb[:1])])


class PatchCodec:
    """For runs without any checkpoint: a linear map of patches, fitted to the training pictures.

    A token is its 16 x 16 pixels, colour on mid grey and alpha, projected on the 64 directions in
    which the data varies most (principal components). It is no VAE: nothing is learned beyond the
    data it was fitted to, and detail finer than those directions is lost. Directions are scaled by
    the root of their deviation, half way to equal power: fine detail, which varies little, would
    else drown in the noise until the very last steps.
    """

    def __init__(self, mean: Tensor, directions: Tensor, scale: Tensor) -> None:
        """``mean`` (1024,), orthonormal ``directions`` (64, 1024), ``scale`` (64,)."""
        self._mean, self._directions, self._scale = mean, directions, scale
        content = b"".join(x.numpy().tobytes() for x in (mean, directions, scale))
        self.name = f"patches-{hashlib.sha256(content).hexdigest()[:12]}"

    @classmethod
    def fitted(cls, examples: Iterable[Example]) -> PatchCodec:
        patches = torch.cat([_patches(example) for example in examples])
        mean = patches.mean(0)
        centred = patches - mean
        _, directions = torch.linalg.eigh(centred.T @ centred)
        directions = directions.flip(1)[:, :CHANNELS].T.contiguous()
        root = (centred @ directions.T).square().mean(0).clamp(min=_LEAST_POWER).sqrt().sqrt()
        power = ((centred @ directions.T) / root).square().mean()
        return cls(mean, directions, root * power.sqrt())

    @classmethod
    def load(cls, path: Path) -> PatchCodec:
        return cls(**load_file(path))

    def save(self, path: Path) -> None:
        parts = {"mean": self._mean, "directions": self._directions, "scale": self._scale}
        save_file(parts, path)

    def encode(self, picture: Tensor, regions: Regions) -> Tensor:
        patches = regions.gather(patchify(_on_grey(picture), MULTIPLE)[0])
        return (patches - self._mean) @ self._directions.T / self._scale

    def decode(self, tokens: Tensor, regions: Regions) -> list[Tensor | None]:
        patches = tokens.float().cpu() * self._scale @ self._directions + self._mean
        return [
            own if own is None else _straight(unpatchify(own[None], MULTIPLE)[0])
            for own in _by_box(patches, regions)
        ]


class CachedCodec:
    """Another codec, its tokens kept in files by what was encoded, so that merged layers and other
    sizes are entries of their own and nothing is ever stale."""

    def __init__(self, codec: Codec, folder: Path) -> None:
        self._codec = codec
        self._folder = folder
        self.name = codec.name

    def encode(self, picture: Tensor, regions: Regions) -> Tensor:
        digest = hashlib.sha256(f"{self.name} {tuple(picture.shape)} {regions.boxes}".encode())
        digest.update(picture.numpy().tobytes())
        key = digest.hexdigest()
        path = self._folder / key[:2] / f"{key}.safetensors"
        if path.is_file():
            return load_file(path)["tokens"]
        tokens = self._codec.encode(picture, regions).cpu().contiguous()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{uuid.uuid4().hex[:12]}.part")
        save_file({"tokens": tokens}, partial)
        os.replace(partial, path)
        return tokens

    def decode(self, tokens: Tensor, regions: Regions) -> list[Tensor | None]:
        return self._codec.decode(tokens, regions)


def _patches(example: Example) -> Tensor:
    """(count, 1024) of all entries."""
    regions = example.regions
    return torch.cat(
        [
            regions.only(k).gather(patchify(_on_grey(example.picture(k)), MULTIPLE)[0])
            for k in range(len(regions.boxes))
        ]
    )


def _on_grey(picture: Tensor) -> Tensor:
    """Straight (1, 4, H, W) in [0, 1] to (colour on mid grey, alpha) in [-1, 1]."""
    alpha = picture[:, 3:]
    return torch.cat([(picture[:, :3] - 0.5) * alpha * 2, alpha * 2 - 1], dim=1)


def _straight(on_grey: Tensor) -> Tensor:
    """The inverse for (4, h, w); colour that alpha hides is mid grey."""
    alpha = (on_grey[3:] / 2 + 0.5).clamp(0, 1)
    colour = 0.5 + on_grey[:3] / 2 / alpha.clamp(min=1 / 255)
    return torch.cat([colour.clamp(0, 1), alpha])


def _by_box(tokens: Tensor, regions: Regions) -> list[Tensor | None]:
    """(rows, columns, c) of each box."""
    boxes: list[Bounds | None] = list(regions.boxes)
    parts = iter(tokens.split([box.extent.pixel_count for box in boxes if box]))
    return [box and next(parts).unflatten(0, box.extent.shape) for box in boxes]
