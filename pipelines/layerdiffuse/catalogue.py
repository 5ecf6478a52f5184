"""What the LayerDiffuse methods offer: ways of working, weights and the published defaults.

Defaults are those of the authors' own checks: for SDXL and SD 1.5 the sanity checks of
layerdiffusion/sd-forge-layerdiffuse (20 steps of DPM++ 2M SDE Karras and DPM++ 2M Karras), for the
command line script lllyasviel/LayerDiffuse_DiffusersCLI (25 steps, guidance 7, 896 x 1152,
RealVisXL V4), for FLUX RedAIGC/Flux-version-LayerDiffuse (50 steps, guidance 3.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from layerstudio.generate_request import InputRole
from layerstudio.geometry import Extent
from layerstudio.pipelines.prompt_chunks import MAX_CHUNKS

FamilyId = Literal["sdxl", "sd15", "flux"]
Many = Literal["none", "one", "many"]


@dataclass(frozen=True)
class Mode:
    """A way of working.

    ``weights`` are registry ids besides the base and the variant's; ``needs_inputs`` pictures
    that must be given, ``takes_inputs`` others that may be. ``foregrounds`` is how many prompts
    of single layers it takes. A mode ``switches_weights`` if it changes the denoiser's between its
    calls or its steps.
    """

    summary: str
    weights: tuple[str, ...] = ()
    uses_variant: bool = False
    needs_inputs: tuple[InputRole, ...] = ()
    takes_inputs: tuple[InputRole, ...] = ()
    foregrounds: Many = "many"
    takes_boxes: bool = False
    takes_background: bool = False
    switches_weights: bool = False
    strength: float = 1.0
    ending_step: float = 1.0
    guidance: float | None = None  # this and the next where the mode's differs from the family's
    scheduler: str = ""


@dataclass(frozen=True)
class Defaults:
    """What a request leaves open."""

    base: str
    extent: Extent
    steps: int
    guidance: float
    scheduler: str
    negative_prompt: str = ""


@dataclass(frozen=True)
class Family:
    """One base architecture with everything that LayerDiffuse publishes for it.

    ``variants`` are registry ids of the weights for transparent pictures, the default first;
    ``side_multiple`` is for sizes that are derived; given ones may be any. ``most_tokens`` are
    read of a text.
    """

    id: FamilyId
    title: str
    defaults: Defaults
    modes: Mapping[str, Mode]
    variants: Mapping[str, str]
    cli: Defaults | None = None  # with parity="cli"
    cli_modes: tuple[str, ...] = ()
    cli_variant: str = ""
    adapters: tuple[str, ...] = ()
    takes_negative: bool = True
    most_tokens: int = MAX_CHUNKS * 75  # what CLIP takes of a text in pieces
    side_multiple: int = 64


_SDXL_DECODER, _SDXL_ENCODER = "layerdiffuse-sdxl-decoder", "layerdiffuse-sdxl-encoder"
_SD15_DECODER = "layerdiffuse-sd15-decoder"

SDXL = Family(
    id="sdxl",
    title="SDXL",
    defaults=Defaults(
        base="realvisxl-v4",
        extent=Extent(1024, 1024),
        steps=20,
        guidance=5.0,
        scheduler="dpm++ 2m sde karras",
        negative_prompt="bad, ugly",
    ),
    cli=Defaults(
        base="realvisxl-v4",
        extent=Extent(896, 1152),
        steps=25,
        guidance=7.0,
        scheduler="dpm++ 2m karras",
        negative_prompt="face asymmetry, eyes asymmetry, deformed eyes, open mouth",
    ),
    cli_modes=("fg", "img2img"),
    cli_variant="attn-full",
    adapters=("controlnet", "ip_adapter"),
    variants={
        "attn": "layerdiffuse-sdxl-attn-forge",
        "attn-full": "layerdiffuse-sdxl-attn",
        "attn-lora": "layerdiffuse-sdxl-attn-lora",
        "conv": "layerdiffuse-sdxl-conv",
        "conv-diffusers": "layerdiffuse-sdxl-conv-diffusers",
    },
    modes={
        "fg": Mode(
            "text to one transparent layer, or one for each foreground",
            weights=(_SDXL_DECODER,),
            uses_variant=True,
            takes_boxes=True,
        ),
        "fg+bg": Mode(
            "text to foregrounds, then a background behind them",
            weights=("layerdiffuse-sdxl-fg2ble", "layerdiffuse-sdxl-fgble2bg", _SDXL_DECODER),
            switches_weights=True,
            uses_variant=True,
            takes_boxes=True,
            takes_background=True,
            ending_step=0.5,
        ),
        "bg+fg": Mode(
            "text (or a picture) to a background, then foregrounds on it",
            weights=("layerdiffuse-sdxl-bg2ble", "layerdiffuse-sdxl-bgble2fg", _SDXL_DECODER),
            switches_weights=True,
            takes_inputs=("background",),
            takes_background=True,
            scheduler="euler a",  # DPM++ leaves artefacts with bgble2fg
        ),
        "fg2bg": Mode(
            "a given foreground completed with a background",
            weights=("layerdiffuse-sdxl-fg2ble", "layerdiffuse-sdxl-fgble2bg"),
            switches_weights=True,
            needs_inputs=("foreground",),
            takes_inputs=("blended",),
            foregrounds="none",
            takes_background=True,
            ending_step=0.5,
        ),
        "bg2fg": Mode(
            "a given background completed with foregrounds",
            weights=("layerdiffuse-sdxl-bg2ble", "layerdiffuse-sdxl-bgble2fg", _SDXL_DECODER),
            switches_weights=True,
            needs_inputs=("background",),
            takes_inputs=("blended",),
            scheduler="euler a",
        ),
        "img2img": Mode(
            "a given picture varied, transparency included",
            weights=(_SDXL_ENCODER, _SDXL_DECODER),
            uses_variant=True,
            needs_inputs=("image",),
            foregrounds="one",
            strength=0.7,
        ),
    },
)

SD15 = Family(
    id="sd15",
    title="Stable Diffusion 1.5",
    defaults=Defaults(
        base="sd15-base",
        extent=Extent(512, 512),
        steps=20,
        guidance=7.0,
        scheduler="dpm++ 2m karras",
        negative_prompt="bad, ugly",
    ),
    adapters=("controlnet", "ip_adapter"),
    variants={},
    modes={
        "fg": Mode(
            "text to one transparent layer, or one for each foreground",
            weights=("layerdiffuse-sd15-attn", _SD15_DECODER),
            takes_boxes=True,
        ),
        "joint": Mode(
            "text to foreground, background and their blend at once",
            weights=("layerdiffuse-sd15-joint", _SD15_DECODER),
            foregrounds="one",
            takes_background=True,
        ),
        "fg2bg": Mode(
            "a given foreground completed with a background",
            weights=("layerdiffuse-sd15-fg2bg",),
            needs_inputs=("foreground",),
            foregrounds="none",
            takes_background=True,
        ),
        "bg2fg": Mode(
            "a given background completed with a foreground",
            weights=("layerdiffuse-sd15-bg2fg", _SD15_DECODER),
            needs_inputs=("background",),
            foregrounds="one",
        ),
    },
)

FLUX = Family(
    id="flux",
    title="FLUX.1 [dev]",
    defaults=Defaults(
        base="flux-dev",
        extent=Extent(1024, 1024),
        steps=50,
        guidance=3.5,
        scheduler="flow euler",
    ),
    takes_negative=False,
    most_tokens=512,
    adapters=("controlnet",),
    variants={},
    modes={
        "fg": Mode(
            "text to one transparent layer, or one for each foreground",
            weights=("layerdiffuse-flux-lora", "layerdiffuse-flux-vae"),
            takes_boxes=True,
        ),
        "img2img": Mode(
            "a given picture varied, transparency included",
            weights=("layerdiffuse-flux-lora", "layerdiffuse-flux-vae"),
            needs_inputs=("image",),
            foregrounds="one",
            strength=0.8,
            guidance=7.0,
        ),
    },
)


def needed(family: Family, mode: str, variant: str, base: str) -> tuple[str, ...]:
    """Everything that a run loads: the base as it was named, and registry ids."""
    chosen = family.modes[mode]
    return (base, *((family.variants[variant],) if chosen.uses_variant else ()), *chosen.weights)
