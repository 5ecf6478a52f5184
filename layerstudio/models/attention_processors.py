"""diffusers' attention modules on our dispatcher, with IP-Adapters and LoRA left in place."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention_dispatch import AttentionBackendName
from diffusers.models.attention_processor import (
    AttnProcessor2_0,
    IPAdapterAttnProcessor2_0,
    IPAdapterXFormersAttnProcessor,
    SlicedAttnProcessor,
    XFormersAttnProcessor,
)
from torch import Tensor, nn

from layerstudio.models.attention import Backend, Concrete, attention, chosen

IPAdapterProcessor = IPAdapterAttnProcessor2_0 | IPAdapterXFormersAttnProcessor

# The names of the backends in diffusers' own dispatcher. Its "flash" wants the flash-attn package;
# PyTorch's kernel is always there.
_DIFFUSERS_NAMES: dict[Concrete, AttentionBackendName] = {
    "xformers": AttentionBackendName.XFORMERS,
    "sdpa": AttentionBackendName.NATIVE,
    "flash": AttentionBackendName._NATIVE_FLASH,
}


class DispatchedAttnProcessor(AttnProcessor2_0):
    """diffusers' standard attention (self, cross, with norms and residual) on our dispatcher.

    A subclass, so that code which asks whether SDPA is in use still gets yes; made without
    arguments too, because diffusers rebuilds processors as ``type(processor)()`` when an
    IP-Adapter is loaded or unloaded.
    """

    def __init__(self, backend: Backend = "auto") -> None:
        super().__init__()
        self.backend: Backend = backend

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        *args: object,
        **kwargs: object,
    ) -> Tensor:
        """Tokens (B, L, C) or a map (B, C, H, W) in, the same shape out, by ``attn``'s layers."""
        residual = hidden_states
        if attn.spatial_norm is not None:
            hidden_states = attn.spatial_norm(hidden_states, temb)
        map_shape = hidden_states.shape if hidden_states.ndim == 4 else None
        if map_shape is not None:
            hidden_states = hidden_states.flatten(2).transpose(1, 2)
        if attn.group_norm is not None:
            hidden_states = attn.group_norm(hidden_states.transpose(1, 2)).transpose(1, 2)
        out = self._attend(attn, hidden_states, encoder_hidden_states, attention_mask)
        for layer in attn.to_out:  # the projection, then dropout
            out = layer(out)
        if map_shape is not None:
            out = out.transpose(1, 2).reshape(map_shape)
        if attn.residual_connection:
            out = out + residual
        return out / attn.rescale_output_factor

    def _attend(self, attn: Any, tokens: Tensor, context: Tensor | None, mask: Any) -> Tensor:
        """Attention of tokens (B, L, C) over the context (B, Lk, Ck), or over themselves."""
        if context is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)
        seen = tokens if context is None else context
        batch, length, _ = seen.shape
        if mask is not None:
            mask = attn.prepare_attention_mask(mask, length, batch)
            mask = mask.view(batch, attn.heads, -1, mask.shape[-1])
        q, k, v = (
            projected.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for projected in (attn.to_q(tokens), attn.to_k(seen), attn.to_v(seen))
        )
        q = q if attn.norm_q is None else attn.norm_q(q)
        k = k if attn.norm_k is None else attn.norm_k(k)
        out = attention(q, k, v, bias=mask, backend=self.backend)
        return out.transpose(1, 2).flatten(2).to(q.dtype)


# What is replaced: processors that compute this same attention in other ways. These very types:
# a subclass computes something else.
_STANDARD = (AttnProcessor2_0, XFormersAttnProcessor, SlicedAttnProcessor, DispatchedAttnProcessor)


def install(model: nn.Module, backend: Backend, device: torch.device | None) -> None:
    """See ``attention.use_backend``; processors of other kinds are left as they are."""
    for module in model.modules():
        _install_on(module, backend, device)


def _install_on(module: Any, backend: Backend, device: torch.device | None) -> None:
    processor = getattr(module, "processor", None)
    if isinstance(processor, IPAdapterProcessor):
        _set_ip_adapter(module, processor, backend, device)
    elif type(processor) in _STANDARD:
        module.processor = DispatchedAttnProcessor(backend)
    elif processor is not None and hasattr(processor, "_attention_backend"):
        # Set here and not with `set_attention_backend`, which changes a global of diffusers' for
        # every other model too.
        processor._attention_backend = _DIFFUSERS_NAMES[_choice(module, backend, device)]


def _choice(module: Any, backend: Backend, device: torch.device | None) -> Concrete:
    """The backend for a module whose processor cannot decide when it runs."""
    weight = module.to_q.weight
    head_dim = module.to_q.out_features // module.heads
    choice = chosen(backend, device=device or weight.device, dtype=weight.dtype, head_dim=head_dim)
    return choice.backend


def _set_ip_adapter(
    module: Any, old: IPAdapterProcessor, backend: Backend, device: torch.device | None
) -> None:
    """The IP-Adapter processor of the backend's kind, around the very same weights and scales.

    diffusers has two kinds, for xformers and for SDPA, where PyTorch takes its flash kernel
    by itself whenever it can.
    """
    is_xformers = _choice(module, backend, device) == "xformers"
    kind = IPAdapterXFormersAttnProcessor if is_xformers else IPAdapterAttnProcessor2_0
    if isinstance(old, kind):
        return
    with torch.device("meta"):
        new = kind(old.hidden_size, old.cross_attention_dim, old.num_tokens, old.scale)
    new.to_k_ip, new.to_v_ip = old.to_k_ip, old.to_v_ip
    module.processor = new
