"""How large a Segment Anything model is, told by the shapes of its own checkpoint.

Reading them off the tensors, in place of one builder for each published size, lets models that
others trained on, at other widths or sides, load as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from torch import nn

Shapes = Mapping[str, tuple[int, ...]]

# What no tensor tells, from the package's own builder (segment_anything/build_sam.py).
_DECODER_HEADS = 8
_SHRUNK = 16  # mask channels are a quarter of this in the first convolution
_EPSILON = 1e-6


@dataclass(frozen=True)
class SamSize:
    """``side`` of the square picture in pixels; ``window`` of the blocks that are not ``whole``."""

    side: int
    patch: int
    width: int
    depth: int
    heads: int
    mlp: int
    window: int
    whole: tuple[int, ...]
    channels: int
    mask_channels: int
    masks: int
    decoder_depth: int
    decoder_mlp: int
    score_depth: int
    score_width: int


def is_sam(shapes: Shapes) -> bool:
    """Whether these are the tensors of an original Segment Anything checkpoint."""
    return {
        "image_encoder.pos_embed",
        "image_encoder.blocks.0.attn.rel_pos_h",
        "prompt_encoder.no_mask_embed.weight",
        "mask_decoder.mask_tokens.weight",
    } <= shapes.keys()


def size_of(shapes: Shapes) -> SamSize:
    """Of the shapes of a checkpoint for which ``is_sam`` holds; a missing tensor counts as the
    published one, for the strict loading that follows to name."""
    _, grid, _, width = shapes["image_encoder.pos_embed"]
    patch = shapes.get("image_encoder.patch_embed.proj.weight", (0, 0, 16, 16))[-1]
    depth = _count(shapes, "image_encoder.blocks.", 12)
    reaches = [
        shapes.get(f"image_encoder.blocks.{index}.attn.rel_pos_h", (2 * grid - 1, 1))[0]
        for index in range(depth)
    ]
    whole = tuple(index for index, reach in enumerate(reaches) if reach == 2 * grid - 1)
    window = min(((reach + 1) // 2 for reach in reaches if reach != 2 * grid - 1), default=grid)
    decoder = "mask_decoder.transformer.layers.0.mlp.lin1.weight"
    score = "mask_decoder.iou_prediction_head.layers."
    return SamSize(
        side=grid * patch,
        patch=patch,
        width=width,
        depth=depth,
        heads=width // shapes["image_encoder.blocks.0.attn.rel_pos_h"][1],
        mlp=shapes.get("image_encoder.blocks.0.mlp.lin1.weight", (4 * width,))[0],
        window=window,
        whole=whole,
        channels=shapes["prompt_encoder.no_mask_embed.weight"][1],
        mask_channels=shapes.get("prompt_encoder.mask_downscaling.3.weight", (_SHRUNK,))[0],
        masks=shapes["mask_decoder.mask_tokens.weight"][0] - 1,
        decoder_depth=_count(shapes, "mask_decoder.transformer.layers.", 2),
        decoder_mlp=shapes.get(decoder, (2048,))[0],
        score_depth=_count(shapes, score, 3),
        score_width=shapes.get(f"{score}0.weight", (256,))[0],
    )


def built(size: SamSize) -> Sam:
    """The package's network of that size, to load weights into: its encoder, which is nearly all
    of it, is on the meta device, so that no random numbers are drawn for nothing."""
    grid = size.side // size.patch
    return Sam(
        image_encoder=_encoder(size),
        prompt_encoder=PromptEncoder(
            embed_dim=size.channels,
            image_embedding_size=(grid, grid),
            input_image_size=(size.side, size.side),
            mask_in_chans=size.mask_channels,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=size.masks,
            transformer=TwoWayTransformer(
                depth=size.decoder_depth,
                embedding_dim=size.channels,
                mlp_dim=size.decoder_mlp,
                num_heads=_DECODER_HEADS,
            ),
            transformer_dim=size.channels,
            iou_head_depth=size.score_depth,
            iou_head_hidden_dim=size.score_width,
        ),
    )


def _encoder(size: SamSize) -> ImageEncoderViT:
    with torch.device("meta"):
        return ImageEncoderViT(
            img_size=size.side,
            patch_size=size.patch,
            embed_dim=size.width,
            depth=size.depth,
            num_heads=size.heads,
            mlp_ratio=size.mlp / size.width,
            out_chans=size.channels,
            norm_layer=partial(nn.LayerNorm, eps=_EPSILON),  # pyright: ignore[reportArgumentType]
            use_rel_pos=True,
            window_size=size.window,
            global_attn_indexes=size.whole,  # pyright: ignore[reportArgumentType]
        )


def _count(shapes: Shapes, prefix: str, published: int) -> int:
    """How many numbered parts follow a prefix; as many as ``published`` where none does."""
    numbers = {key[len(prefix) :].split(".")[0] for key in shapes if key.startswith(prefix)}
    return max((int(number) + 1 for number in numbers if number.isdecimal()), default=published)
