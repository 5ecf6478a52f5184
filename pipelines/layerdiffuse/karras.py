"""The sampler of LayerDiffuse's published script: DPM-Solver++ (2M), deterministic, Karras' noise.

Lu et al. 2022 (arXiv:2211.01095), second order multistep in the data prediction; Karras et al.
2022 (arXiv:2206.00364), eq. 5 with rho 7. In ``parity="cli"`` it takes the place of a scheduler of
diffusers, whose Karras variants start at another noise and interpolate the timesteps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TRAIN_STEPS = 1000
_BETA_START, _BETA_END = 0.00085, 0.012  # Stable Diffusion's "scaled linear" schedule
_RHO = 7.0  # Karras et al., table 1

Network = Callable[[Tensor, int], Tensor]  # scaled x (b, c, h, w) and timestep to the noise in it


def model_sigmas() -> Tensor:
    """Noise by timestep, ascending: (1000,) float32, sigma^2 = (1 - a) / a for a = prod(1 - beta).

    ``a`` is rounded to float32 first, as the script does, which moves the smallest sigma by 1e-5
    of itself, and with it the whole list of levels.
    """
    roots = torch.linspace(_BETA_START**0.5, _BETA_END**0.5, TRAIN_STEPS, dtype=torch.float64)
    kept = torch.cumprod(1 - roots**2, dim=0).float()
    return ((1 - kept) / kept).sqrt()


def karras_sigmas(count: int) -> Tensor:
    """``count`` noise levels from the model's largest to its smallest, then 0: (count + 1,)."""
    table = model_sigmas()
    least, most = table[0].item() ** (1 / _RHO), table[-1].item() ** (1 / _RHO)
    ramp = torch.linspace(0, 1, count)
    return torch.cat([(most + ramp * (least - most)) ** _RHO, torch.zeros(1)])


def sigmas_of_run(steps: int, strength: float = 1.0) -> Tensor:
    """The noise levels of ``steps`` steps, (steps + 1,), falling to 0.

    With ``strength`` below 1 they are the last ones of a longer list, so that image to image
    takes all its steps: 0.7 and 25 steps are the end of a list of 35.
    """
    assert 0 < strength <= 1, strength
    return karras_sigmas(int(steps / strength))[-(steps + 1) :]


def timestep_of(sigma: Tensor) -> int:
    """The timestep whose noise is nearest to ``sigma`` by its logarithm."""
    return int((model_sigmas().log() - sigma.log()).abs().argmin())


def sample(
    network: Network,
    start: Tensor,
    sigmas: Tensor,
    after_step: Callable[[Tensor, int, int], Tensor] | None = None,
) -> Tensor:
    """``start`` (b, c, h, w), noisy at ``sigmas[0]``, denoised along ``sigmas``.

    ``after_step`` gets the latents, the number of steps done and of all steps, and returns the
    latents to go on with; what it raises ends the sampling.
    """
    x, before, last_span = start, None, None
    steps = len(sigmas) - 1
    for i in range(steps):
        sigma, following = sigmas[i], sigmas[i + 1]
        denoised = x - sigma * network(x / (sigma**2 + 1).sqrt(), timestep_of(sigma))
        span = sigma.log() - following.log()
        towards = denoised
        if before is not None and last_span is not None and following > 0:
            towards = denoised + (denoised - before) * span / (2 * last_span)
        x = (following / sigma) * x - torch.expm1(-span) * towards
        before, last_span = denoised, span
        if after_step:
            x = after_step(x, i + 1, steps)
    return x
