"""Networks that ship with the package, each with its card."""

from __future__ import annotations

from pathlib import Path


def embedded(name: str) -> Path:
    """The file of the embedded network ``name``; it may be missing from a partial checkout."""
    return Path(__file__).with_name(f"{name}.safetensors")
