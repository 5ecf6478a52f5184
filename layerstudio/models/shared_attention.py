"""Attention in which a picture's frames have weights of their own and see each other.

One processor stands in for each attention module of SD 1.5's UNet while pictures are sampled,
with weights that were merged before the first step (``frame_weights.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, get_args

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers.utils.peft_utils import scale_lora_layers, unscale_lora_layers
from torch import Tensor, nn

from layerstudio.errors import InvalidRequest
from layerstudio.models.attention import Backend, attention
from layerstudio.models.attention_sharing import (
    NORM_EPS,
    AttentionSharing,
    SharingUnit,
    attention_sites,
)
from layerstudio.models.frame_weights import across_frames, projections
from layerstudio.models.image_prompts import ImagePrompt, attend_to_images

Signals = dict[int, Tensor]


@contextmanager
def sharing_attention(
    unet: nn.Module,
    sharing: AttentionSharing,
    *,
    strength: float = 1.0,
    signals: Signals | None = None,
    device: torch.device | None = None,
    lora_scale: float | None = None,
) -> Iterator[None]:
    """Attention of ``unet`` goes through ``sharing`` inside the ``with``; after it, as before.

    The batch must be pictures of ``sharing.frames`` rows each, frames fastest. ``strength`` is how
    much of the published change there is: 0 is the UNet itself. ``signals`` is what the control
    encoder made of the condition, for one picture or each. Weights are merged on ``device``
    (default: where the UNet is) and then lie where the UNet's do; LoRAs count as they are switched
    on at that moment, at ``lora_scale``. IP-Adapters keep working; what
    else the processors did before does not happen in the meantime.

    Raises ``InvalidRequest`` if ``sharing`` needs a condition that is not there or has none.
    """
    if (sharing.kwargs_encoder is None) != (signals is None):
        verb = "needs" if signals is None else "takes no"
        raise InvalidRequest(f"Attention sharing with these weights {verb} condition.")
    sites = attention_sites(unet)
    previous = [site.processor for site in sites]
    with _lora_scaled(unet, lora_scale):
        processors = [
            SharedAttention(unit, site, strength, signals, device)
            for unit, site in zip(sharing.units(), sites, strict=True)
        ]
    try:
        for site, processor in zip(sites, processors, strict=True):
            site.set_processor(processor)
        yield
    finally:
        for site, processor in zip(sites, previous, strict=True):
            site.set_processor(processor)


@contextmanager
def _lora_scaled(unet: nn.Module, scale: float | None) -> Iterator[None]:
    if scale is None:
        yield
        return
    scale_lora_layers(unet, scale)
    try:
        yield
    finally:
        unscale_lora_layers(unet, scale)


class SharedAttention(nn.Module):
    """A diffusers attention processor with the merged weights of one unit.

    For hidden states h after the block's norm (sd-forge-layerdiffuse,
    ``lib_layerdiffusion/attention_sharing.py``): m = h + control; m += attention with the frame's
    weights; m += attention across frames of norm(m); the answer is m - h.
    """

    qkv: Tensor
    q: Tensor
    kv: Tensor
    out: Tensor
    out_bias: Tensor
    norm_weight: Tensor
    norm_bias: Tensor
    across_in: Tensor
    across_in_bias: Tensor
    across_out: Tensor
    across_out_bias: Tensor

    def __init__(
        self,
        unit: SharingUnit,
        site: Any,
        strength: float = 1.0,
        signals: Signals | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        weight = site.to_q.weight
        device = device or torch.device(weight.device)
        home = device if weight.is_meta else weight.device  # offloaded layer by layer: on meta
        previous = site.processor
        self.frames, self.heads, self.strength = unit.frames, site.heads, strength
        self.backend: Backend = getattr(previous, "backend", "auto")
        # A submodule, so that an IP-Adapter's weights move with the UNet.
        self.image_prompt = previous if isinstance(previous, get_args(ImagePrompt)) else None
        merged = projections(unit, site, strength, device)
        merged |= across_frames(unit, strength, device)
        for name, tensor in merged.items():
            # Not persistent: what is saved meanwhile is the UNet as it is without us.
            self.register_buffer(name, tensor.to(home, weight.dtype), persistent=False)
        self._signals = signals
        self._controls: dict[int, Tensor] = {}
        # In a tuple it is no submodule: needed once, it stays where it is.
        self._convolutions: tuple[Any] = (getattr(unit, "control_convs", None),)

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Any = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        ip_adapter_masks: Any = None,
    ) -> Tensor:
        """``hidden_states`` (B * frames, L, C), frames fastest, to what the block adds to its own.

        Spelled out because diffusers passes on only the arguments that it finds named here.
        """
        return super().__call__(
            hidden_states, encoder_hidden_states, attention_mask, ip_adapter_masks
        )

    def forward(
        self, hidden_states: Tensor, context: Any, mask: Tensor | None, image_masks: Any
    ) -> Tensor:
        if hidden_states.shape[0] % self.frames:
            raise InvalidRequest(
                f"{hidden_states.shape[0]} latents are no pictures of {self.frames} frames each."
            )
        text, images = context if isinstance(context, tuple) else (context, None)
        frames = self._by_frame(hidden_states)
        added = None if self._signals is None else self._control(frames)
        seen = frames if added is None else frames + added
        within = self._within(seen, text, images, mask, image_masks)
        across = self._across(seen + within)
        change = within + across if added is None else within + across + added
        return change.transpose(0, 1).flatten(0, 1)

    def _by_frame(self, rows: Tensor) -> Tensor:
        """(B * frames, ...), frames fastest, to (frames, B, ...)."""
        return rows.unflatten(0, (-1, self.frames)).transpose(0, 1)

    def _control(self, frames: Tensor) -> Tensor:
        """The condition's (frames, B, L, C); convolved once, at the first step."""
        _, pictures, tokens, _ = frames.shape
        if tokens not in self._controls:
            assert self._signals is not None
            if tokens not in self._signals:
                raise InvalidRequest("The condition has another size than what is generated.")
            signal = self._signals[tokens].to(frames)
            convolutions: Any = deepcopy(self._convolutions[0]).to(signal)
            maps = [convolution(signal) for convolution in convolutions]
            control = torch.stack(maps).flatten(3).transpose(2, 3)
            self._controls[tokens] = control * self.strength
        control = self._controls[tokens]
        # One condition for all pictures, or each its own in both halves of guidance.
        return control.repeat(1, pictures // control.shape[1], 1, 1)

    def _within(
        self,
        frames: Tensor,
        text: Tensor | None,
        images: Sequence[Tensor] | None,
        mask: Tensor | None,
        image_masks: Any,
    ) -> Tensor:
        """Each frame's attention to itself or its text: (frames, B, L, C)."""
        count, pictures, tokens, width = frames.shape
        rows = frames.reshape(count, pictures * tokens, width)
        if text is None:
            query, key, value = torch.bmm(rows, self.qkv).chunk(3, dim=-1)
        else:
            context = self._by_frame(text).flatten(1, 2)
            query = torch.bmm(rows, self.q)
            key, value = torch.bmm(context, self.kv).chunk(2, dim=-1)
        query, key, value = (self._split(x, pictures) for x in (query, key, value))
        bias = None if mask is None else self._by_frame(mask).flatten(0, 1)[:, None]
        found = attention(query, key, value, bias=bias, backend=self.backend)
        found = found.transpose(1, 2).flatten(2)
        if images is not None and self.image_prompt is not None:
            shown = [self._by_frame(picture).flatten(0, 1) for picture in images]
            added = attend_to_images(self.image_prompt, query, shown, image_masks, self.backend)
            found = found if added is None else found + added
        found = found.view(count, pictures * tokens, width)
        return torch.baddbmm(self.out_bias, found, self.out).view_as(frames)

    def _split(self, rows: Tensor, pictures: int) -> Tensor:
        """(frames, B * L, C) to (frames * B, heads, L, d)."""
        rows = rows.unflatten(1, (pictures, -1)).flatten(0, 1)
        return rows.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def _across(self, frames: Tensor) -> Tensor:
        """Attention of each position's frames to each other: (frames, B, L, C)."""
        normed = F.layer_norm(frames, frames.shape[-1:], self.norm_weight, self.norm_bias, NORM_EPS)
        if self.frames == 1:
            return F.linear(normed, self.across_out, self.across_out_bias)
        rows = F.linear(normed.flatten(1, 2), self.across_in, self.across_in_bias)
        query, key, value = rows.unflatten(-1, (3, self.heads, -1)).unbind(-3)
        found = mix_frames(query, key, value).flatten(-2).view_as(frames)
        return F.linear(found, self.across_out, self.across_out_bias)


def mix_frames(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention over the first axis of (frames, positions, heads, d), for each position and head.

    On a CPU by SDPA, which was measured to take half the time there. Elsewhere written out:
    kernels on a GPU work in tiles of 64 queries and more, and here are 2 or 3.
    """
    if query.device.type == "cpu":
        query, key, value = (side.permute(1, 2, 0, 3) for side in (query, key, value))
        return F.scaled_dot_product_attention(query, key, value).permute(2, 0, 1, 3)
    return mix_frames_written_out(query, key, value)


def mix_frames_written_out(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """``mix_frames`` as a softmax over so few scores that they are summed one by one."""
    scale = query.shape[-1] ** -0.5
    mixed = []
    for one in query:
        scores = (one * key).sum(-1, keepdim=True) * scale
        mixed.append((scores.softmax(0) * value).sum(0))
    return torch.stack(mixed)
