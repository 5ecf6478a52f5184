"""Segmenters and detectors at toy width, in the files that are published: real classes, random
weights. Widths and sides are small; what the adapters rely on is kept."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from seeded import seeded_state
from tiny_checkpoints import seeded
from tiny_tokenizers import CLIP_TOKENS, write_clip_tokenizer

from layerstudio.pipelines.stages.sam_package_size import SamSize, built

TINY_SAM = SamSize(
    side=64, patch=8, width=16, depth=3, heads=2, mlp=32, window=3, whole=(1,), channels=32,
    mask_channels=8, masks=3, decoder_depth=2, decoder_mlp=24, score_depth=3, score_width=16,
)  # fmt: skip


def write_sam_package(folder: Path, name: str = "checkpoints/sam_vit_b_01ec64.pth") -> Path:
    """An original checkpoint: a pickled dictionary of tensors."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = {key: tensor.shape for key, tensor in built(TINY_SAM).state_dict().items()}
    torch.save(seeded_state(shapes, 91, 1.5), path)
    return folder


def write_bert_tokenizer(folder: Path) -> None:
    """Grounding DINO knows four marks by BERT's numbers: 101 and 102 around a text, 1012 "." and
    1029 "?". Every small letter is a word, alone and inside of one."""
    from transformers import BertTokenizer

    words = [f"[unused{index}]" for index in range(1030)]
    words[0], words[100], words[101], words[102], words[103] = (
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
    )  # fmt: skip
    words[1012], words[1029] = ".", "?"
    for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz"):
        words[200 + index], words[300 + index] = letter, f"##{letter}"
    words[400:403] = ["cat", "dog", "red"]
    vocabulary = folder / "vocab.txt"
    vocabulary.parent.mkdir(parents=True, exist_ok=True)
    vocabulary.write_text("\n".join(words) + "\n")
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)


def write_grounding_dino(folder: Path, seed: int = 92) -> Path:
    """Four levels of features, of which the last is made from the third, as published."""
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        SwinConfig,
    )

    backbone = SwinConfig(
        image_size=64, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 4],
        window_size=4, out_indices=[2, 3, 4],
    )  # fmt: skip
    text = BertConfig(
        vocab_size=1030, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    config = GroundingDinoConfig(
        backbone_config=backbone, text_config=text, num_queries=24, encoder_layers=1,
        encoder_ffn_dim=16, encoder_attention_heads=2, decoder_layers=2, decoder_ffn_dim=16,
        decoder_attention_heads=2, d_model=32, max_text_len=32, num_feature_levels=4,
    )  # fmt: skip
    network = seeded(GroundingDinoForObjectDetection(config), seed)
    network.save_pretrained(folder)
    size = {"shortest_edge": 64, "longest_edge": 107}
    GroundingDinoImageProcessor(size=size).save_pretrained(folder)
    write_bert_tokenizer(folder)
    return folder


def write_sam(folder: Path, seed: int = 93) -> Path:
    """As facebook/sam-vit-*: a picture keeps its proportions in the corner of a square."""
    from transformers import (
        SamConfig,
        SamImageProcessor,
        SamMaskDecoderConfig,
        SamModel,
        SamPromptEncoderConfig,
        SamVisionConfig,
    )

    vision = SamVisionConfig(
        hidden_size=16, output_channels=32, num_hidden_layers=3, num_attention_heads=2,
        image_size=64, patch_size=8, window_size=3, global_attn_indexes=[1], num_pos_feats=16,
        mlp_dim=32,
    )  # fmt: skip
    prompts = SamPromptEncoderConfig(
        hidden_size=32, image_size=64, patch_size=8, mask_input_channels=8
    )
    decoder = SamMaskDecoderConfig(
        hidden_size=32, mlp_dim=24, num_attention_heads=8, iou_head_hidden_dim=16
    )
    config = SamConfig(
        vision_config=vision.to_dict(), prompt_encoder_config=prompts.to_dict(),
        mask_decoder_config=decoder.to_dict(),
    )  # fmt: skip
    seeded(SamModel(config), seed, 1.5).save_pretrained(folder)
    SamImageProcessor(
        size={"longest_edge": 64}, pad_size={"height": 64, "width": 64}
    ).save_pretrained(folder)
    return folder


def write_sam2(folder: Path, seed: int = 94) -> Path:
    """As facebook/sam2.1-hiera-*: the folder of the model that follows objects through films."""
    from transformers import (
        Sam2HieraDetConfig,
        Sam2ImageProcessor,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VisionConfig,
    )

    backbone = Sam2HieraDetConfig(
        hidden_size=8, image_size=[64, 64], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[8, 4, 4, 2], global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )  # fmt: skip
    vision = Sam2VisionConfig(
        backbone_config=backbone.to_dict(), backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]], fpn_hidden_size=32,
    )  # fmt: skip
    config = Sam2VideoConfig(
        vision_config=vision.to_dict(),
        prompt_encoder_config={
            "hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 8,
        },
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 24, "num_attention_heads": 8, "iou_head_hidden_dim": 16,
        },
        image_size=64, memory_attention_hidden_size=32, memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32, memory_encoder_hidden_size=32,
        memory_encoder_output_channels=8, mask_downsampler_embed_dim=32,
        memory_fuser_embed_dim=32, memory_fuser_intermediate_dim=32, memory_fuser_num_layers=1,
        memory_attention_rope_feat_sizes=[4, 4],
    )  # fmt: skip
    seeded(Sam2VideoModel(config), seed, 1.5).save_pretrained(folder)
    Sam2ImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def write_owlv2(folder: Path, seed: int = 95) -> Path:
    """Pictures lie in the corner of a square of 6 x 6 patches; texts have 16 tokens."""
    from transformers import (
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessor,
        Owlv2TextConfig,
        Owlv2VisionConfig,
    )

    text = Owlv2TextConfig(
        vocab_size=CLIP_TOKENS, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=16,
    )  # fmt: skip
    vision = Owlv2VisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        image_size=48, patch_size=8,
    )  # fmt: skip
    config = Owlv2Config(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16
    )
    seeded(Owlv2ForObjectDetection(config), seed, 2.0).save_pretrained(folder)
    Owlv2ImageProcessor(size={"height": 48, "width": 48}).save_pretrained(folder)
    _add_clip_tokenizer(folder, pad="!")
    return folder


