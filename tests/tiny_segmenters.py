"""Segmenters and detectors at toy width, in the files that are published: real classes, random
weights. Widths and sides are small; what the adapters rely on is kept."""

from pathlib import Path

import torch
from seeded import seeded_state
from tiny_checkpoints import seeded

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
    from transformers import BertTokenizerFast

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
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)


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
