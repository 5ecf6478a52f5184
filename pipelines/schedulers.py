"""Samplers by the names that people know them by."""

from __future__ import annotations

import difflib
from inspect import signature
from typing import Any

from layerstudio.errors import InvalidRequest

# diffusers' class and what it is made with, by the name in common web interfaces.
_DENOISING: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "dpm++ 2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpm++ 2m karras": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
    ),
    "dpm++ 2m sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++ 2m sde karras": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    ),
    "dpm++ 2s": ("DPMSolverSinglestepScheduler", {}),
    "dpm++ 2s karras": ("DPMSolverSinglestepScheduler", {"use_karras_sigmas": True}),
    "dpm2": ("KDPM2DiscreteScheduler", {}),
    "dpm2 karras": ("KDPM2DiscreteScheduler", {"use_karras_sigmas": True}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "euler a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "heun karras": ("HeunDiscreteScheduler", {"use_karras_sigmas": True}),
    "lcm": ("LCMScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "lms karras": ("LMSDiscreteScheduler", {"use_karras_sigmas": True}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),  # as Stable Diffusion is sampled
    "unipc": ("UniPCMultistepScheduler", {}),
    "unipc karras": ("UniPCMultistepScheduler", {"use_karras_sigmas": True}),
}
_FLOWING: dict[str, tuple[str, dict[str, Any]]] = {
    "flow euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "flow heun": ("FlowMatchHeunDiscreteScheduler", {}),
}


def scheduler_names(*, flow: bool) -> tuple[str, ...]:
    """Names for models that predict noise, or for flow matching ones (FLUX)."""
    return tuple(_FLOWING if flow else _DENOISING)


def check_scheduler(name: str, *, flow: bool) -> str:
    """The name as the table spells it; raises ``InvalidRequest`` for one that is not in it."""
    known = scheduler_names(flow=flow)
    spelled = " ".join(name.lower().replace("_", " ").split())
    if spelled not in known:
        near = difflib.get_close_matches(spelled, known, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InvalidRequest(
            f"There is no scheduler {name!r} for this model.",
            advice=f"{hint}Known: {', '.join(known)}.",
        )
    return spelled


def scheduler_class(name: str) -> Any:
    """diffusers' class of a name as the table spells it."""
    import diffusers

    return getattr(diffusers, (_DENOISING | _FLOWING)[name][0])


def make_scheduler(name: str, config: Any) -> Any:
    """A new diffusers scheduler of that name with the noise schedule of ``config``.

    Karras sigmas are as the name says, whatever the model's own sampler did.
    """
    kind, options = scheduler_class(name), (_DENOISING | _FLOWING)[name][1]
    if "use_karras_sigmas" in signature(kind.__init__).parameters:
        options = {"use_karras_sigmas": False, **options}
    return kind.from_config(config, **options)
