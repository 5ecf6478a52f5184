"""What a file of weights is, told by the names and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Shapes = Mapping[str, tuple[int, ...]]

_UNET_PARTS = (
    *("down_blocks.", "mid_block.", "up_blocks.", "time_embedding.", "add_embedding."),
    *("conv_in.", "conv_norm_out.", "conv_out."),
)


def kind_of(shapes: Shapes) -> str | None:
    """A noun phrase for an error sentence ("the transparency encoder ..."), or None."""
    return next((kind for test in _KINDS if (kind := test(shapes))), None)


def _latents(channels: int) -> str:
    return {4: "SDXL or SD 1.5", 16: "FLUX"}.get(channels, f"{channels}-channel latents")


def _transparent_vae(shapes: Shapes) -> str | None:
    if {"encoder.blocks.16.weight", "decoder.latent_conv_in.weight"} <= shapes.keys():
        channels = shapes["encoder.blocks.16.weight"][0]
        return f"LayerDiffuse's transparency encoder and decoder in one, for {_latents(channels)}"
    if {"blocks.0.weight", "blocks.16.weight"} <= shapes.keys():
        channels = shapes["blocks.16.weight"][0]
        return f"LayerDiffuse's transparency encoder for {_latents(channels)}"
    if "latent_conv_in.weight" in shapes:
        channels = shapes["latent_conv_in.weight"][1]
        return f"LayerDiffuse's transparency decoder for {_latents(channels)}"
    return None


def _attention_sharing(shapes: Shapes) -> str | None:
    units = [key for key in shapes if key.startswith("hookers.layers.0.to_q_lora.")]
    if not units:
        return None
    frames = len({key.split(".")[4] for key in units})
    controlled = any(key.startswith("kwargs_encoder.") for key in shapes)
    condition = " with a condition" if controlled else ""
    return f"LayerDiffuse's attention sharing for SD 1.5, {frames} frame(s){condition}"


def _unet_patch(shapes: Shapes) -> str | None:
    if not any("::" in key for key in shapes):
        return None
    low_rank = any("::lora::" in key for key in shapes)
    return f"a {'low-rank' if low_rank else 'full'} patch for a UNet in Forge's layout"


def _low_rank(shapes: Shapes) -> str | None:
    marks = (".lora_A.", ".lora_down.", ".lora.down.", "_lora.down.", ".lora_linear_layer.down.")
    if not any(mark in key for key in shapes for mark in marks):
        return None
    flux = any("single_transformer_blocks" in key or "double_blocks" in key for key in shapes)
    return f"a LoRA for {'FLUX' if flux else 'a UNet'}"


def _flux(shapes: Shapes) -> str | None:
    marks = ("single_transformer_blocks.", "double_blocks.", "model.diffusion_model.double_blocks.")
    return "a FLUX transformer" if any(key.startswith(marks) for key in shapes) else None


def _single_file(shapes: Shapes) -> str | None:
    if not any(key.startswith("model.diffusion_model.") for key in shapes):
        return None
    sdxl = "model.diffusion_model.label_emb.0.0.weight" in shapes
    return f"a single-file checkpoint of {'SDXL' if sdxl else 'SD 1.5'}"


def _controlnet(shapes: Shapes) -> str | None:
    marks = ("controlnet_cond_embedding.", "control_model.")
    return "a ControlNet" if any(key.startswith(marks) for key in shapes) else None


def _unet(shapes: Shapes) -> str | None:
    attended = {key.split(".attentions.")[0] for key in shapes if ".attentions." in key}
    if not attended or not all(key.startswith(_UNET_PARTS) for key in shapes):
        return None
    # SDXL attends to nothing at its first and largest size, SD 1.5 to nothing at its last.
    family = "SD 1.5" if attended & {"down_blocks.0", "up_blocks.3"} else "SDXL"
    whole = "time_embedding.linear_1.weight" in shapes and "conv_in.weight" in shapes
    return f"a UNet of {family}, or offsets for one" if whole else f"offsets for a UNet of {family}"


def _vae(shapes: Shapes) -> str | None:
    wide = shapes.get("decoder.conv_in.weight")
    return f"an image VAE for {_latents(wide[1])}" if wide else None


def _text_encoder(shapes: Shapes) -> str | None:
    if any(key.startswith("text_model.encoder.") for key in shapes):
        return "a CLIP text encoder"
    if any(key.startswith("encoder.block.0.layer.0.") for key in shapes):
        return "a T5 text encoder"
    return None


def _matting_or_inpainting(shapes: Shapes) -> str | None:
    if any(key.endswith("squeeze_module.0.conv_in.weight") for key in shapes):
        return "BiRefNet, which mattes"
    if any(key.endswith("model.1.ffc.convl2l.weight") for key in shapes):
        return "LaMa, which fills holes"
    return None


def _segmenter(shapes: Shapes) -> str | None:
    if "image_encoder.pos_embed" in shapes and "mask_decoder.mask_tokens.weight" in shapes:
        return "the original Segment Anything"
    if any(key.endswith("prompt_encoder.no_mask_embed.weight") for key in shapes):
        return "Segment Anything, or one of its successors, in transformers' layout"
    return None


_KINDS: tuple[Callable[[Shapes], str | None], ...] = (
    _transparent_vae,
    _attention_sharing,
    _unet_patch,
    _low_rank,
    _controlnet,
    _flux,
    _single_file,
    _unet,
    _vae,
    _text_encoder,
    _matting_or_inpainting,
    _segmenter,
)
