"""What a run reads and how: source, codec and text encoders by its settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import nn

from layerstudio.errors import InvalidRequest, MissingWeights
from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from training.multilayer_codec import CHANNELS, CachedCodec, Codec, FluxCodec, PatchCodec
from training.multilayer_settings import Settings
from training.multilayer_sources import Source, source_of
from training.multilayer_text import FluxReader, HashedWords, Reader

PATCHES = "patches.safetensors"
_FITTED_TO = 64  # examples


@dataclass(frozen=True)
class Materials:
    source: Source
    codec: Codec
    reader: Reader

    @classmethod
    def of(cls, settings: Settings, device: torch.device) -> Materials:
        """With a base, FLUX's VAE and text encoders; without one, the stand-ins that need no
        checkpoint, the codec fitted once a run and kept in its folder.

        Raises ``InvalidRequest`` and ``MissingWeights``.
        """
        source = source_of(
            settings.data,
            count=settings.count,
            longest=settings.size,
            most_layers=settings.most_layers,
        )
        if settings.base is None:
            codec: Codec = _patch_codec(source, Path(settings.out) / PATCHES)
            return cls(source, _cached(codec, settings), HashedWords())
        base = Path(settings.base)
        codec = _flux_codec(base, settings.decoder, device)
        reader = FluxReader(base, device, settings.text_length)
        return cls(source, _cached(codec, settings), reader)

    def check(self, network: MultiLayerTransformer) -> None:
        """Raises ``InvalidRequest`` where the network cannot read these texts and tokens."""
        names = ("in_channels", "joint_attention_dim", "pooled_projection_dim")
        own = tuple(network.config[name] for name in names)
        needed = (CHANNELS, *self.reader.widths)
        if own != needed:
            pairs = zip(names, needed, own, strict=True)
            differing = ", ".join(f"{n} {a}, not {b}" for n, a, b in pairs if a != b)
            raise InvalidRequest(
                f"The network does not fit the encoders, which need {differing}.",
                advice="Train a FLUX transformer with --base, a toy network without.",
            )


def _patch_codec(source: Source, path: Path) -> PatchCodec:
    if not path.is_file():
        count = min(source.size or _FITTED_TO, _FITTED_TO)
        path.parent.mkdir(parents=True, exist_ok=True)
        PatchCodec.fitted(source.example(number) for number in range(count)).save(path)
    return PatchCodec.load(path)


def _flux_codec(base: Path, decoder: str | None, device: torch.device) -> FluxCodec:
    if not (base / "vae").is_dir():
        raise MissingWeights(
            f"{str(base)!r} holds no VAE.", advice="Give a FLUX.1 checkpoint in diffusers' layout."
        )
    vae = AutoencoderKL.from_pretrained(base / "vae")
    alpha = MultiLayerDecoder.from_pretrained(decoder) if decoder else None
    for network in (vae, alpha):
        if network is not None:
            nn.Module.to(network, device).eval()
    return FluxCodec(vae, alpha)


def _cached(codec: Codec, settings: Settings) -> Codec:
    return CachedCodec(codec, Path(settings.cache)) if settings.cache else codec
