"""Networks that see depth and mattes at toy width, in the files that are published."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file
from tiny_checkpoints import seeded

IDLE = "neck.fusion_stage.layers.0.residual_layer1."  # Intel's files lack it


def write_vitmatte(folder: Path) -> Path:
    """Windows in some blocks, convolutions after others, relative positions, as published."""
    from transformers import (
        VitDetConfig,
        VitMatteConfig,
        VitMatteForImageMatting,
        VitMatteImageProcessor,
    )

    backbone = VitDetConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=64,
        pretrain_image_size=32,
        patch_size=16,
        num_channels=4,
        window_size=3,
        window_block_indices=[0, 1],
        residual_block_indices=[2],
        use_relative_position_embeddings=True,
        out_features=["stage3"],
    )
    config = VitMatteConfig(
        backbone_config=backbone,
        hidden_size=16,
        convstream_hidden_sizes=[6, 8, 12],
        fusion_hidden_sizes=[16, 12, 8, 6],
    )
    seeded(VitMatteForImageMatting(config), 95, 1.4).save_pretrained(folder)
    VitMatteImageProcessor(image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(folder)
    return folder


def write_depth_anything(folder: Path, *, kind: str = "relative") -> Path:
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        DPTImageProcessor,
    )

    backbone = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[6, 8, 12, 12],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type=kind,
    )
    # Its last layer is a ReLU, which random weights may leave without anything.
    network = seeded(DepthAnythingForDepthEstimation(config), 96)
    network.head.conv3.bias.data.fill_(3.0)
    network.save_pretrained(folder)
    DPTImageProcessor(
        size={"height": 70, "width": 70},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)
    return folder


def write_dpt(folder: Path, *, hybrid: bool = False) -> Path:
    """Without the unit that never runs, as in Intel's files; square and stretched, as there."""
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

    shared = {
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "image_size": 64,
        "backbone_out_indices": [0, 1, 2, 3],
        "neck_hidden_sizes": [6, 8, 12, 12],
        "fusion_hidden_size": 8,
    }
    if hybrid:
        bit = {
            "model_type": "bit",
            "global_padding": "same",
            "layer_type": "bottleneck",
            "depths": [1, 1, 1],
            "hidden_sizes": [6, 8, 12],
            "embedding_size": 4,
            "num_groups": 2,
            "out_features": ["stage1", "stage2", "stage3"],
            "embedding_dynamic_padding": True,
        }
        shared |= {
            "is_hybrid": True,
            "backbone_config": bit,
            "backbone_featmap_shape": [1, 16, 4, 4],
            "neck_hidden_sizes": [8, 8, 12, 12],
        }
    network = seeded(DPTForDepthEstimation(DPTConfig(**shared)), 97)
    network.head.head[4].bias.data.fill_(3.0)
    network.save_pretrained(folder)
    path = folder / "model.safetensors"
    state = {key: value for key, value in load_file(path).items() if not key.startswith(IDLE)}
    save_file(state, path, {"format": "pt"})
    DPTImageProcessor(
        size={"height": 64, "width": 64}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    ).save_pretrained(folder)
    return folder


def as_metric(folder: Path) -> Path:
    """The same network, said to tell distances."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"depth_estimation_type": "metric", "max_depth": 20}))
    return folder
