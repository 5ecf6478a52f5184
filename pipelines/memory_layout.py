"""The memory that each stage of a run takes on a device, by what is kept there; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from layerstudio.geometry import Extent
from layerstudio.machine import GIB
from layerstudio.models.sizes import (
    FAMILIES,
    MULTILAYER_DECODER,
    TRANSPARENCY_DECODER,
    Family,
    FamilySizes,
    Network,
    denoise_values,
    layer_decoder_values,
    transparency_values,
    vae_values,
)

# Kernels' workspaces and the allocator's rounding, which are not counted: a tenth of the
# activations and this much. An allowance, not a measurement.
_OVERHEAD_SHARE = 0.1
_OVERHEAD = {"cuda": GIB // 2, "cpu": GIB // 4}

_TRANSPARENCY_TILE = 2048  # pixels: the transparency decoder goes in tiles beyond this anyway
_VALUE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}

Dtype = Literal["float32", "float16", "bfloat16"]
Offload = Literal["none", "model", "sequential"]
Kind = Literal["cuda", "cpu"]
Stage = Literal["encode", "sample", "decode"]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """A run, as far as memory goes.

    ``extent`` is the padded canvas in pixels, ``frames`` how many pictures are sampled together (3
    for SD 1.5's foreground, background and blend), ``guided`` whether guidance doubles the batch,
    ``augment`` the passes of the transparency decoder (0 if it is not used), ``extra_parameters``
    those of ControlNet and IP-Adapter beside the denoiser, ``sampling_values`` what is made on the
    device for a sampling and let go after it: SD 1.5's merged weights of frames and the maps of
    their condition. ``switches_weights`` is whether weights change between two steps or calls,
    which those that are offloaded layer by layer cannot. ``sizes`` are the networks' if they are
    other than the family's published ones. ``layer_tokens`` are those inside the boxes of a
    document that is made of layers at once, those of layers with a prompt of their own counted
    twice; 0 for single pictures. ``family`` is None for models of another kind, which come with
    their ``sizes`` and a ``title``.
    """

    family: Family | None
    extent: Extent
    frames: int = 1
    guided: bool = True
    augment: int = 8
    extra_parameters: int = 0
    sampling_values: int = 0
    switches_weights: bool = False
    sizes: FamilySizes | None = None
    layer_tokens: int = 0
    title: str = ""

    @property
    def networks(self) -> FamilySizes:
        if self.sizes is not None:
            return self.sizes
        assert self.family is not None, "a model of no known family comes with its sizes"
        return FAMILIES[self.family]

    @property
    def transparency(self) -> Network:
        """What decides alpha."""
        return MULTILAYER_DECODER if self.layer_tokens else TRANSPARENCY_DECODER

    @property
    def branches(self) -> int:
        """Forward passes that a step makes of each picture."""
        return 2 if self.guided else 1


@dataclass(frozen=True)
class Layout:
    """What is where, in which precision, and what each stage of a run then takes of the device.

    ``kind`` is "cuda" or "cpu", ``tile`` the autoencoder's in pixels.
    """

    needs: Needs
    kind: str
    dtype: Dtype
    offload: Offload
    tile: int | None

    @property
    def value(self) -> int:
        return _VALUE_BYTES[self.dtype]

    @property
    def vae_value(self) -> int:
        is_upcast = self.needs.networks.is_vae_upcast and self.dtype == "float16"
        return 4 if is_upcast else self.value

    def weights(self, stage: Stage) -> int:
        """Bytes of the networks on the device while a stage runs."""
        parts = self._parts()
        if self.offload == "sequential":
            return self._largest_layer(stage)
        if self.offload == "model":
            encoders = [n.parameters * self.value for n in self.needs.networks.encoders]
            return max(encoders) if stage == "encode" else parts[stage]
        return sum(parts.values())

    def host(self) -> int:
        """Bytes of main memory that a GPU's weights need: all, or those on their way to it."""
        parts = self._parts()
        if self.offload == "none":
            return max(parts.values())
        # What is merged for a sampling lies where the denoiser does; layer by layer, on the GPU.
        merged = self.needs.sampling_values * self.value if self.offload == "model" else 0
        return sum(parts.values()) + merged

    def encode(self) -> int:
        """Bytes while the prompts become embeddings."""
        prompts = self.needs.branches
        return self._total("encode", prompts * self.needs.networks.encode_values * self.value)

    def sample(self) -> int:
        """Bytes while all frames of a picture are sampled together."""
        needs = self.needs
        rows = needs.frames * needs.branches
        tokens = needs.layer_tokens or None
        values = denoise_values(needs.networks, *needs.extent, rows, tokens)
        return self._total("sample", values * self.value, needs.sampling_values * self.value)

    def decode(self) -> int:
        """Bytes while the autoencoder decodes one picture, and keeps those of the other frames."""
        extent = self.needs.extent
        kept = 3 * self.needs.frames * extent.pixel_count
        values = vae_values(*extent, 1, self.tile) + kept
        return self._total("decode", values * self.vae_value)

    def separate(self) -> int:
        """Bytes while a picture becomes colour and alpha, by one pass of the decoder at a time.

        More run together where more is free (``transparent_passes.py``); 0 without the decoder.
        """
        needs = self.needs
        if not needs.augment:
            return 0
        if needs.layer_tokens:
            values = layer_decoder_values(needs.layer_tokens)
            return self._total("decode", values * self.value)
        # In float32, four channels: finished pictures, and what waits for its median.
        kept = 4 * 4 * needs.extent.pixel_count * (needs.augment + 2)
        values = transparency_values(*needs.extent, 1, tile=_TRANSPARENCY_TILE)
        return self._total("decode", values * self.value, kept)

    def stages(self) -> dict[str, int]:
        """Bytes on the device in each stage."""
        return {
            "encode": self.encode(),
            "sample": self.sample(),
            "decode": self.decode(),
            "separate": self.separate(),
        }

    def _total(self, stage: Stage, activations: int, kept: int = 0) -> int:
        overhead = int(activations * _OVERHEAD_SHARE) + _OVERHEAD[self.kind]
        return self.weights(stage) + activations + kept + overhead

    def _parts(self) -> dict[Stage, int]:
        sizes = self.needs.networks
        transparency = self.needs.transparency.parameters if self.needs.augment else 0
        return {
            "encode": sum(n.parameters for n in sizes.encoders) * self.value,
            "sample": (sizes.denoiser.parameters + self.needs.extra_parameters) * self.value,
            "decode": sizes.vae.parameters * self.vae_value + transparency * self.value,
        }

    def _largest_layer(self, stage: Stage) -> int:
        sizes = self.needs.networks
        layers: dict[Stage, int] = {
            "encode": max(n.largest_layer for n in sizes.encoders),
            "sample": sizes.denoiser.largest_layer,
            "decode": max(sizes.vae.largest_layer, self.needs.transparency.largest_layer),
        }
        return layers[stage] * (self.vae_value if stage == "decode" else self.value)
