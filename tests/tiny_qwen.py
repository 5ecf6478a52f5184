"""Qwen-Image-Layered's repository at toy width: real classes, the published folders and files.

Only widths and depths are small; the transformer has the layered flags, the autoencoder four
channels, and the captioner sees pictures. Weights depend on nothing but the seed.
"""

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageTransformer2DModel,
)
from tiny_checkpoints import seeded
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

MARKS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
TEXT_WIDTH = 64
_PATCH = 4  # pixels of the captioner's patches; 14 in the published one


def vocabulary() -> dict[str, int]:
    """Every byte, then the marks."""
    words = [*sorted(ByteLevel.alphabet()), *MARKS]
    return {word: index for index, word in enumerate(words)}


def tiny_text_encoder() -> Qwen2_5_VLForConditionalGeneration:
    ids = vocabulary()
    text = {
        "hidden_size": TEXT_WIDTH, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(ids),
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6},
        "max_position_embeddings": 4096, "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"], "bos_token_id": None,
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2,
        "out_hidden_size": TEXT_WIDTH, "patch_size": _PATCH, "window_size": 4 * _PATCH,
        "fullatt_block_indexes": [1], "temporal_patch_size": 2, "spatial_merge_size": 2,
    }  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    model = seeded(Qwen2_5_VLForConditionalGeneration(config), 701, 1.5)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    return model


def tiny_processor(tokenizer: Qwen2Tokenizer) -> Qwen2VLProcessor:
    sizes = {"patch_size": _PATCH, "temporal_patch_size": 2, "merge_size": 2}
    pixels = {"size": {"shortest_edge": 16 * 16, "longest_edge": 48 * 48}}
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**sizes, **pixels),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**sizes, **pixels),
    )


def tiny_transformer(width: int = 64) -> QwenImageTransformer2DModel:
    """As the layered one: positions with a layer axis, and the extra condition of the timestep."""
    transformer = QwenImageTransformer2DModel(
        in_channels=64, out_channels=16, num_layers=2, attention_head_dim=32,
        num_attention_heads=width // 32, joint_attention_dim=TEXT_WIDTH,
        axes_dims_rope=(8, 12, 12), use_additional_t_cond=True, use_layer3d_rope=True,
    )  # fmt: skip
    return seeded(transformer, 702, 0.7)


def tiny_vae() -> AutoencoderKLQwenImage:
    """Red, green, blue and alpha; sixteen latent channels, a factor of 8, as published."""
    vae = AutoencoderKLQwenImage(base_dim=8, num_res_blocks=1, input_channels=4)
    return seeded(vae, 703)


def tiny_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Shifted by the size of the picture, as the pipeline asks."""
    return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.02)


def write_qwen(folder: Path, *, dtype: torch.dtype = torch.bfloat16) -> Path:
    """The published repository: six folders and ``model_index.json``."""
    tiny_transformer().to(dtype).save_pretrained(folder / "transformer", max_shard_size="150KB")
    tiny_vae().to(dtype).save_pretrained(folder / "vae")
    tiny_text_encoder().to(dtype).save_pretrained(folder / "text_encoder", max_shard_size="100KB")
    _write_tokenizer(folder / "tokenizer")
    tokenizer = Qwen2Tokenizer.from_pretrained(folder / "tokenizer")
    tiny_processor(tokenizer).save_pretrained(folder / "processor")
    tiny_scheduler().save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "QwenImageLayeredPipeline",
        "_diffusers_version": "0.36.0.dev0",
        "processor": ["transformers", "Qwen2VLProcessor"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen2_5_VLForConditionalGeneration"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "QwenImageTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKLQwenImage"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))
    return folder


def _write_tokenizer(folder: Path) -> None:
    """Without ``tokenizer.json``, as published: vocabulary, merges and the marks beside them.

    Any text is valid: one token a byte.
    """
    folder.mkdir(parents=True)
    ids = vocabulary()
    letters = {word: index for word, index in ids.items() if word not in MARKS}
    (folder / "vocab.json").write_text(json.dumps(letters, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "added_tokens.json").write_text(json.dumps({mark: ids[mark] for mark in MARKS}))
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": "<|im_end|>",
        "pad_token": MARKS[0],
        "unk_token": None,
        "model_max_length": 131072,
        "additional_special_tokens": list(MARKS[1:]),
        "added_tokens_decoder": {
            str(ids[mark]): {"content": mark, "special": True, "lstrip": False, "rstrip": False,
                             "normalized": False, "single_word": False}
            for mark in MARKS
        },
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
