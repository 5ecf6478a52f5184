"""The run of ``studio``: its autoencoder, then its transformer, in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from layerstudio.models.studio_codec import StudioCodec
from layerstudio.models.studio_network import StudioNetwork, StudioSize
from layerstudio.pipelines.studio.model import StudioModel
from training.assets import assets_of
from training.loop import Loop, Pace
from training.studio_codec_data import CodecCrops
from training.studio_codec_lesson import CodecLesson, fitted
from training.studio_lesson import StudioLesson
from training.studio_scenes import Stock
from training.studio_sprites import drawings, strangers

_CROP = 64  # pixels


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large and how long: ``codec`` and ``network`` are their paces, ``backdrops`` how many
    backgrounds are kept, ``strangers`` how many drawings without a name."""

    codec: Pace
    network: Pace
    backdrops: int = 400
    strangers: int = 500
    channels: int = 96
    codec_width: int = 64
    heads: int = 4
    head_dim: int = 64
    double_blocks: int = 2
    single_blocks: int = 4
    axes: tuple[int, int, int] = (16, 24, 24)


SCALES = {
    # What the embedded file was made with, in an hour of one core.
    "small": Scale(
        codec=Pace(steps=2600, batch=16, rate=1e-3),
        network=Pace(steps=7500, batch=10, rate=1.2e-3, average=0.999, every=100),
    ),
    "large": Scale(
        codec=Pace(steps=20_000, batch=64, rate=1e-3, every=500),
        network=Pace(steps=40_000, batch=96, rate=6e-4, average=0.9995, every=500),
        backdrops=4000,
        strangers=2000,
        heads=5,
        single_blocks=8,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``name`` is what the scale is called; ``remark`` goes into the card."""

    out: str
    name: str = "small"
    scale: Scale = field(default_factory=lambda: SCALES["small"])
    seed: int = 1
    device: str = "cpu"
    assets: str = "best"
    remark: str = ""


class Run:
    """Each part is seeded by itself, and goes on from its last checkpoint in ``out``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = Path(settings.out)
        self.assets = assets_of(settings.assets)
        self._device = torch.device(settings.device)

    @cached_property
    def codec(self) -> Loop:
        own = self.settings
        torch.manual_seed(own.seed)
        crops = CodecCrops(self.assets, own.seed, _CROP)
        network = fitted(StudioCodec(own.scale.channels, own.scale.codec_width), crops)
        layout = torch.channels_last
        network = network.to(self._device, memory_format=layout)  # type: ignore[call-overload]
        return Loop("codec", network, CodecLesson(crops), own.scale.codec, self.folder)

    @cached_property
    def stock(self) -> Stock:
        codec: StudioCodec = self.codec.average  # type: ignore[assignment]
        own = self.settings.scale
        strange = strangers(self.assets, own.strangers, self.settings.seed)
        return Stock(drawings(self.assets), codec, own.backdrops, self.settings.seed, strange)

    @cached_property
    def network(self) -> Loop:
        own, scale = self.settings, self.settings.scale
        size = StudioSize(
            words=len(self.stock.vocabulary.words),
            channels=scale.channels,
            head_dim=scale.head_dim,
            heads=scale.heads,
            double_blocks=scale.double_blocks,
            single_blocks=scale.single_blocks,
            axes=scale.axes,
        )
        torch.manual_seed(own.seed + 1)
        network = StudioNetwork(size).to(self._device)
        codec: StudioCodec = self.codec.average  # type: ignore[assignment]
        lesson = StudioLesson(self.stock, codec, own.seed)
        return Loop("studio", network, lesson, scale.network, self.folder)

    def train(self) -> Iterator[str]:
        """What is done, now and then. Raises ``NumericalFailure``."""
        for step in self.codec.train():
            yield f"autoencoder: step {step}"
        for step in self.network.train():
            yield f"transformer: step {step}"

    def model(self) -> StudioModel:
        """The average weights of both parts."""
        codec, network = self.codec.average, self.network.average
        return StudioModel(codec, network, self.stock.vocabulary)  # type: ignore[arg-type]