def write_sam3(folder: Path, seed: int = 96) -> Path:
    """As facebook/sam3: what finds concepts and what follows objects share one backbone."""
    from transformers import Sam3ImageProcessor, Sam3VideoConfig, Sam3VideoModel

    vision = {
        "backbone_config": {
            "model_type": "sam3_vit_model", "hidden_size": 16, "intermediate_size": 24,
            "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
            "window_size": 2, "global_attn_indexes": [1], "pretrain_image_size": 28,
        },
        "model_type": "sam3_vision_model", "fpn_hidden_size": 32,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }  # fmt: skip
    layers = {"hidden_size": 32, "num_layers": 1, "num_attention_heads": 8, "intermediate_size": 24}
    text = {
        "model_type": "clip_text_model", "vocab_size": CLIP_TOKENS, "hidden_size": 16,
        "intermediate_size": 16, "projection_dim": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 32, "hidden_act": "gelu",
    }  # fmt: skip
    config = Sam3VideoConfig(
        detector_config={
            "model_type": "sam3", "vision_config": vision, "text_config": text,
            "geometry_encoder_config": layers, "detr_encoder_config": layers,
            "detr_decoder_config": {**layers, "num_queries": 6},
            "mask_decoder_config": {"hidden_size": 32, "num_attention_heads": 8},
        },
        tracker_config={
            "model_type": "sam3_tracker_video", "vision_config": vision, "image_size": 56,
            "prompt_encoder_config": {
                "hidden_size": 32, "image_size": 56, "patch_size": 14, "mask_input_channels": 8,
            },
            "mask_decoder_config": {
                "hidden_size": 32, "mlp_dim": 24, "num_attention_heads": 8,
                "iou_head_hidden_dim": 16,
            },
            "memory_attention_hidden_size": 32, "memory_attention_num_layers": 1,
            "memory_attention_feed_forward_hidden_size": 32, "memory_encoder_hidden_size": 32,
            "memory_encoder_output_channels": 8, "mask_downsampler_embed_dim": 32,
            "memory_fuser_embed_dim": 32, "memory_fuser_intermediate_dim": 32,
            "memory_fuser_num_layers": 1, "memory_attention_rope_feat_sizes": [4, 4],
        },
        low_res_mask_size=16,
    )  # fmt: skip
    # save_pretrained would put the prefix of the tracker's names before them a second time.
    network = seeded(Sam3VideoModel(config), seed, 1.5)
    config.architectures = ["Sam3VideoModel"]
    config.save_pretrained(folder)
    state = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    Sam3ImageProcessor(size={"height": 56, "width": 56}).save_pretrained(folder)
    _add_clip_tokenizer(folder)
    return folder


def _add_clip_tokenizer(folder: Path, **options: str) -> None:
    with TemporaryDirectory() as apart:
        write_clip_tokenizer(Path(apart) / "words", **options)
        for path in (Path(apart) / "words").iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
