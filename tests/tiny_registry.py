"""A toy of every row of the registry, in the files that the row lists."""

from pathlib import Path

import torch
from tiny_checkpoints import (
    tiny_vae,
    write_controlnet,
    write_flux,
    write_sd15,
    write_sdxl,
    write_taesd,
)
from tiny_depth import write_depth_anything, write_dpt, write_vitmatte
from tiny_inpainting import write_flux_fill, write_sdxl_inpaint
from tiny_layerdiffuse import FILES, write_layerdiffuse
from tiny_mattes import write_big_lama, write_birefnet
from tiny_multilayer import write_art, write_cld, write_inpaint_controlnet
from tiny_qwen import write_qwen
from tiny_segmenters import (
    write_grounding_dino,
    write_owlv2,
    write_sam,
    write_sam2,
    write_sam3,
    write_sam_package,
)
from tiny_single_files import write_ip_adapter

from layerstudio.weights import registry

HALF = torch.float16
MULTILAYER = {"art": write_art, "cld": write_cld, "flux-inpaint-alpha": write_inpaint_controlnet}

MATTES = {"birefnet": write_birefnet, "lama": write_big_lama, "vitmatte": write_vitmatte}

SEGMENTERS = {"sam": write_sam, "sam2": write_sam2, "sam3": write_sam3}
DETECTORS = {"grounding-dino": write_grounding_dino, "owlv2": write_owlv2}


def write_row(checkpoint_id: str, folder: Path) -> Path:
    """The checkpoint of that id, as its repository would hold it."""
    row = registry.checkpoint(checkpoint_id)
    published = [pattern for pattern in row.patterns if pattern in FILES]
    if published:
        for name in published:
            write_layerdiffuse(folder, name)
        return folder
    if row.id in MULTILAYER:
        return MULTILAYER[row.id](folder)
    if row.family in MATTES:
        return MATTES[row.family](folder)
    if row.id == "sdxl-inpaint":
        return write_sdxl_inpaint(folder, dtype=HALF, variant=row.variant)
    if row.id == "flux-fill":
        return write_flux_fill(folder, dtype=torch.bfloat16)
    if row.family == "depth-anything":
        return write_depth_anything(folder)
    if row.family == "dpt":
        return write_dpt(folder, hybrid="hybrid" in row.id)
    if row.family == "qwen-layered":
        return write_qwen(folder)
    if row.id.startswith("sam-vit-"):
        return write_sam_package(folder, row.patterns[0])
    if row.family in SEGMENTERS | DETECTORS:
        return (SEGMENTERS | DETECTORS)[row.family](folder)
    if row.kind == "base":
        return _write_base(row, folder)
    if row.kind == "vae":
        tiny_vae(row.family).save_pretrained(folder)
    elif row.kind == "preview-decoder":
        write_taesd(folder, row.family)
    elif row.kind == "controlnet":
        write_controlnet(folder, row.family, dtype=HALF, variant=row.variant)
    else:
        assert row.kind == "ip-adapter", row
        write_ip_adapter(folder, row.family)
    return folder


def _write_base(row: registry.Checkpoint, folder: Path) -> Path:
    if row.family == "flux":
        return write_flux(folder, dtype=torch.bfloat16)
    write = write_sdxl if row.family == "sdxl" else write_sd15
    return write(folder, dtype=HALF, variant=row.variant)
