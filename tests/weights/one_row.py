"""One row of the registry, its file, and short ways to serve and fetch it."""

import random
from pathlib import Path

from layerstudio.weights import fetch, hub_cache

ID = "layerdiffuse-sdxl-attn"
REPOSITORY = "lllyasviel/LayerDiffuse_Diffusers"
FILE = "ld_diffusers_sdxl_attn.safetensors"
BODY = random.Random(3).randbytes(200_000)


def served(hub, **options) -> str:
    """Publish the row's repository, with a file beside that is nobody's business."""
    return hub.publish(REPOSITORY, {FILE: BODY, "README.md": b"read me"}, **options)


def pull(name=ID, **options) -> Path:
    return fetch.pull(name, **({"accept_licence": True} | options))


def partials() -> list[Path]:
    return sorted(hub_cache.default_root().rglob("*.incomplete"))
