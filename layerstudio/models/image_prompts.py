"""The part of an IP-Adapter in cross-attention, for processors that are not diffusers' own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from diffusers.image_processor import IPAdapterMaskProcessor
from diffusers.models.attention_processor import (
    IPAdapterAttnProcessor,
    IPAdapterAttnProcessor2_0,
    IPAdapterXFormersAttnProcessor,
)
from torch import Tensor

from layerstudio.errors import InvalidRequest
from layerstudio.models.attention import Backend, attention

ImagePrompt = IPAdapterAttnProcessor | IPAdapterAttnProcessor2_0 | IPAdapterXFormersAttnProcessor


def attend_to_images(
    prompt: ImagePrompt,
    query: Tensor,
    images: Sequence[Tensor],
    masks: Sequence[Tensor | None] | Tensor | None,
    backend: Backend = "auto",
) -> Tensor | None:
    """What the IP-Adapters add to the attention over text (Ye et al. 2023, eq. 5), or None.

    ``query`` is (rows, heads, L, d); ``images`` has for each adapter (rows, pictures, tokens, c);
    ``masks`` for each adapter (1, pictures, H, W) or None. Returns (rows, L, heads * d).
    """
    placed = _listed(masks, len(images))
    if not len(placed) == len(images) == len(prompt.scale):
        raise InvalidRequest(
            f"{len(images)} image prompts and {len(placed)} masks for {len(prompt.scale)}"
            " IP-Adapters.",
            advice="Give one of each for every adapter.",
        )
    added: Tensor | None = None
    for index, (pictures, mask) in enumerate(zip(images, placed, strict=True)):
        for picture, weight in _weighted(pictures, mask, prompt.scale[index], query):
            part = _attend(prompt, index, query, picture, backend) * weight
            added = part if added is None else added + part
    return added


def _listed(masks: Sequence[Tensor | None] | Tensor | None, adapters: int) -> list[Tensor | None]:
    """``masks`` by adapter; one tensor (adapters, 1, H, W) is diffusers' older form."""
    if masks is None:
        return [None] * adapters
    return list(masks.unsqueeze(1)) if isinstance(masks, Tensor) else list(masks)


def _weighted(
    pictures: Tensor, mask: Tensor | None, scale: float | list[float], query: Tensor
) -> Iterator[tuple[Tensor, float | Tensor]]:
    """Each picture's tokens with its strength: per position where it has a mask."""
    if mask is None:
        if isinstance(scale, list):
            raise InvalidRequest("IP-Adapter scales for single pictures need a mask for each.")
        if scale != 0:
            yield pictures, scale
        return
    scales = scale if isinstance(scale, list) else [scale] * pictures.shape[1]
    if not mask.shape[1] == pictures.shape[1] == len(scales):
        raise InvalidRequest(
            f"{mask.shape[1]} masks and {len(scales)} scales for {pictures.shape[1]} pictures of"
            " one IP-Adapter."
        )
    rows, heads, tokens, head_width = query.shape
    for index, one in enumerate(scales):
        if one != 0:
            place = IPAdapterMaskProcessor.downsample(
                mask[:, index], rows, tokens, heads * head_width
            )
            yield pictures[:, index], one * place.to(query)


def _attend(
    prompt: ImagePrompt, index: int, query: Tensor, picture: Tensor, backend: Backend
) -> Tensor:
    rows, heads = query.shape[:2]
    key, value = (
        project[index](picture).view(rows, -1, heads, query.shape[-1]).transpose(1, 2)
        for project in (prompt.to_k_ip, prompt.to_v_ip)
    )
    return attention(query, key, value, backend=backend).transpose(1, 2).flatten(2)
