"""Inpainting pipelines at toy width in the published folders: nine channels, and FLUX's 384."""

from pathlib import Path
from typing import Any

import torch
from tiny_checkpoints import (
    seeded,
    tiny_transformer,
    tiny_unet,
    write_flux,
    write_sdxl,
)


def write_sdxl_inpaint(
    folder: Path, *, dtype: torch.dtype = torch.float32, variant: str | None = None
) -> Path:
    """SDXL's folder, but for the network and the class that it names."""
    write_sdxl(folder, dtype=dtype, variant=variant)
    unet = tiny_unet("sdxl")
    wider = seeded(_changed(unet, in_channels=9), 8, 0.7)
    _replace(folder / "unet", wider.to(dtype), variant)
    _rename(folder, "StableDiffusionXLPipeline", "StableDiffusionXLInpaintPipeline")
    return folder


def write_flux_fill(folder: Path, *, dtype: torch.dtype = torch.float32) -> Path:
    """FLUX.1-dev's folder with a transformer that also takes the picture and the mask."""
    write_flux(folder, dtype=dtype)
    transformer = tiny_transformer()
    wider = seeded(_changed(transformer, in_channels=384, out_channels=64), 9, 0.7)
    _replace(folder / "transformer", wider.to(dtype), None, shard="80KB")
    _rename(folder, "FluxPipeline", "FluxFillPipeline")
    return folder


def _changed(network: Any, **changes: int) -> Any:
    """Without the list of what was left at its default, which diffusers would set again."""
    config = {key: value for key, value in network.config.items() if not key.startswith("_")}
    return type(network).from_config(config | changes)


def _replace(folder: Path, network: Any, variant: str | None, shard: str = "1GB") -> None:
    for path in folder.iterdir():
        path.unlink()
    network.save_pretrained(folder, variant=variant, max_shard_size=shard)


def _rename(folder: Path, before: str, after: str) -> None:
    index = folder / "model_index.json"
    text = index.read_text()
    assert f'"{before}"' in text
    index.write_text(text.replace(f'"{before}"', f'"{after}"'))
